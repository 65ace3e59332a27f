from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imcflow.runtime import code_files
from imcflow.runtime.compiled_loops import build
from imcflow.runtime.compiled_loops.fingerprint import CompiledFunction
from imcflow.runtime.compiled_loops.parameters import Parameter
from imcflow.runtime.compiled_loops.store import Stored


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which alone machine code is kept."""
    monkeypatch.setattr(code_files, "_folders", lambda source: iter([tmp_path / "loops"]))
    return tmp_path / "loops"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of loops that were compiled, and not loaded."""
    names: list[str] = []
    whole: Callable[[CompiledFunction, tuple[Parameter, ...]], Stored | None] = build.build

    def build_and_note(loop: CompiledFunction, parameters: tuple[Parameter, ...]) -> Stored | None:
        names.append(loop.py_func.__name__)
        return whole(loop, parameters)

    monkeypatch.setattr(build, "build", build_and_note)
    return names
