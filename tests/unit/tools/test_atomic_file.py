"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imcflow.errors import ImcflowError
from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically


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


def test_a_full_disk_is_named_by_the_wanted_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "program.imcp"

    def full_disk(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")  # as write(2) reports it: without a name

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError, match="cannot be written: No space left") as error:
        write_bytes_atomically(path, b"new")
    assert error.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_a_pipe_is_written_and_stays_a_pipe(tmp_path: Path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes_atomically(path, b"abc")
        assert os.read(reader, 10) == b"abc"
    finally:
        os.close(reader)
    assert path.is_fifo()


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to("folder/file")
    for data in (b"first", b"second"):  # the first time the link leads nowhere yet
        write_bytes_atomically(link, data)
        assert link.is_symlink()
        assert (tmp_path / "folder" / "file").read_bytes() == data
    assert len(list((tmp_path / "folder").iterdir())) == 1


def test_the_longest_name_that_a_file_can_have_is_written(tmp_path: Path):
    path = tmp_path / ("x" * 255)
    write_bytes_atomically(path, b"abc")
    assert path.read_bytes() == b"abc"


def test_outputs_that_cannot_be_written_are_refused_beforehand(tmp_path: Path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"")
    other = tmp_path / "folder"
    other.mkdir()
    check_outputs([None, tmp_path / "a", tmp_path / "b", Path(os.devnull), Path(os.devnull)], [model, None, "preset"])
    for outputs, message in (
        ([other / ".." / "model.onnx"], "read as an input"),
        ([tmp_path / "a", other / ".." / "a"], "two outputs"),
        ([tmp_path], "is a directory"),
        ([tmp_path / "none" / "a"], "there is no folder"),
        ([model / "a"], "there is no folder"),
    ):
        with pytest.raises(ImcflowError, match=message):
            check_outputs(outputs, [model])
