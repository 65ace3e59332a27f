"""How the command line tools report wrong input: one line on stderr, exit status 1, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from xdsl.utils.exceptions import (
    ArgSpecParseError,
    DiagnosticException,
    InvalidIRException,
    ParseError,
    UnregisteredConstructException,
)

from imcflow.errors import ImcflowError

USER_ERRORS = (
    ImcflowError,
    ParseError,
    DiagnosticException,  # covers VerifyException and PassFailedException
    InvalidIRException,
    UnregisteredConstructException,
    ArgSpecParseError,
    OSError,
    RecursionError,
)
"""Exceptions that wrong input raises; everything else is a defect of imcflow and keeps its traceback."""

_INTERRUPTED_EXIT_STATUS = 130  # 128 + SIGINT, the shells' convention


def one_line(error: BaseException) -> str:
    """Return `error` as one line that names file, position or node."""
    match error:
        case ImcflowError():
            text = error.message
        case ParseError():
            text = f"{error.span.get_location()}: {error.msg}"
        case OSError() if error.filename is not None:
            text = f"{error.filename}: {error.strerror}"
        case RecursionError():
            text = "the input is nested too deeply"
        case _:
            text = str(error) or type(error).__name__
    return " ".join(text.split())


def report(tool: str, error: BaseException, context: str = "") -> None:
    """Print `error` on stderr as `tool: error: context: message`; `context` may be empty."""
    prefix = f"{tool}: error: {context}: " if context else f"{tool}: error: "
    sys.stderr.write(prefix + one_line(error) + "\n")


def run_reporting_errors(tool: str, job: Callable[[], None], context: Callable[[], str] = str) -> int:
    """Run `job` and return the exit status: 0, or 1 after a user error was reported on stderr.

    Args:
        tool: the name that starts the line.
        job: what to run.
        context: called when an error happened; says where, for instance in which pass.
    """
    try:
        job()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone (`imc-opt ... | head`): that is its right, not an error of the input.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED_EXIT_STATUS
    except USER_ERRORS as error:
        report(tool, error, context())
        return 1
    return 0
