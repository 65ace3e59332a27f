"""Machine code of modules: compiled once, loaded afterwards, and never for another processor."""

from __future__ import annotations

from ctypes import CFUNCTYPE, c_int64
from pathlib import Path

import pytest

from imcflow.runtime import code_files, native_code
from imcflow.runtime.native_code import NativeCode


def module(number: int) -> str:
    """A function that adds a number."""
    return f"define i64 @more(i64 %0) {{\n  %sum = add i64 %0, {number}\n  ret i64 %sum\n}}\n"


def more(code: NativeCode, number: int) -> int:
    return CFUNCTYPE(c_int64, c_int64)(code.address("more"))(number)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(code_files, "_folders", lambda source: iter([tmp_path]))
    return tmp_path


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that were compiled, and not loaded."""
    texts: list[str] = []
    whole = native_code.object_code

    def compile_and_note(ir: str) -> bytes:
        texts.append(ir)
        return whole(ir)

    monkeypatch.setattr(native_code, "object_code", compile_and_note)
    return texts


def test_a_module_is_compiled_once(folder: Path, compiled: list[str]):
    assert more(NativeCode.of(module(5)), 1) == 6
    assert more(NativeCode.of(module(5)), 2) == 7
    assert more(NativeCode.of(module(6)), 2) == 8
    assert compiled == [module(5), module(6)]
    assert sorted(path.suffix for path in folder.iterdir()) == [".kernel", ".kernel"]


def test_a_damaged_file_is_compiled_again(folder: Path, compiled: list[str]):
    NativeCode.of(module(5))
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    assert more(NativeCode.of(module(5)), 1) == 6
    assert more(NativeCode.of(module(5)), 1) == 6
    assert len(compiled) == 2


@pytest.mark.parametrize("changed", ["host", "llvmlite_version"])
@pytest.mark.usefixtures("folder")
def test_another_processor_or_compiler_has_code_of_its_own(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch, changed: str
):
    NativeCode.of(module(5))
    cpu, features = native_code.host()
    different = {"host": lambda: (cpu, features + ",-avx512f"), "llvmlite_version": lambda: "0.1"}[changed]
    monkeypatch.setattr(native_code, changed, different)
    NativeCode.of(module(5))
    assert len(compiled) == 2


def test_objects_are_linked_with_each_other():
    caller = """
      declare i64 @more(i64)
      define i64 @twice(i64 %0) {
        %once = call i64 @more(i64 %0)
        %again = call i64 @more(i64 %once)
        ret i64 %again
      }"""
    code = NativeCode(native_code.object_code(module(5)), native_code.object_code(caller))
    assert CFUNCTYPE(c_int64, c_int64)(code.address("twice"))(1) == 11
