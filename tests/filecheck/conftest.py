"""Collect `.mlir` files: each RUN line is one pytest item, run inside this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr
from filecheck_runner import FileCheckError, check, run_lines


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".mlir":
        return None
    return FileCheckFile.from_parent(parent, path=file_path)


class FileCheckFile(pytest.File):
    """A FileCheck test."""

    def collect(self) -> Iterator[pytest.Item]:
        for number, line in enumerate(run_lines(self.path), start=1):
            item = RunLine.from_parent(self, name=f"RUN-{number}")
            item.line = line
            yield item


class RunLine(pytest.Item):
    """One RUN line of a FileCheck test."""

    line: str

    def runtest(self) -> None:
        # A folder per item: parallel workers must not share scratch files.
        with TemporaryDirectory() as folder:
            check(self.line, self.path, Path(folder) / "scratch")

    def repr_failure(self, excinfo: ExceptionInfo[BaseException]) -> str | TerminalRepr:
        if isinstance(excinfo.value, FileCheckError):
            return f"RUN: {self.line}\n{excinfo.value}"
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}: {self.line}"
