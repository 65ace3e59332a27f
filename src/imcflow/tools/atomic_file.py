"""Output files of the tools: checked before the work begins, complete or not there at all after it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from imcflow.errors import ImcflowError
from imcflow.runtime.output_file import written_whole


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`; a reader sees the old file or the whole new one, also when writing fails.

    Raises:
        OSError: the folder cannot be written or the disk is full; the error names `path`.
    """
    with written_whole(path) as temporary:
        temporary.write_bytes(data)


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | str | None]) -> None:
    """Refuse output files that cannot be written, before work that would be lost.

    Args:
        outputs: files that a command is going to write; None for one that is not wanted.
        inputs: files that it reads, none of which may be overwritten.

    Raises:
        ImcflowError: an output is a directory, lies in a folder that does not exist, is named twice, or is an input.
    """
    read = {os.path.realpath(path) for path in inputs if path}
    written: set[str] = set()
    for path in outputs:
        if path is None:
            continue
        if path.is_dir():
            raise ImcflowError(f"{path}: is a directory, expected a file to write")
        if not path.parent.is_dir():
            raise ImcflowError(f"{path}: cannot be written: there is no folder {path.parent}")
        place = os.path.realpath(path)
        if place in read:
            raise ImcflowError(f"{path}: is read as an input and would be overwritten; name another file to write")
        if place in written and (path.is_file() or not path.exists()):
            raise ImcflowError(f"{path}: is named for two outputs; name another file for one of them")
        written.add(place)
