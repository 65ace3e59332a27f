"""What all hardware descriptions share: strict models, values with their sources, YAML without surprises."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Literal, Self, TypeVar, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from imcflow.errors import TargetError
from imcflow.runtime.program import TargetSummary

M = TypeVar("M", bound=BaseModel)

LARGEST_VALUE = 1e20
"""Of a quantity: far beyond any hardware, and products of a few of them are still numbers."""


class StrictModel(BaseModel):
    """Base of all parts of a description: immutable, exact types, unknown keys refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Quantity(StrictModel):
    """A number with its origin: either a `source`, or an `assumption` with the range in which the truth may lie.

    The unit is part of the key that holds the quantity. Assumed quantities are varied over their range by the
    sensitivity report.
    """

    value: float = Field(ge=0, le=LARGEST_VALUE)
    source: str | None = Field(default=None, min_length=1)
    assumption: str | None = Field(default=None, min_length=1)
    low: float | None = Field(default=None, ge=0, le=LARGEST_VALUE)
    high: float | None = Field(default=None, ge=0, le=LARGEST_VALUE)

    @field_validator("value", "low", "high", mode="before")
    @classmethod
    def _number_from_text(cls, value: object) -> object:
        # YAML 1.1 reads 1e16, without a point, as text.
        if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
            return float(value)
        return value

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if (self.source is None) == (self.assumption is None):
            raise ValueError("needs either source or assumption")
        if self.assumption is None:
            if self.low is not None or self.high is not None:
                raise ValueError("low and high belong to an assumption, this value has a source")
        elif self.low is None or self.high is None or not self.low <= self.value <= self.high:
            raise ValueError(f"an assumption needs low <= value <= high, got {self.low}, {self.value}, {self.high}")
        return self


class PositiveQuantity(Quantity):
    """A quantity that costs are divided by: above zero, over the whole range of an assumption."""

    value: float = Field(gt=0, le=LARGEST_VALUE)
    low: float | None = Field(default=None, gt=0, le=LARGEST_VALUE)


class TargetDescription(StrictModel):
    """Base of the kinds of hardware description."""

    kind: str
    """Which kind of hardware this is."""
    name: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")
    """Letters, digits, dots, dashes and underscores."""
    description: str = Field(min_length=1)
    """What it is, for people."""

    @classmethod
    def parse(cls, data: dict[str, object], where: str) -> Self:
        """Validate parsed YAML.

        Raises:
            TargetError: one line that names `where`, the first wrong key, its value and what is allowed.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise TargetError(f"{where}: {_first_complaint(cls, error)}") from error

    @property
    def content_hash(self) -> str:
        """SHA-256 over all values, as hexadecimal text; equal exactly for equal descriptions."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def summary(self) -> TargetSummary:
        """Return what a program carries of this target; a kind without associative arrays has none to describe."""
        return TargetSummary(
            name=self.name, kind=self.kind, content_hash=self.content_hash, rows=1, tracks=1, domains=1
        )

    def to_yaml(self) -> str:
        """Return the description as YAML text that `load_target` reads back."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=110
        )

    def quantities(self) -> dict[str, Quantity]:
        """Return all quantities by dotted key, in the order of the description."""
        return dict(_quantities(self, ""))

    def assumptions(self) -> dict[str, Quantity]:
        """Return the quantities that no source gives, by dotted key."""
        return {key: quantity for key, quantity in self.quantities().items() if quantity.assumption is not None}

    def with_value(self, key: str, value: float) -> Self:
        """Return a copy in which the quantity at the dotted `key` has another value."""
        return _replaced(self, key.split("."), value)


def _quantities(model: BaseModel, prefix: str) -> list[tuple[str, Quantity]]:
    found: list[tuple[str, Quantity]] = []
    for name in type(model).model_fields:
        value = cast(object, getattr(model, name))
        if isinstance(value, Quantity):
            found.append((prefix + name, value))
        elif isinstance(value, BaseModel):
            found.extend(_quantities(value, f"{prefix}{name}."))
    return found


def _replaced(model: M, path: list[str], value: float) -> M:
    inner = cast(object, getattr(model, path[0]))
    if not isinstance(inner, BaseModel):
        raise KeyError(path[0])
    changed = inner.model_copy(update={"value": value}) if len(path) == 1 else _replaced(inner, path[1:], value)
    return model.model_copy(update={path[0]: changed})


def _first_complaint(model: type[BaseModel], error: ValidationError) -> str:
    complaints = error.errors(include_url=False)
    # A misspelt key gives two errors, "extra" and "missing"; the extra one says more.
    first = next((item for item in complaints if item["type"] == "extra_forbidden"), complaints[0])
    path = [str(part) for part in first["loc"]]
    key = ".".join(path) or "description"
    if first["type"] == "extra_forbidden":
        text = f"{key}: unknown key"
    elif first["type"] == "missing":
        text = f"{key}: missing"
    else:
        given = repr(cast(object, first["input"]))
        shown = "" if len(given) > 60 else f", got {given}"
        text = f"{key}: {first['msg'].removeprefix('Value error, ')}{shown}{_allowed_range(model, path)}"
    others = len(complaints) - 1
    return " ".join(text.split()) + (f" (and {others} more)" if others else "")


def _allowed_range(model: type[BaseModel], path: list[str]) -> str:
    """Return the limits that the schema gives for the value at `path`, as text to append."""
    for depth, name in enumerate(path):
        field = model.model_fields.get(name)
        if field is None:
            return ""
        if depth == len(path) - 1:
            limits = [cast(object, getattr(item, bound, None)) for bound in ("ge", "le") for item in field.metadata]
            numbers = [str(limit) for limit in limits if limit is not None]
            return f", allowed: {' to '.join(numbers)}" if len(numbers) == 2 else ""
        inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return ""
        model = inner
    return ""


def read_yaml(text: str, where: str) -> dict[str, object]:
    """Return the mapping in YAML text.

    Raises:
        TargetError: the text is no YAML mapping with text keys, or has duplicate keys or aliases.
    """
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        _refuse_surprises(root)
        data = cast(object, None if root is None else loader.construct_document(root))  # pyright: ignore[reportUnknownMemberType]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}: " if mark is not None else ""
        raise TargetError(f"{where}: {place}{' '.join((error.problem or 'no valid YAML').split())}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TargetError(f"{where}: no valid YAML: {' '.join(str(error).split())[:120]}") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in cast(dict[object, object], data)):
        raise TargetError(f"{where}: expected keys and values, as in 'kind: ap'")
    return cast(dict[str, object], data)


def _refuse_surprises(root: yaml.Node | None) -> None:
    """Refuse duplicate keys, of which YAML would silently drop one, and aliases, which can grow without limit."""
    seen: set[int] = set()
    nodes = [root] if root is not None else []
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=node.start_mark)
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            pairs = cast(list[tuple[yaml.Node, yaml.Node]], node.value)
            keys: set[str] = set()
            for key, value in pairs:
                text = str(cast(object, key.value))
                if text in keys:
                    raise yaml.MarkedYAMLError(problem=f"key '{text}' is there twice", problem_mark=key.start_mark)
                keys.add(text)
                nodes.extend((key, value))
        elif isinstance(node, yaml.SequenceNode):
            nodes.extend(cast(list[yaml.Node], node.value))


Unit = Literal["ap", "digital"]
"""Which part of the hardware does something."""
