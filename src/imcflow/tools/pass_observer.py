"""What happens between two passes: verification, timing, and dumps of the IR."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.locations import describe
from imcflow.tools.stage_clock import StageClock


class VerifyEach(StrEnum):
    """When the verifier runs: it walks the whole module (about 23 us per op), which dominates long pipelines."""

    OFF = "off"
    ENDS = "ends"  # before the first pass and after the last one
    ALL = "all"  # also after every pass


@dataclass
class PassObserver:
    """The callback of an xDSL `PassPipeline`; everything it prints goes to stderr, never between the IR on stdout.

    Args:
        verify_each: when to verify the module.
        dump_directory: folder that gets the IR before the first pass and after each pass as numbered files,
            with source locations, so that any of them can be fed to `imc-opt` again.
        print_between: also print the IR between two passes on stderr.
        time_passes: print the time of each pass and the peak memory after it on stderr.
    """

    verify_each: VerifyEach = VerifyEach.ALL
    dump_directory: Path | None = None
    print_between: bool = False
    time_passes: bool = False
    context: str = field(default="", init=False)
    """Where an error happened: the running pass, or the op that failed to verify. Empty before the first pass."""
    _clock: StageClock = field(init=False)
    _dumped: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._clock = StageClock(self.time_passes)

    def __call__(self, previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
        """Observe `module` after `previous` and before `following`; None stands for an end of the pipeline.

        Raises:
            VerifyException: the module is not valid; `context` then names pass and op.
            OSError: the dump folder cannot be written.
        """
        if previous is not None:
            self._clock.finish(previous.name)
        if self.dump_directory is not None:
            self._dump(self.dump_directory, previous, module)
        self._verify(previous, module, following)
        if self.print_between and previous is not None and following is not None:
            sys.stderr.write(f"// IR after {previous.name}:\n")
            _print_module(module, sys.stderr)
        self.context = "" if following is None else f"pass {following.name}"
        self._clock.start()

    def _dump(self, directory: Path, previous: ModulePass | None, module: ModuleOp) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        name = "input" if previous is None else previous.name
        with (directory / f"{self._dumped:02}_{name}.mlir").open("w", encoding="utf-8") as file:
            _print_module(module, file)
        self._dumped += 1

    def _verify(self, previous: ModulePass | None, module: ModuleOp, following: ModulePass | None) -> None:
        at_an_end = previous is None or following is None
        if self.verify_each is VerifyEach.OFF or (self.verify_each is VerifyEach.ENDS and not at_an_end):
            return
        try:
            module.verify()
        except VerifyException:
            after = "" if previous is None else f"after pass {previous.name}: "
            self.context = after + _first_invalid_op(module)
            raise


def _print_module(module: ModuleOp, stream: IO[str]) -> None:
    Printer(stream=stream, print_debuginfo=True).print_op(module)
    stream.write("\n")


def _first_invalid_op(module: ModuleOp) -> str:
    """Describe the innermost op of `module` that fails its own verifier, by name and location."""
    for op in module.walk():
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException:
            return describe(op)
    return "module"
