"""Where numba keeps compiled kernels when neither the installation nor the home can be written."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imcflow import kernel_cache

VARIABLE = "NUMBA_CACHE_DIR"


def denied(folder: str) -> bool:
    return False


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[object]:
    """No variable, temporary folders in `tmp_path`; what is to happen at the end of the process."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    found: list[object] = []

    def register(function: object, *arguments: object, **options: object) -> None:
        found.extend(arguments)

    monkeypatch.setattr(atexit, "register", register)
    return found


def test_usual_places_are_left_alone(registered: list[object]) -> None:
    kernel_cache.provide_kernel_cache()
    assert os.environ[VARIABLE] == ""
    assert not registered


def test_a_folder_of_the_process_where_nothingcan_be_written(
    registered: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernel_cache, "can_be_written", denied)
    kernel_cache.provide_kernel_cache()
    folder = Path(os.environ[VARIABLE])
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700  # numba loads what lies there: it must be the user's own
    assert registered == [str(folder)]
    kernel_cache.provide_kernel_cache()  # the variable is set: nothing more happens
    assert os.environ[VARIABLE] == str(folder)


def test_a_folder_is_tried_and_not_only_looked_at(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert kernel_cache.can_be_written(str(tmp_path / "a" / "b"))
    assert not list((tmp_path / "a" / "b").iterdir())
    assert not kernel_cache.can_be_written(str(tmp_path / "file"))
    assert not kernel_cache.can_be_written(str(tmp_path / "file" / "a"))


def test_numba_takes_the_folder_and_it_goes_with_the_process(tmp_path: Path) -> None:
    """In a process of its own, because numba reads the environment once."""
    script = """
import os
makedirs = os.makedirs
os.makedirs = lambda name, mode=0o777, exist_ok=False: makedirs("/dev/null/none")
import imcflow
os.makedirs = makedirs
import numba
assert numba.config.CACHE_DIR == os.environ["NUMBA_CACHE_DIR"]
print(numba.config.CACHE_DIR)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path), VARIABLE: ""}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert Path(run.stdout.strip()).parent == tmp_path
    assert not list(tmp_path.iterdir())
