"""What a loop is compiled for: kinds of arguments, as texts that name them and as words that carry them.

Arguments are integers, floats, flags, arrays, and named tuples of these, of every depth. All integers are int64 and all
floats are float64, whatever numpy type a scalar has, so that callers do not each compile another version.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
"""Bits of `flags.num` of an array: row after row without gaps; items at multiples of their size; not read-only."""
_FORM = CONTIGUOUS | ALIGNED | WRITEABLE
_address_of = ctypes.addressof
_first_byte = cast(Callable[[NDArray[np.generic]], ctypes.c_char], ctypes.c_char.from_buffer)

Word = int | float
"""What fills eight bytes: a number, a flag, an address, a length or a stride."""


class NamedFields(Protocol):
    """A named tuple or its class."""

    _fields: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A scalar: `int`, `float` or `bool`."""

    kind: type[int] | type[float]

    def __str__(self) -> str:
        return self.kind.__name__


@dataclass(frozen=True)
class Array:
    """An array of items of one dtype."""

    dtype: np.dtype[np.generic]
    ndim: int
    contiguous: bool
    writeable: bool

    def __str__(self) -> str:
        strided, constant = "" if self.contiguous else " strided", "" if self.writeable else " const"
        return f"{self.dtype.str}[{self.ndim}]{strided}{constant}"


@dataclass(frozen=True)
class Fields:
    """A named tuple."""

    cls: type
    items: tuple[Parameter, ...]

    def __str__(self) -> str:
        names = cast(NamedFields, self.cls)._fields  # pyright: ignore[reportPrivateUsage]
        items = ", ".join(f"{name}: {item}" for name, item in zip(names, self.items, strict=True))
        return f"{self.cls.__module__}.{self.cls.__qualname__}({items})"


Parameter = Number | Array | Fields


def flatten(arguments: Iterable[object], key: list[object], words: list[Word]) -> None:
    """Append the words of arguments to `words`, and to `key` what tells their kinds.

    An array is its address, its lengths and its strides in bytes. Arguments have to live as long as the words are used.

    Raises:
        TypeError: an argument is of another type, or an array that lies at odd addresses.
    """
    for argument in arguments:
        kind = type(argument)
        if kind is np.ndarray:
            array = cast("NDArray[np.generic]", argument)
            form = array.flags.num & _FORM
            key += (array.dtype, array.ndim, form)
            # Three times as fast as asking the array for its address, but not for every one.
            plain = form == _FORM and array.size
            words.append(_address_of(_first_byte(array)) if plain else array.ctypes.data)
            words += array.shape
            words += array.strides
        elif kind is int or kind is bool or kind is float:
            key.append(kind)
            words.append(cast("Word", argument))
        elif _is_named(argument):
            key.append(kind)
            flatten(argument, key, words)
        else:
            flatten((_plain(argument),), key, words)


def _is_named(argument: object) -> TypeGuard[tuple[object, ...]]:
    """Whether an argument is a named tuple."""
    return isinstance(argument, tuple) and hasattr(type(cast(object, argument)), "_fields")


def _plain(argument: object) -> NDArray[np.generic] | int | float:
    """Turn what numpy and subclasses have into arrays, integers, floats and flags."""
    if isinstance(argument, np.ndarray):
        return np.asarray(cast(NDArray[np.generic], argument))
    if isinstance(argument, bool | np.bool_):
        return bool(cast(bool, argument))
    if isinstance(argument, int | np.integer):
        return int(cast(int, argument))
    if isinstance(argument, float | np.floating):
        return float(cast(float, argument))
    raise TypeError(f"a compiled loop takes numbers, arrays and named tuples of them, not {type(argument).__name__}")


def parameter_of(argument: object) -> Parameter:
    """Describe an argument.

    Raises:
        TypeError: as for `flatten`, or items are not aligned.
    """
    if _is_named(argument):
        return Fields(type(argument), tuple(map(parameter_of, argument)))
    plain = _plain(argument)
    if isinstance(plain, int | float):
        return Number(type(plain))
    flags = plain.flags
    if not flags.aligned or not plain.dtype.isnative:
        raise TypeError("a compiled loop takes arrays of aligned items in the byte order of the host")
    return Array(plain.dtype, plain.ndim, flags.c_contiguous, flags.writeable)


def word_formats(parameters: Iterable[Parameter]) -> Iterator[str]:
    """Yield the `struct` format of every word of arguments of these kinds."""
    for parameter in parameters:
        if isinstance(parameter, Fields):
            yield from word_formats(parameter.items)
        elif isinstance(parameter, Array):
            yield "Q" + "q" * (2 * parameter.ndim)
        else:
            yield "d" if parameter.kind is float else "q"
