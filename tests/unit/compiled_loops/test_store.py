"""Compiled loops in files: found again, compiled again when damaged or writable by others, written at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imcflow.runtime import code_files
from imcflow.runtime.compiled_loops.loop import Loop, compiled_loop
from imcflow.runtime.compiled_loops.store import Stored

ROOT = os.name == "posix" and os.geteuid() == 0
STORED = Stored("qd", True, b"machine code", b"gate")


@compiled_loop
def add(one: int, other: int) -> int:
    return one + other


def again() -> Loop[[int, int], int]:
    """The loop as a new process sees it."""
    return Loop(add.py_func)


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_the_second_process_finds_the_code_of_the_first(folder: Path, built: list[str]):
    assert again()(2, 3) == 5
    assert only_file(folder).name.startswith("test_store.add-")
    assert only_file(folder).suffix == ".loop"
    assert again()(20, 30) == 50
    assert built == ["add"]


def test_a_file_is_what_was_stored():
    assert Stored.parse(STORED.dump()) == STORED


@pytest.mark.parametrize("end", [0, 40, 500, -1])
def test_a_truncated_file_is_compiled_again_and_replaced(folder: Path, built: list[str], end: int):
    again()(1, 1)
    whole = only_file(folder).read_bytes()
    only_file(folder).write_bytes(whole[:end])
    assert again()(2, 3) == 5
    assert built == ["add", "add"]
    assert again()(2, 4) == 6
    assert len(built) == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_may_write_is_not_loaded(folder: Path, built: list[str], mode: int):
    again()(1, 1)
    only_file(folder).chmod(mode)
    assert again()(2, 3) == 5
    assert len(built) == 2
    assert only_file(folder).stat().st_mode & 0o022 == 0
    assert again()(2, 3) == 5
    assert len(built) == 2


@pytest.mark.skipif(not ROOT, reason="only the administrator gives files away")
def test_a_file_of_somebody_else_is_not_loaded(folder: Path, built: list[str]):
    again()(1, 1)
    os.chown(only_file(folder), 12345, -1)
    assert again()(2, 3) == 5
    assert len(built) == 2


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_others_may_write_is_left_alone(folder: Path, built: list[str]):
    again()(1, 1)
    folder.chmod(0o777)
    before = only_file(folder).stat().st_mtime_ns
    assert again()(2, 3) == 5
    assert len(built) == 2
    assert only_file(folder).stat().st_mtime_ns == before


def test_where_nothing_can_be_written_the_code_stays_in_memory(folder: Path, built: list[str]):
    folder.write_text("not a folder")
    own = again()
    assert [own(2, 3), own(3, 4)] == [5, 7]
    assert built == ["add"]
    assert folder.read_text() == "not a folder"


def test_a_folder_in_the_place_of_the_file(folder: Path, built: list[str]):
    again()(1, 1)
    path = only_file(folder)
    path.unlink()
    path.mkdir()
    assert again()(2, 3) == 5
    assert len(built) == 2
    assert only_file(folder) == path  # nothing is left beside it


RACE = """
import sys
import time
from pathlib import Path
import numpy as np
from imcflow.runtime.compiled_loops.loop import compiled_loop

@compiled_loop
def last(values, by):
    for at in range(1, len(values)):
        values[at] += values[at - 1] * by
    return values[-1]

import numba
Path(sys.argv[1], f"ready{sys.argv[2]}").touch()
while not Path(sys.argv[1], "go").exists():
    time.sleep(0.001)
for _ in range(3):
    assert last(np.arange(10), 2) == 1013, last(np.arange(10), 2)
"""


def test_processes_that_compile_the_same_loop_at_once(tmp_path: Path):
    script = tmp_path / "race.py"
    script.write_text(RACE)
    environment = os.environ | {code_files.VARIABLE: str(tmp_path / "loops")}
    commands = [[sys.executable, str(script), str(tmp_path), str(number)] for number in range(3)]
    running = [subprocess.Popen(each, env=environment, stderr=subprocess.PIPE, text=True) for each in commands]
    while sum(1 for _ in tmp_path.glob("ready*")) < len(running) and all(each.poll() is None for each in running):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    for each in running:
        _, errors = each.communicate(timeout=300)
        assert each.returncode == 0, errors
    assert len(list((tmp_path / "loops").iterdir())) == 1
    script.write_text(RACE.replace("import numba\n", "") + "assert 'numba' not in sys.modules\n")
    subprocess.run([sys.executable, str(script), str(tmp_path), "9"], env=environment, check=True, timeout=300)
