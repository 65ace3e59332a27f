"""Run the RUN lines of FileCheck tests inside this process.

lit starts two processes per RUN line (0.4 s of CPU time); here the tools run as functions (about 20 ms), under
pytest's selection, coverage and parallelism. The same files also run under lit, which tests the installed commands.
What a RUN line may contain: `imc-opt`, `filecheck` and `not`, joined by `|` and `&&`; `2>&1` and `> FILE`;
the substitutions %s (the file), %S (its folder), %t (a scratch file) and those in `SUBSTITUTIONS`.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options, parse_argv_options
from filecheck.parser import Parser, pattern_for_opts

SUBSTITUTIONS = {
    # Prints in both forms, reads both again, and must give the same text.
    "IMC_ROUNDTRIP": (
        "imc-opt %s --print-op-generic --split-input-file | imc-opt --split-input-file | filecheck %s"
        " && imc-opt %s --split-input-file | imc-opt --split-input-file | filecheck %s"
    ),
    "IMC_DIAGNOSTICS": "imc-opt %s --verify-diagnostics --parsing-diagnostics --split-input-file | filecheck %s",
}
"""Whole RUN lines by name, for lit and for this runner."""

UNSAFE_IN_PROCESS = {
    "--disable-verify": "switches verification off for the whole process",
    "--syntax-highlight": "colours all later diagnostics",
    "dense_resource": "keeps its data on a dialect object that all modules share",
}
"""What changes global state of xDSL, with the reason."""

_RUN_LINE = re.compile(r"^\s*//\s*RUN:\s*(.*?)\s*$")
_CONNECTORS = frozenset({"|", "&&"})


class FileCheckError(Exception):
    """A RUN line failed or cannot be run; the message has the command and what it wrote on stderr."""


@dataclass
class Command:
    """One program call of a RUN line."""

    program: str
    arguments: list[str]
    expect_failure: bool = False
    merge_stderr: bool = False
    output_file: Path | None = None

    @property
    def filecheck_options(self) -> Options:
        """The options of a `filecheck` call."""
        return parse_argv_options(["filecheck", *self.arguments])


@dataclass
class Result:
    """What a program left: exit status and output."""

    status: int
    stdout: str
    stderr: str = field(default="")


def run_lines(path: Path) -> list[str]:
    """Return the RUN lines of a test file, with `\\` continuations joined and the named lines expanded."""
    lines: list[str] = []
    continued = False
    for text in path.read_text(encoding="utf-8").splitlines():
        if (match := _RUN_LINE.match(text)) is None:
            continue
        part = match[1]
        if continued:
            lines[-1] += " " + part.removesuffix("\\").strip()
        else:
            lines.append(part.removesuffix("\\").strip())
        continued = part.endswith("\\")
    return [SUBSTITUTIONS.get(line, line) for line in lines]


def pipelines(run_line: str, path: Path, scratch: Path) -> list[list[Command]]:
    """Split a RUN line at `&&` into pipelines, and those at `|` into commands.

    Raises:
        FileCheckError: the line uses something that this runner does not know.
    """
    result: list[list[Command]] = [[]]
    words: list[str] = []
    lexer = shlex.shlex(run_line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    for token in [*_join_redirections(list(lexer)), "|"]:
        if token not in _CONNECTORS:
            words.append(token)
            continue
        result[-1].append(_command([_substitute(word, path, scratch) for word in words]))
        words = []
        if token == "&&":
            result.append([])
    return result


def _join_redirections(tokens: list[str]) -> list[str]:
    """Put `2` `>&` `1`, which the lexer takes apart, together again."""
    joined: list[str] = []
    for token in tokens:
        if token == "1" and joined[-2:] == ["2", ">&"]:
            joined[-2:] = ["2>&1"]
        else:
            joined.append(token)
    return joined


def _substitute(word: str, path: Path, scratch: Path) -> str:
    return word.replace("%s", str(path)).replace("%S", str(path.parent)).replace("%t", str(scratch))


def _command(words: list[str]) -> Command:
    expect_failure = words[:1] == ["not"]
    words = words[1:] if expect_failure else words
    merge_stderr = "2>&1" in words
    words = [word for word in words if word != "2>&1"]
    output_file = None
    if ">" in words:
        position = words.index(">")
        output_file = Path(words[position + 1])
        del words[position : position + 2]
    if not words or words[0] not in PROGRAMS:
        raise FileCheckError(f"unknown program in {words}: known are {', '.join(PROGRAMS)}, not, |, &&, 2>&1, >")
    return Command(words[0], words[1:], expect_failure, merge_stderr, output_file)


def check(run_line: str, path: Path, scratch: Path) -> None:
    """Run one RUN line of the test file `path`.

    Raises:
        FileCheckError: a program returned an unexpected status, or the line touches global state.
    """
    text = path.read_text(encoding="utf-8")
    for word, reason in UNSAFE_IN_PROCESS.items():
        if word in text:
            raise FileCheckError(f"{path}: '{word}' is not allowed here: it {reason}")
    for pipeline in pipelines(run_line, path, scratch):
        _run_pipeline(pipeline)


def _run_pipeline(commands: list[Command]) -> None:
    piped = ""
    for command in commands:
        result = PROGRAMS[command.program](command, piped)
        if (result.status != 0) != command.expect_failure:
            wanted = "failure" if command.expect_failure else "status 0"
            call = shlex.join([command.program, *command.arguments])
            raise FileCheckError(f"{call}\nstatus {result.status}, expected {wanted}\n{result.stderr}")
        piped = result.stdout + (result.stderr if command.merge_stderr else "")
        if command.output_file is not None:
            command.output_file.write_text(piped, encoding="utf-8")
            piped = ""


@contextmanager
def _standard_input(text: str) -> Generator[None]:
    saved = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode("utf-8")), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = saved


def _run_imc_opt(command: Command, piped: str) -> Result:
    from imcflow.tools.imc_opt_main import main

    stdout, stderr = io.StringIO(), io.StringIO()
    with _standard_input(piped), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            status = main(command.arguments)
        except SystemExit as error:  # --help and --list-passes
            status = error.code if isinstance(error.code, int) else 1
    return Result(status, stdout.getvalue(), stderr.getvalue())


def _run_filecheck(command: Command, piped: str) -> Result:
    options = command.filecheck_options
    stderr = io.StringIO()
    with redirect_stderr(stderr), Path(options.match_filename).open(encoding="utf-8") as file:
        matcher = Matcher(options, FInput("<stdin>", piped), Parser(options, file, *pattern_for_opts(options)))
        status = matcher.run()
    return Result(status, "", stderr.getvalue())


PROGRAMS: dict[str, Callable[[Command, str], Result]] = {
    "imc-opt": _run_imc_opt,
    "filecheck": _run_filecheck,
}
"""Program name -> function of the command and its standard input."""
