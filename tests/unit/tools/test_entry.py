"""Commands that are interrupted or terminated end with the signal's status, clean up and print no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imcflow.tools.entry import INTERRUPTED, TERMINATED

MAIN = """
import os, signal, sys
from pathlib import Path
from imcflow.runtime.output_file import written_whole

def main():
    if sys.argv[1] == "import":
        raise AssertionError("killed before")
    with written_whole(Path({output!r})) as part:
        part.write_bytes(b"half")
        assert len(os.listdir({folder!r})) == 1
        os.kill(os.getpid(), signal.{name})
        signal.sigtimedwait([signal.SIGUSR1], 10)  # the signal comes before
    return 0

if sys.argv[1] == "import":
    os.kill(os.getpid(), signal.{name})
"""
RUN = "import sys; from imcflow.tools.entry import run_tool; sys.exit(run_tool('killed_tool'))"


@pytest.mark.parametrize("when", ["import", "main"])
@pytest.mark.parametrize(("name", "status"), [("SIGINT", INTERRUPTED), ("SIGTERM", TERMINATED)])
def test_a_signal_ends_a_command_cleanly(when: str, name: str, status: int, tmp_path: Path):
    folder = tmp_path / "outputs"
    folder.mkdir()
    text = MAIN.format(output=str(folder / "x.bin"), folder=str(folder), name=name)
    (tmp_path / "killed_tool.py").write_text(text, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-c", RUN, when], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (found.returncode, found.stderr) == (status, "")
    assert not list(folder.iterdir())
