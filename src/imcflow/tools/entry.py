"""What the installed commands call. Nothing heavy is imported before signals are answered.

An interrupt ends a command with status 130, a request to terminate with 143: without a traceback, and with the
clean-up of everything that was begun, so that no half-written file stays.
"""

from __future__ import annotations

import signal
from importlib import import_module
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143


def imcflow() -> int:
    """Run `imcflow`; return its exit status."""
    return run_tool("imcflow.tools.imcflow_main")


def imc_opt() -> int:
    """Run `imc-opt`; return its exit status."""
    return run_tool("imcflow.tools.imc_opt_main")


def run_tool(module: str) -> int:
    """Run `main` of a module; return its exit status, or that of the signal that ended it."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        return import_module(module).main()
    except KeyboardInterrupt:
        return INTERRUPTED


def _terminate(_: int, __: FrameType | None) -> None:
    raise SystemExit(TERMINATED)
