"""Files of machine code: in which folder, and never what is damaged or was written for something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imcflow.runtime import code_files

CODE = b"machine code"


def test_a_file_is_what_was_written_under_its_key():
    data = code_files.packed(CODE, "key")
    assert code_files.unpacked(data, "key") == CODE
    assert code_files.unpacked(code_files.packed(b"", "key"), "key") == b""
    assert code_files.unpacked(data, "another key") is None
    assert code_files.unpacked(data + b"x", "key") is None
    for at in range(len(data)):
        assert code_files.unpacked(data[:at], "key") is None
        assert code_files.unpacked(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], "key") is None


def test_the_order_of_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = tmp_path / "package" / "loops.py"
    source.parent.mkdir()
    source.touch()
    monkeypatch.setenv(code_files.VARIABLE, str(tmp_path / "named"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    places = [tmp_path / "named", source.parent / "__pycache__", tmp_path / "cache" / "imcflow"]
    for place in places:
        assert code_files.save(str(source), "loop.loop", "key", CODE)
        assert sorted(path.name for path in place.iterdir()) == ["loop.loop"]
        assert code_files.load(str(source), "loop.loop", "key") == CODE
        shutil.rmtree(place)
        place.write_text("in the way")
    assert not code_files.save(str(source), "loop.loop", "key", CODE)
    assert code_files.load(str(source), "loop.loop", "key") is None


def test_code_beside_the_source_is_found_behind_an_empty_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    source = tmp_path / "loops.py"
    source.touch()
    monkeypatch.delenv(code_files.VARIABLE, raising=False)
    assert code_files.save(str(source), "loop.loop", "key", CODE)
    monkeypatch.setenv(code_files.VARIABLE, str(tmp_path / "named"))
    assert code_files.load(str(source), "loop.loop", "key") == CODE


def test_without_a_source_file_or_a_home_nothing_is_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(code_files.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert not code_files.save("<string>", "loop.loop", "key", CODE)
    assert not list(tmp_path.iterdir())
