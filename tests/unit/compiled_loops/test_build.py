"""What is stored, and what goes through numba instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imcflow.runtime.compiled_loops import build
from imcflow.runtime.compiled_loops.loop import Loop, compiled_loop
from imcflow.runtime.compiled_loops.parameters import Number


@compiled_loop
def doubled_sum(count: int) -> int:
    values = np.empty(count, np.int64)
    for at in range(count):
        values[at] = 2 * at
    return values.sum()


@compiled_loop
def kinds(value: int) -> tuple[Any, ...]:
    return np.int8(value), value / 2, np.uint32(value), value > 0, np.float32(value), np.uint64(value)


@compiled_loop
def nothing() -> None:
    pass


@dataclass
class Item:
    name: str
    is_declaration: bool


@dataclass
class Module:
    functions: list[Item]
    global_variables: list[Item] = field(default_factory=list[Item])


def test_another_header_of_memory_goes_through_numba(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(build, "HEADER", "{i64, ptr}")
    assert Loop(doubled_sum.py_func)(4) == 12
    assert not folder.exists()


def test_a_loop_that_allocates_is_stored(folder: Path):
    assert Loop(doubled_sum.py_func)(4) == 12
    assert len(list(folder.iterdir())) == 1


def test_results_of_several_widths(folder: Path):
    for _ in range(2):
        assert Loop(kinds.py_func)(100) == (100, 50.0, 100, True, 100.0, 100)
        assert Loop(kinds.py_func)(-3)[:2] == (-3, -1.5)
    assert len(list(folder.iterdir())) == 1


@pytest.mark.usefixtures("folder")
def test_a_loop_of_nothing():
    assert Loop(nothing.py_func)() is None


def test_symbols_of_other_formats_are_those_of_the_module():
    module = Module([Item("NRT_Free", True), Item("llvm.smax.i64", True), Item("own", False)], [Item("PyExc", True)])
    assert build.undefined_symbols(b"\xcf\xfa\xed\xfe", module) == {"NRT_Free", "PyExc"}


def test_symbols_that_the_code_generator_adds_are_found():
    stored = build.build(doubled_sum, [Number(int)])
    assert stored is not None
    found = build.undefined_symbols(stored.loop, Module([]))
    assert "NRT_MemInfo_call_dtor" in found
    assert found <= {"NRT_MemInfo_call_dtor", "NRT_MemInfo_alloc_aligned", "NRT_MemInfo_alloc_safe_aligned", "memset"}
