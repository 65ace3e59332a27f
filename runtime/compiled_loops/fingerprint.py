"""What the machine code of a loop depends on, as a hash: its own code, that of loops it calls, constants, the tools."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.parameters import Parameter
from imcflow.runtime.native_code import host, llvmlite_version

FORMAT = 1
"""Number of the layout of files and blocks: add one when it changes, or when the gate does."""
_WITHOUT_EFFECT = {"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT"}


@runtime_checkable
class CompiledFunction(Protocol):
    """A loop: the plain function, and numba's text of the only types it is compiled for, if they are given."""

    py_func: FunctionType
    types: str | None


def fingerprint(loop: CompiledFunction, parameters: Iterable[Parameter]) -> str:
    """Return the hash of everything that determines the machine code for these kinds of arguments, as 64 hex digits.

    Raises:
        TypeError: the loop uses a global object whose value cannot be told from its text.
    """
    parts = [*_environment(), *map(str, parameters), *_of_loop(loop, set())]
    return sha256("\0".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


@cache
def _environment() -> tuple[str, ...]:
    """Versions, processor, and settings of numba."""
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    return (
        f"format {FORMAT}",
        sys.version,
        sys.platform,
        np.__version__,
        llvmlite_version(),
        numba_version(),
        *host(),
        *(setting for setting in settings if setting.split("=")[0] not in _WITHOUT_EFFECT),
    )


def numba_version() -> str:
    """Return the text of the file in which numba keeps its version, without importing numba."""
    spec = find_spec("numba")
    if spec is None or spec.origin is None:
        return "none"
    return (Path(spec.origin).parent / "_version.py").read_text(encoding="utf-8")


def _of_loop(loop: CompiledFunction, seen: set[FunctionType]) -> Iterator[str]:
    yield f"types {loop.types}"
    yield from _of_function(cast("FunctionType", loop.py_func), seen)


def _of_function(function: FunctionType, seen: set[FunctionType]) -> Iterator[str]:
    yield f"function {function.__module__}.{function.__qualname__}"
    if function in seen:
        return
    seen.add(function)
    code = function.__code__
    yield from _of_code(code)
    yield repr(function.__defaults__)
    names = {name: function.__globals__[name] for name in _names(code) if name in function.__globals__}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        names[name] = cell.cell_contents
    for name, value in names.items():
        yield name
        yield from _of_value(f"{function.__qualname__}: {name}", value, seen)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _of_code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_argcount, code.co_flags))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _of_code(constant)
        elif isinstance(constant, frozenset):  # its text has another order in every process
            yield repr(sorted(map(repr, cast(frozenset[object], constant))))
        else:
            yield repr(constant)


def _of_value(name: str, value: object, seen: set[FunctionType]) -> Iterator[str]:
    """The parts of the value of a global or closure name."""
    if isinstance(value, CompiledFunction):
        yield from _of_loop(value, seen)
    elif isinstance(value, FunctionType):
        yield from _of_function(value, seen)
    elif value is None or isinstance(value, bool | int | float | str | np.generic):
        yield f"{type(cast(object, value)).__name__} {value!r}"
    elif isinstance(value, tuple):
        for item in cast(tuple[object, ...], value):
            yield from _of_value(name, item, seen)
    elif isinstance(value, np.ndarray):
        array = cast(NDArray[np.generic], value)
        yield f"{array.dtype.str} {array.shape} {array.tobytes().hex()}"
    elif isinstance(value, type):
        yield f"{value.__module__}.{value.__qualname__} {getattr(value, '_fields', None)}"
    elif isinstance(value, ModuleType | BuiltinFunctionType):
        yield value.__name__
    else:
        raise TypeError(f"{name} is a {type(value).__name__}, which compiled loops cannot use")
