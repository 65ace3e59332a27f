"""`imcflow`: compile a network for in-memory-computing hardware, run the program, check it and cost it.

Each command lives in its own module under `imcflow.tools.commands` and imports what it needs when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

TOOL = "imcflow"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `imcflow` and return its exit status: 0, or 1 after one line on stderr about what is wrong.

    Args:
        arguments: the command line without the program's name; default `sys.argv[1:]`.
    """
    from imcflow.collection import end_without_collecting, seldom_collecting

    status = 0

    def job() -> None:
        nonlocal status
        status = _run(list(sys.argv[1:] if arguments is None else arguments))

    end_without_collecting()
    with seldom_collecting():
        from imcflow.tools.user_errors import run_reporting_errors

        return run_reporting_errors(TOOL, job) or status


def _run(arguments: list[str]) -> int:
    import typer

    from imcflow.errors import ImcflowError
    from imcflow.tools.commands import app

    try:
        # A bare `imcflow` shows what there is.
        result: object = app(arguments or ["--help"], prog_name=TOOL, standalone_mode=False)
    except typer.TyperException as error:
        raise ImcflowError(f"{error.format_message()} (see {TOOL} --help)") from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
