"""imcflow: compile neural networks for in-memory-computing hardware and run the result bit by bit.

import imcflow
program = imcflow.compile("model.onnx", target="rtm-ap-256")
outputs = program.run({"input": images})
print(program.cost().table())
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imcflow.api import compile, load
    from imcflow.compiled import CompiledProgram
    from imcflow.errors import ImcflowError

    __version__: str

__all__ = ["CompiledProgram", "ImcflowError", "__version__", "compile", "load"]

# Every tool imports this module at start-up: what the names below need is imported when they are first used.
_LAZY = {
    "compile": "imcflow.api",
    "load": "imcflow.api",
    "CompiledProgram": "imcflow.compiled",
    "ImcflowError": "imcflow.errors",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _LAZY:
        raise AttributeError(f"module 'imcflow' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("imcflow")
    except PackageNotFoundError:  # used from a source tree that is not installed
        return "0+unknown"
