"""`imc-opt`: xDSL's opt tool with the `imc` dialect, the imcflow passes, ONNX input and readable errors.

Every `xdsl-opt` option works here too. The class only overrides the hooks that `xDSLOptMain` offers; its constructor
and its main loop are xDSL's own.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, NoReturn, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import PassPipeline
from xdsl.universe import Universe
from xdsl.utils.arg_spec import parse_spec
from xdsl.utils.exceptions import ArgSpecParseError
from xdsl.utils.target import Target
from xdsl.xdsl_opt_main import xDSLOptMain

from imcflow.collection import end_without_collecting, seldom_collecting
from imcflow.errors import ImcflowError
from imcflow.lowering.binary_target import BinaryTarget
from imcflow.runtime.output_file import written_whole
from imcflow.tools.atomic_file import check_outputs
from imcflow.tools.pass_docs import summary
from imcflow.tools.pass_observer import PassObserver, VerifyEach
from imcflow.tools.user_errors import run_reporting_errors
from imcflow.universe import FRONTENDS, IMC_UNIVERSE, load

TOOL = "imc-opt"


class ImcOptMain(xDSLOptMain):
    """The opt tool of imcflow.

    Raises:
        ImcflowError: from the constructor, when the command line is wrong; the message names option and choices.
    """

    version_format: ClassVar[str] = "imc-opt of imcflow, built on xDSL {xdsl_version}"

    observer: PassObserver
    """Watches the pipeline; its `context` says where an error happened."""

    _temporary_output: Path

    def register_all_dialects(self) -> None:
        """Register every installed dialect, and `imc` also where imcflow is only on the path and not installed."""
        super().register_all_dialects()
        registered = set(self.ctx.registered_dialect_names)
        for name, factory in IMC_UNIVERSE.all_dialects.items():
            if name not in registered:
                self.ctx.register_dialect(name, factory)

    def register_all_passes(self) -> None:
        """Register every installed pass, and those of imcflow also where it is not installed."""
        super().register_all_passes()
        for name, factory in IMC_UNIVERSE.all_passes.items():
            self.available_passes.setdefault(name, factory)

    def register_all_targets(self) -> None:
        """Register every installed output format, and those of imcflow also where it is not installed."""
        super().register_all_targets()
        for name, factory in IMC_UNIVERSE.all_targets.items():
            self.available_targets.setdefault(name, factory)

    def register_all_frontends(self) -> None:
        """Read `.mlir` as xDSL does, and the file types of imcflow's importers."""
        super().register_all_frontends()
        for extension, path in FRONTENDS.items():
            self.available_frontends[extension] = self._frontend(path)

    def _frontend(self, path: str) -> Callable[[IO[bytes]], ModuleOp]:
        return lambda stream: load(path)(stream.read(), self.get_input_name())

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        """Add imcflow's options; wrong command lines become `ImcflowError` instead of a usage text."""
        super().register_all_arguments(arg_parser)
        arg_parser.prog = TOOL
        arg_parser.error = _refuse_command_line
        arg_parser.add_argument(
            "--list-passes",
            action=_ListPasses,
            help="list the passes of imcflow, or with --list-passes=all also those of xDSL, and exit",
        )
        arg_parser.add_argument(
            "--dump-ir",
            metavar="DIR",
            type=Path,
            help="write the IR before the first and after every pass to numbered files in DIR",
        )
        arg_parser.add_argument(
            "--verify-each",
            choices=[choice.value for choice in VerifyEach],
            default=VerifyEach.ALL.value,
            help="verify never, only before the first and after the last pass, or after every pass (default: all)",
        )

    def setup_pipeline(self) -> None:
        """Build the pipeline with a `PassObserver` between the passes.

        Raises:
            ImcflowError: a pass or an option of a pass does not exist.
        """
        verify_each = VerifyEach.OFF if self.args.disable_verify else VerifyEach(self.args.verify_each)
        self.observer = PassObserver(
            verify_each=verify_each,
            dump_directory=self.args.dump_ir,
            print_between=self.args.print_between_passes,
            time_passes=self.args.time_passes,
        )
        try:
            self.pipeline = PassPipeline.parse_spec(self.available_passes, self.args.passes, self.observer)
        except (ValueError, ArgSpecParseError) as error:
            raise ImcflowError(f"--passes: {error} (imc-opt --list-passes shows all)") from error

    def prepare_input(self) -> tuple[list[tuple[IO[bytes], int]], str]:
        """Open the input.

        Raises:
            ImcflowError: no frontend reads this file name extension.
            OSError: the file cannot be read.
        """
        try:
            return super().prepare_input()
        except ValueError as error:
            choices = ", ".join(f".{name}" for name in self.available_frontends)
            raise ImcflowError(f"{self.get_input_name()}: {error}; known are {choices}") from error

    def parse_chunk(self, chunk: IO[bytes], file_extension: str, start_offset: int = 0) -> ModuleOp | None:
        """Parse one part of the input.

        Raises:
            ImcflowError: the part is not text in UTF-8.
        """
        try:
            return super().parse_chunk(chunk, file_extension, start_offset)
        except UnicodeDecodeError as error:
            raise ImcflowError(f"{self.get_input_name()}: not a text file ({error.reason})") from error

    def prepare_output(self) -> IO[str]:
        """Open the output: stdout, or a temporary file that `run` renames when everything has succeeded.

        A binary file is written through latin-1, which maps every byte to one character and back.
        """
        if self._binary_target() is None:
            if self.args.output_file is None:
                return sys.stdout
            return self._temporary_output.open("w", encoding="utf-8")
        if self.args.output_file is None:
            raise ImcflowError(f"target '{self.args.target}' writes a binary file: give -o FILE")
        if self.args.split_input_file:
            raise ImcflowError(f"target '{self.args.target}' writes one binary file: --split-input-file does not apply")
        return self._temporary_output.open("w", encoding="latin-1", newline="")

    def output_resulting_program(self, prog: ModuleOp) -> str:
        """Return the output in the chosen target format; the bytes of a binary one as latin-1 text."""
        binary = self._binary_target()
        if binary is None:
            return super().output_resulting_program(prog)
        return binary.emit_bytes(self.ctx, prog).decode("latin-1")

    def run(self) -> None:
        """Read, transform, write. An output file appears only when everything has succeeded."""
        self._check_target_options()
        if self.args.output_file is None:
            super().run()
            return
        output = Path(self.args.output_file)
        check_outputs([output], [])  # a file may be transformed in place
        with written_whole(output) as self._temporary_output:
            super().run()

    def _target_class(self) -> type[Target] | None:
        """Return the class behind `-t`, or None for one of xDSL's old plain functions."""
        entry = self.available_targets[parse_spec(self.args.target).name]
        if inspect.signature(entry).parameters:
            return None
        return cast("Callable[[], type[Target]]", entry)()

    def _check_target_options(self) -> None:
        """Refuse wrong options of `-t name{...}` before the passes run, not after."""
        target_class = self._target_class()
        if target_class is None:
            return
        try:
            target_class.from_spec(parse_spec(self.args.target))
        except ValueError as error:
            raise ImcflowError(f"--target {self.args.target}: {error}") from error

    def _binary_target(self) -> BinaryTarget | None:
        target_class = self._target_class()
        if target_class is None or not issubclass(target_class, BinaryTarget):
            return None
        return target_class.from_spec(parse_spec(self.args.target))


class _ListPasses(argparse.Action):
    """`--list-passes`: print each pass with the first line of its docstring, then exit."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs="?", choices=("imcflow", "all"), const="imcflow", **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> NoReturn:
        passes = IMC_UNIVERSE.all_passes
        if values == "all":
            passes = {**Universe.get_multiverse().all_passes, **passes}
        sys.stdout.write("".join(f"{name:<32}{summary(factory())}\n" for name, factory in passes.items()))
        parser.exit()


def _refuse_command_line(message: str) -> NoReturn:
    raise ImcflowError(message)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `imc-opt` and return its exit status: 0, or 1 after one line on stderr about what is wrong.

    Args:
        arguments: the command line without the program's name; default `sys.argv[1:]`.
    """
    tool: ImcOptMain | None = None

    def job() -> None:
        nonlocal tool
        tool = ImcOptMain(args=arguments)
        tool.run()

    end_without_collecting()
    with seldom_collecting():
        return run_reporting_errors(TOOL, job, context=lambda: "" if tool is None else tool.observer.context)


if __name__ == "__main__":
    sys.exit(main())
