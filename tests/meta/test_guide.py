"""The tour in `docs/guide.md` works: its commands run in order and print the lines shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from imcflow.tools.imcflow_main import main

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")


def test_the_commands_of_the_tour_print_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare, _ = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    exec(prepare, {})
    commands = 0
    for block in re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL):
        printed: list[str] = []
        for line in block.splitlines():
            if not line.startswith("$ "):
                assert " ".join(line.split()) in printed, f"not printed: {line}"
                continue
            name, *words = shlex.split(line[2:])
            target = words[words.index(">") + 1] if ">" in words else None
            arguments = words[: words.index(">")] if target is not None else words
            assert name == "imcflow"
            assert main(arguments) == 0, line
            output = capsys.readouterr().out
            if target is not None:
                (tmp_path / target).write_text(output, encoding="utf-8")
            printed = [" ".join(text.split()) for text in output.splitlines()]
            commands += 1
    assert commands > 10


def test_the_script_of_the_tour_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for script in re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL):
        exec(script, {})
    assert "total" in capsys.readouterr().out
