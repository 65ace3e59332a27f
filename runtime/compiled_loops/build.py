"""The first compilation of a loop: the only place that imports numba."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, cast

from imcflow.runtime.compiled_loops.fingerprint import CompiledFunction
from imcflow.runtime.compiled_loops.gate import HEADER, PROVIDED, gate_ir
from imcflow.runtime.compiled_loops.parameters import Fields, Number, Parameter
from imcflow.runtime.compiled_loops.store import Stored
from imcflow.runtime.native_code import object_code, sections_of

_FROM_LIBC = frozenset({"memset", "memcpy", "memmove"})
"""What the code generator calls by itself."""

Plain = Callable[..., object]


class _Function(Protocol):
    name: str
    is_declaration: bool


class _Module(Protocol):
    functions: Iterable[_Function]
    global_variables: Iterable[_Function]


class _Library(Protocol):
    _final_module: _Module

    def _get_compiled_object(self) -> bytes: ...


class _Descriptor(Protocol):
    llvm_func_name: str


class _Signature(Protocol):
    return_type: object


class _Result(Protocol):
    library: _Library
    fndesc: _Descriptor
    signature: _Signature


class _Dispatcher(Protocol):
    """numba's object for a compiled function."""

    overloads: dict[tuple[object, ...], _Result]
    _numba_type_: object

    def compile(self, sig: tuple[object, ...]) -> object: ...
    def __call__(self, *arguments: object) -> object: ...


_dispatchers: dict[CompiledFunction, _Dispatcher] = {}


def dispatcher_type(loop: CompiledFunction) -> object:
    """Return numba's type of a loop, for loops that call it."""
    return _dispatcher(loop)._numba_type_  # pyright: ignore[reportPrivateUsage]


def whole_dispatcher(loop: CompiledFunction) -> Plain:
    """Return a loop as numba's own object, which takes and returns Python objects."""
    return _jit(loop)


def _dispatcher(loop: CompiledFunction) -> _Dispatcher:
    """Without the functions that take Python objects: they would be a third of the code."""
    # numba's own lock: a compilation that holds it asks for the loops it calls, and may wait for no other one.
    with importlib.import_module("numba.core.compiler_lock").global_compiler_lock:
        if loop not in _dispatchers:
            _dispatchers[loop] = _jit(loop, no_cpython_wrapper=True, no_cfunc_wrapper=True)
        return _dispatchers[loop]


def _jit(loop: CompiledFunction, **options: bool) -> _Dispatcher:
    numba = importlib.import_module("numba")
    types = [] if loop.types is None else [loop.types]
    return cast(_Dispatcher, numba.njit(*types, nogil=True, **options)(loop.py_func))


def build(loop: CompiledFunction, parameters: Sequence[Parameter]) -> Stored | None:
    """Compile a loop with numba.

    Returns:
        its machine code; None if that cannot run without numba: it returns arrays, or needs more of numba's runtime
        than the gate provides.
    """
    dispatcher = _dispatcher(loop)
    types = tuple(map(_numba_type, parameters))
    if loop.types is None:
        dispatcher.compile(types)
    compiled = dispatcher.overloads.get(types)
    if compiled is None or not _same_headers():
        return None
    result = _result_format(compiled.signature.return_type)
    if result is None:
        return None
    code = compiled.library._get_compiled_object()  # pyright: ignore[reportPrivateUsage]
    if undefined_symbols(code, compiled.library._final_module) - PROVIDED - _FROM_LIBC:  # pyright: ignore[reportPrivateUsage]
        return None
    gate = object_code(gate_ir(compiled.fndesc.llvm_func_name, parameters))
    return Stored(*result, code, gate)


def _numba_type(parameter: Parameter) -> object:
    types = cast(Any, importlib.import_module("numba.core.types"))
    if isinstance(parameter, Number):
        return {int: types.int64, float: types.float64, bool: types.boolean}[parameter.kind]
    if isinstance(parameter, Fields):
        items = tuple(map(_numba_type, parameter.items))
        if len(set(items)) == 1:
            return types.NamedUniTuple(items[0], len(items), parameter.cls)
        return types.NamedTuple(items, parameter.cls)
    dtype = importlib.import_module("numba").from_dtype(parameter.dtype)
    layout = "C" if parameter.contiguous else "A"
    return types.Array(dtype, parameter.ndim, layout, readonly=not parameter.writeable)


def _result_format(result: object) -> tuple[str, bool] | None:
    """Return the `struct` format of a result and whether it is a tuple; None for what has no format."""
    types = cast(Any, importlib.import_module("numba.core.types"))
    if isinstance(result, types.BaseNamedTuple):
        return None
    if isinstance(result, types.BaseTuple):
        formats = [_scalar_format(item) for item in cast(Iterable[object], result)]
        return None if None in formats else ("".join(map(str, formats)), True)
    if isinstance(result, types.NoneType):
        return "", False
    scalar = _scalar_format(result)
    return None if scalar is None else (scalar, False)


def _scalar_format(result: object) -> str | None:
    types = cast(Any, importlib.import_module("numba.core.types"))
    if isinstance(result, types.Boolean):
        return "?"
    if isinstance(result, types.Integer):
        letters = "bhiq" if cast(Any, result).signed else "BHIQ"
        return {struct.calcsize(letter) * 8: letter for letter in letters}.get(cast(Any, result).bitwidth)
    if isinstance(result, types.Float):
        return {32: "f", 64: "d"}.get(cast(Any, result).bitwidth)
    return None


def _same_headers() -> bool:
    """Whether numba's header of allocated memory is what the gate makes."""
    runtime = importlib.import_module("numba.core.runtime.nrtdynmod")
    header = str(getattr(runtime, "_meminfo_struct_type", ""))
    return header.replace("i8*", "ptr") == HEADER


def undefined_symbols(code: bytes, module: _Module) -> set[str]:
    """Return the names that an object file expects from others.

    Args:
        code: object file. In an ELF file, those that the code generator added are found too.
        module: what it was generated from.
    """
    if not code.startswith(b"\x7fELF"):
        declared = (item.name for item in (*module.functions, *module.global_variables) if item.is_declaration)
        return {name for name in declared if not name.startswith("llvm.")}
    sections = sections_of(code)
    names, symbols = sections[".strtab"], sections[".symtab"]
    found: set[str] = set()
    for name, _info, _other, section, _value, _size in struct.iter_unpack("=IBBHQQ", symbols):
        if name and section == 0:
            found.add(names[name : names.index(b"\0", name)].decode())
    return found
