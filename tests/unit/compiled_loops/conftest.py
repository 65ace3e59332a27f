from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imcflow.runtime.compiled_loops import build, store
from imcflow.runtime.compiled_loops.fingerprint import CompiledFunction
from imcflow.runtime.compiled_loops.parameters import Parameter


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which alone machine code is kept."""
    monkeypatch.setattr(store, "_folders", lambda source: iter([tmp_path / "loops"]))
    return tmp_path / "loops"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of loops that were compiled, and not loaded."""
    names: list[str] = []
    whole: Callable[[CompiledFunction, tuple[Parameter, ...]], store.Stored | None] = build.build

    def build_and_note(loop: CompiledFunction, parameters: tuple[Parameter, ...]) -> store.Stored | None:
        names.append(loop.py_func.__name__)
        return whole(loop, parameters)

    monkeypatch.setattr(build, "build", build_and_note)
    return names
