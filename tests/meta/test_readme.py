"""What the README shows works."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from imcflow.tools.imcflow_main import main

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    logits, images, same = (names[name] for name in ("logits", "images", "same"))
    assert np.shape(logits) == (len(np.asarray(images)), 10)
    assert np.array_equal(same.run({"image": images})["logits"], logits)  # pyright: ignore[reportAttributeAccessIssue]
    assert "total" in capsys.readouterr().out


def test_the_options_of_the_command_line_exist(capsys: pytest.CaptureFixture[str]):
    (block,) = re.findall(r"```\n(imcflow demo.*?)```", README, re.DOTALL)
    for line in block.splitlines():
        words = line.split()
        if words[0] != "imcflow":
            continue
        options = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line)
        main([words[1], "--help"])
        text = capsys.readouterr().out
        assert [option for option in options if option not in text] == []


def test_every_linked_file_exists():
    root = Path(__file__).resolve().parents[2]
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert "://" in link or (page.parent / link).exists(), f"{page.name} links to {link}"
