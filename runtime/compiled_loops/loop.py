"""Loops over arrays as machine code: compiled by numba at the first call ever, loaded from a file at later ones."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int32, c_uint64, c_void_p
from functools import cached_property, update_wrapper
from inspect import signature
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from imcflow.runtime import code_files
from imcflow.runtime.compiled_loops.fingerprint import fingerprint
from imcflow.runtime.compiled_loops.gate import GATE
from imcflow.runtime.compiled_loops.parameters import Parameter, Word, flatten, parameter_of, word_formats
from imcflow.runtime.compiled_loops.store import SUFFIX, Stored
from imcflow.runtime.native_code import NativeCode

P = ParamSpec("P")
R = TypeVar("R")

_PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
"""As numba reads it: all loops run in the interpreter."""
_WORD_BYTES = 8
_lock = threading.RLock()


class Loop(Generic[P, R]):
    """A compiled loop.

    A call releases the interpreter lock. What the loop would raise (a division by 0, no memory) is a `RuntimeError`.

    Attributes:
        py_func: the plain function.
        types: numba's text of the only types that the loop is compiled for, if they are given.
    """

    def __init__(self, py_func: Callable[P, R], types: str | None = None) -> None:
        """Compile nothing yet."""
        self.py_func = cast(FunctionType, py_func)
        self.types = types
        self._known: dict[tuple[object, ...], Callable[..., object]] = {}
        self._count = self.py_func.__code__.co_argcount
        update_wrapper(cast(Any, self), py_func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the loop."""
        if _PLAIN:
            return cast("R", self.py_func(*args, **kwargs))
        if kwargs or len(args) != self._count:
            bound = signature(self.py_func).bind(*args, **kwargs)
            bound.apply_defaults()
            arguments: tuple[object, ...] = bound.args
        else:
            arguments = args
        key: list[object] = []
        words: list[Word] = []
        flatten(arguments, key, words)
        kinds = tuple(key)
        run = self._known.get(kinds)
        if run is None:
            run = self._find(kinds, arguments)
        return cast("R", run(words, arguments))

    @property
    def _numba_type_(self) -> object:
        """What numba asks a global object for that is called in a function it compiles."""
        from imcflow.runtime.compiled_loops.build import dispatcher_type

        return dispatcher_type(self)

    @cached_property
    def _name(self) -> str:
        return f"{self.py_func.__module__.rpartition('.')[2]}.{self.py_func.__name__}"

    def _find(self, kinds: tuple[object, ...], arguments: tuple[object, ...]) -> Callable[..., object]:
        """Return what runs the loop for these kinds of arguments: from a file, or compiled."""
        with _lock:
            if kinds not in self._known:
                parameters = tuple(map(parameter_of, arguments))
                stored = self._stored(parameters)
                self._known[kinds] = self._through_numba() if stored is None else _Entry(self._name, parameters, stored)
            return self._known[kinds]

    def _stored(self, parameters: tuple[Parameter, ...]) -> Stored | None:
        key = fingerprint(self, parameters)
        source, name = self.py_func.__code__.co_filename, f"{self._name}-{key[:32]}{SUFFIX}"
        content = code_files.load(source, name, key)
        if content is not None:
            return Stored.parse(content)
        from imcflow.runtime.compiled_loops.build import build

        built = build(self, parameters)
        if built is not None:
            code_files.save(source, name, key, built.dump())
        return built

    def _through_numba(self) -> Callable[..., object]:
        from imcflow.runtime.compiled_loops.build import whole_dispatcher

        dispatcher = whole_dispatcher(self)

        def run(_: list[Word], arguments: tuple[object, ...]) -> object:
            return dispatcher(*arguments)

        return run


class _Entry:
    """Machine code of a loop, callable with the words of its arguments."""

    def __init__(self, name: str, parameters: tuple[Parameter, ...], stored: Stored) -> None:
        """Load the code."""
        self._name = name
        self._code = NativeCode(stored.loop, stored.gate)  # it owns what the address below names
        self._function = CFUNCTYPE(c_int32, c_void_p)(self._code.address(GATE))
        words = struct.Struct("=" + "".join(word_formats(parameters)))
        self._pack = words.pack_into
        self._result_at = words.size
        result = struct.Struct("@" + stored.result)
        self._result = result if stored.result else None
        self._is_tuple = stored.tuple_result
        self._block = c_uint64 * (words.size // _WORD_BYTES + -(-result.size // _WORD_BYTES) + 1)

    def __call__(self, words: list[Word], _: object) -> object:
        """Run the loop; the arrays behind the words stay alive as long as the caller holds them."""
        block = self._block()
        try:
            self._pack(block, 0, *words)
        except struct.error as error:
            raise OverflowError(f"{self._name}: an integer of more than 64 bits") from error
        if self._function(block):
            raise RuntimeError(f"{self._name}: the compiled loop failed (a division by 0, or no memory)")
        if self._result is None:
            return None
        result = self._result.unpack_from(block, self._result_at)
        return result if self._is_tuple else result[0]


@overload
def compiled_loop(function: Callable[P, R], /) -> Loop[P, R]: ...
@overload
def compiled_loop(types: str, /) -> Callable[[Callable[P, R]], Loop[P, R]]: ...
def compiled_loop(function: Callable[P, R] | str, /) -> Loop[P, R] | Callable[[Callable[P, R]], Loop[P, R]]:
    """Make a function a compiled loop: `@compiled_loop`, or `@compiled_loop("int64(int64, int32[::1])")`.

    The second form names the only types that it is compiled for, so that loops that call it with other integer types do
    not each compile another version. Loops may call loops. A loop that Python calls writes arrays into its arguments
    and returns numbers or tuples of them: one that returns arrays works, but numba is started for it in every process.
    """
    if isinstance(function, str):
        types = function
        return lambda function: Loop(function, types)
    return Loop(function)
