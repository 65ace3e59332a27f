"""Strict reading of JSON objects: types, ranges and unknown keys, with errors that name the field."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar, cast

from imcflow.errors import ProgramError
from imcflow.runtime.limits import MAX_LIST_ITEMS, MAX_NAME_CHARACTERS

T = TypeVar("T")


def parse_json(data: bytes, where: str) -> object:
    """Parse UTF-8 JSON; duplicate keys, NaN and infinities are refused.

    Raises:
        ProgramError: `data` is no such JSON.
    """
    try:
        return cast(
            object,
            json.loads(data.decode(), object_pairs_hook=_unique_pairs, parse_constant=_no_constant),
        )
    except UnicodeDecodeError as error:
        raise ProgramError(f"{where}: damaged: no UTF-8 text ({error.reason} at byte {error.start})") from error
    except RecursionError as error:
        raise ProgramError(f"{where}: damaged: JSON is nested too deeply") from error
    except ValueError as error:
        raise ProgramError(f"{where}: damaged: no valid JSON ({error})") from error


def _unique_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has a key twice")
    return result


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON number")


class Fields:
    """One JSON object being decoded: each accessor takes a key away, `finish` refuses what is left.

    Args:
        value: the parsed JSON value.
        where: how errors name this object.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ProgramError(f"{where}: expected an object, got {shown(value)}")
        self.where = where
        self._left = dict(cast(dict[str, object], value))

    def take(self, key: str) -> object:
        """Return the value of `key`."""
        if key not in self._left:
            raise ProgramError(f"{self.where}: field '{key}' is missing")
        return self._left.pop(key)

    def has(self, key: str) -> bool:
        """Return whether an optional key is there and not taken yet."""
        return key in self._left

    def integer(self, key: str, low: int, high: int) -> int:
        """Return an integer with low <= value <= high."""
        return as_integer(self.take(key), f"{self.where}: {key}", low, high)

    def integers(self, key: str, count: int, low: int, high: int) -> tuple[int, ...]:
        """Return a list of exactly `count` integers."""
        values = self.items(key, count)
        if len(values) != count:
            raise ProgramError(f"{self.where}: {key} has {len(values)} entries, expected {count}")
        return tuple(as_integer(value, f"{self.where}: {key}", low, high) for value in values)

    def flag(self, key: str) -> bool:
        """Return a boolean."""
        value = self.take(key)
        if not isinstance(value, bool):
            raise ProgramError(f"{self.where}: {key} must be true or false, got {shown(value)}")
        return value

    def text(self, key: str, limit: int = MAX_NAME_CHARACTERS) -> str:
        """Return a string of at most `limit` characters."""
        return as_text(self.take(key), f"{self.where}: {key}", limit)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of names."""
        return tuple(as_text(value, f"{self.where}: {key}") for value in self.items(key))

    def items(self, key: str, limit: int = MAX_LIST_ITEMS) -> list[object]:
        """Return a list of at most `limit` values."""
        value = self.take(key)
        if not isinstance(value, list):
            raise ProgramError(f"{self.where}: {key} must be a list, got {shown(value)}")
        values = cast(list[object], value)
        if len(values) > limit:
            raise ProgramError(f"{self.where}: {key} has {len(values)} entries, at most {limit} are allowed")
        return values

    def objects(self, key: str, limit: int, decode: Callable[[Fields], T]) -> tuple[T, ...]:
        """Return a list of objects, each decoded completely."""
        result: list[T] = []
        for index, value in enumerate(self.items(key, limit)):
            fields = Fields(value, f"{self.where}: {key}[{index}]")
            result.append(decode(fields))
            fields.finish()
        return tuple(result)

    def finish(self) -> None:
        """Refuse keys that nobody took."""
        if self._left:
            raise ProgramError(f"{self.where}: unknown field {shown(next(iter(self._left)))}")


def as_integer(value: object, where: str, low: int, high: int) -> int:
    """Return `value` if it is an integer with low <= value <= high."""
    if type(value) is not int or not low <= value <= high:
        raise ProgramError(f"{where} must be an integer from {low} to {high}, got {shown(value)}")
    return value


def as_text(value: object, where: str, limit: int = MAX_NAME_CHARACTERS) -> str:
    """Return `value` if it is text of at most `limit` characters that UTF-8 can hold."""
    if not isinstance(value, str):
        raise ProgramError(f"{where} must be text, got {shown(value)}")
    if len(value) > limit:
        raise ProgramError(f"{where} has {len(value)} characters, at most {limit} are allowed")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ProgramError(f"{where} holds half a surrogate pair: {shown(value)}")
    return value


def shown(value: object) -> str:
    """Return a short one-line, printable form of `value` for messages."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
