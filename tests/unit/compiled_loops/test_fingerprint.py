"""The hash of a loop changes with all that changes its machine code, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

from imcflow.runtime.compiled_loops import fingerprint as module
from imcflow.runtime.compiled_loops.fingerprint import CompiledFunction, fingerprint
from imcflow.runtime.compiled_loops.loop import Loop
from imcflow.runtime.compiled_loops.parameters import Array, Fields, Number, Parameter

SOURCE = """
import numpy as np
from imcflow.runtime.compiled_loops.loop import compiled_loop
SCALE = 3
NAMES = (1, 2.5)

@compiled_loop
def deepest(value):
    return value + 1

@compiled_loop
def callee(value):
    return deepest(value) * SCALE

@compiled_loop("int64(int64)")
def typed(value):
    return value

@compiled_loop
def loop(value):
    found = np.int64(0)
    for at in range(value):
        if value in (NAMES[0], 7):
            found += callee(at) + typed(at)
    return found
"""


class Pair(NamedTuple):
    one: int
    other: int


class Twin(NamedTuple):
    one: int
    others: int


def key(source: str, *parameters: Parameter) -> str:
    """The fingerprint of `loop` in a module of this text."""
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, "example.py", "exec"), names)
    return fingerprint(cast(CompiledFunction, names["loop"]), parameters or [Number(int)])


def test_the_same_text_has_the_same_hash_also_in_other_processes():
    assert key(SOURCE) == key("\n\n# moved\n" + SOURCE)
    script = f"""
import sys
sys.path.append({str(Path(__file__).parent)!r})
from test_fingerprint import SOURCE, key
print(key(SOURCE))
"""
    for seed in ("1", "2"):
        command = [sys.executable, "-c", script]
        found = subprocess.run(
            command, env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True, timeout=300
        )
        assert found.stdout.strip() == key(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value + 1", "value + 2"),
        ("value + 1", "value - 1"),
        ("SCALE = 3", "SCALE = 4"),
        ("SCALE = 3", "SCALE = 3.0"),
        ("2.5)", "2.25)"),
        ("range(value)", "range(value, 9)"),
        ("np.int64(0)", "np.int32(0)"),
        ("int64(int64)", "int64(int32)"),
        ('@compiled_loop("int64(int64)")', "@compiled_loop"),
        ("value in", "value not in"),
    ],
)
def test_the_code_of_loops_and_callees_and_constants_count(old: str, new: str):
    assert old in SOURCE
    assert key(SOURCE.replace(old, new)) != key(SOURCE)


def test_every_kind_of_argument_has_its_own():
    kinds: list[Parameter] = [Number(int), Number(float), Number(bool)]
    kinds += [Array(np.dtype(name), 1, True, True) for name in ("i4", "u4", "i8", "f8", "?")]
    kinds += [Array(np.dtype("i4"), 2, True, True), Array(np.dtype("i4"), 1, False, True)]
    kinds += [Array(np.dtype("i4"), 1, True, False), Fields(Pair, (Number(int), Number(int)))]
    kinds += [Fields(Pair, (Number(int), Number(float))), Fields(Twin, (Number(int), Number(int)))]
    assert len({key(SOURCE, kind) for kind in kinds}) == len(kinds)
    assert key(SOURCE, Number(int), Number(float)) != key(SOURCE, Number(float), Number(int))


@pytest.mark.parametrize("function", ["numba_version", "llvmlite_version", "host"])
def test_versions_and_the_processor_count(function: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_environment", unwrapped_environment())
    before = key(SOURCE)
    monkeypatch.setattr(module, function, lambda: ("another", "one") if function == "host" else "another")
    assert key(SOURCE) != before


def test_settings_of_numba_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_environment", unwrapped_environment())
    before = key(SOURCE)
    monkeypatch.setenv("NUMBA_CACHE_DIR", "elsewhere")
    assert key(SOURCE) == before
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert key(SOURCE) != before


def unwrapped_environment() -> Callable[[], tuple[str, ...]]:
    """The function behind the cache."""
    return cast(Any, module._environment).__wrapped__


def test_the_version_of_numba_is_read_without_importing_it():
    script = """
import sys
from imcflow.runtime.compiled_loops.fingerprint import numba_version
text = numba_version()
assert "numba" not in sys.modules
import numba
assert f'"{numba.__version__}"' in text, text
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)


def test_variables_of_a_function_around_the_loop_count():
    def make(constant: object) -> CompiledFunction:
        def loop(value: int) -> object:
            return [value, constant]

        return cast(CompiledFunction, Loop(loop))

    values = (1, 2, 2.0, None, np.int8(2), np.array([1, 2]), np.array([1, 3]), np.int64, np, (1, 2), len, make)
    assert len({fingerprint(make(value), ()) for value in values}) == len(values)
    assert fingerprint(make(1), ()) == fingerprint(make(1), ())


def test_a_function_that_calls_itself_ends():
    source = SOURCE.replace("return deepest(value) * SCALE", "return callee(value - 1) if value else SCALE")
    assert key(source) != key(source.replace("value - 1", "value - 2"))


def test_a_global_that_cannot_be_told_is_refused():
    with pytest.raises(TypeError, match=r"callee: SCALE is a dict"):
        key(SOURCE.replace("SCALE = 3", "SCALE = {}"))
