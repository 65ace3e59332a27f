"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imcflow.tools.atomic_file import write_bytes_atomically


def test_the_file_has_the_bytes_and_the_usual_permissions(tmp_path: Path):
    path = tmp_path / "program.imcp"
    write_bytes_atomically(path, b"abc")
    assert path.read_bytes() == b"abc"
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_an_existing_file_is_replaced_without_remains(tmp_path: Path):
    path = tmp_path / "program.imcp"
    path.write_bytes(b"old and longer")
    write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "program.imcp"
    path.write_bytes(b"old")

    def full_disk(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing/program.imcp", "."])
def test_an_impossible_place_is_named(name: str, tmp_path: Path):
    with pytest.raises(OSError) as error:  # noqa: PT011 the file name is the point
        write_bytes_atomically(tmp_path / name, b"")
    assert error.value.filename == str(tmp_path / name)
