"""The JSON header of a program: encoding, and strict decoding with errors that name the field.

Decoding checks types, ranges of single values and unknown keys; how values must fit each other is checked by
`imcflow.runtime.loader`. Field names are those of the dataclasses in `imcflow.runtime.program`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, cast

from imcflow.errors import ProgramError
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    DigitalOp,
    Json,
    PortInfo,
    Program,
    Region,
    Step,
    TargetSummary,
    TensorInfo,
    Window,
    element_type,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

T = TypeVar("T")

MAX_TENSORS = 1 << 16
MAX_STEPS = 1 << 16
MAX_AXES = 8
MAX_ELEMENTS = 1 << 26
MAX_GEOMETRY = 1 << 16
MAX_CELLS = 1 << 26
MAX_NAME_CHARACTERS = 1 << 12
MAX_TEXT_CHARACTERS = 1 << 24
MAX_LIST_ITEMS = 1 << 20
_INT64 = (-(1 << 63), (1 << 63) - 1)


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


def encode_header(program: Program) -> dict[str, object]:
    """Return the JSON object of `docs/instruction-stream.md` section 6."""
    return {
        "format_version": program.format_version,
        "name": program.name,
        "target": asdict(program.target),
        "tensors": [asdict(tensor) for tensor in program.tensors],
        "inputs": [asdict(port) for port in program.inputs],
        "outputs": [asdict(port) for port in program.outputs],
        "steps": [_encode_step(step) for step in program.steps],
        "pipeline": program.pipeline,
        "metadata": dict(program.metadata),
    }


def _encode_step(step: Step) -> dict[str, object]:
    if isinstance(step, DigitalOp):
        return {
            "kind": step.kind,
            "name": step.name,
            "op": step.op,
            "attributes": dict(step.attributes),
            "inputs": list(step.inputs),
            "output": step.output,
            "onnx_nodes": list(step.onnx_nodes),
        }
    return {
        "kind": step.kind,
        "name": step.name,
        "onnx_nodes": list(step.onnx_nodes),
        "inputs": [asdict(window) for window in step.inputs],
        "outputs": [asdict(output) for output in step.outputs],
        "array_count": step.array_count,
        "regions": [[region.start, region.stop, region.text, region.onnx_node] for region in step.regions],
    }


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


def decode_header(header: object, arrays: Mapping[str, Array]) -> Program:
    """Build a program from the parsed header and the other arrays of the container.

    Every array must be named by the header. Types and shapes of arrays are checked by the loader.

    Raises:
        ProgramError: a field is missing, unknown, of the wrong type or out of range; an array is missing or left over.
    """
    fields = Fields(header, "header")
    remaining = dict(arrays)
    version = fields.integer("format_version", 0, 1 << 30)
    program = Program(
        format_version=version,
        name=fields.text("name"),
        target=_target(Fields(fields.take("target"), "target")),
        tensors=fields.objects("tensors", MAX_TENSORS, _tensor),
        inputs=fields.objects("inputs", MAX_TENSORS, _port),
        outputs=fields.objects("outputs", MAX_TENSORS, _port),
        steps=tuple(_step(value, index, remaining) for index, value in enumerate(fields.items("steps", MAX_STEPS))),
        pipeline=fields.text("pipeline", MAX_TEXT_CHARACTERS),
        metadata=_metadata(fields.take("metadata")),
        constants=_constants(remaining),
    )
    fields.finish()
    return program


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ProgramError(f"header: metadata must be an object, got {shown(value)}")
    entries = cast(dict[str, object], value)
    return {
        as_text(key, "metadata: key"): as_text(text, f"metadata: {shown(key)}", MAX_TEXT_CHARACTERS)
        for key, text in entries.items()
    }


def _constants(remaining: Mapping[str, Array]) -> dict[str, Array]:
    for name in remaining:
        if not name.startswith("constant."):
            raise ProgramError(f"array {shown(name)} belongs to no step of the header")
    return {name.removeprefix("constant."): remaining[name] for name in sorted(remaining)}


def _target(fields: Fields) -> TargetSummary:
    target = TargetSummary(
        name=fields.text("name"),
        kind=fields.text("kind"),
        content_hash=fields.text("content_hash"),
        rows=fields.integer("rows", 1, MAX_GEOMETRY),
        tracks=fields.integer("tracks", 1, MAX_GEOMETRY),
        domains=fields.integer("domains", 1, MAX_GEOMETRY),
        or_latch=fields.flag("or_latch"),
        array_count=fields.integer("array_count", 0, MAX_CELLS),
    )
    fields.finish()
    return target


def _tensor(fields: Fields) -> TensorInfo:
    name = fields.text("name")
    shape = fields.items("shape", MAX_AXES)
    dtype = fields.text("dtype")
    try:
        element_type(dtype)
    except ValueError as error:
        raise ProgramError(f"{fields.where}: dtype: {error}") from error
    sizes = tuple(as_integer(size, f"{fields.where}: shape", 1, MAX_ELEMENTS) for size in shape)
    return TensorInfo(name, sizes, dtype)


def _port(fields: Fields) -> PortInfo:
    return PortInfo(
        name=fields.text("name"),
        tensor=fields.integer("tensor", 0, MAX_TENSORS),
        model_dtype=fields.text("model_dtype"),
    )


def _window(fields: Fields) -> Window:
    kernel = fields.integers("kernel", 2, 1, MAX_GEOMETRY)
    strides = fields.integers("strides", 2, 1, MAX_GEOMETRY)
    pads = fields.integers("pads", 4, 0, MAX_GEOMETRY)
    dilations = fields.integers("dilations", 2, 1, MAX_GEOMETRY)
    return Window(
        tensor=fields.integer("tensor", 0, MAX_TENSORS),
        channels=fields.integer("channels", 1, MAX_ELEMENTS),
        height=fields.integer("height", 1, MAX_ELEMENTS),
        width=fields.integer("width", 1, MAX_ELEMENTS),
        kernel=(kernel[0], kernel[1]),
        strides=(strides[0], strides[1]),
        pads=(pads[0], pads[1], pads[2], pads[3]),
        dilations=(dilations[0], dilations[1]),
        pad_value=fields.integer("pad_value", *_INT64),
        bits=fields.integer("bits", 1, 62),
        signed=fields.flag("signed"),
    )


def _output(fields: Fields) -> ApOutput:
    return ApOutput(
        tensor=fields.integer("tensor", 0, MAX_TENSORS),
        channels=fields.integer("channels", 1, MAX_ELEMENTS),
        height=fields.integer("height", 1, MAX_ELEMENTS),
        width=fields.integer("width", 1, MAX_ELEMENTS),
        bits=fields.integer("bits", 1, 62),
        signed=fields.flag("signed"),
    )


def _regions(values: Iterable[object], where: str) -> tuple[Region, ...]:
    regions: list[Region] = []
    for index, value in enumerate(values):
        place = f"{where}: regions[{index}]"
        if not isinstance(value, list):
            raise ProgramError(f"{place}: expected [start, stop, text, node], got {shown(value)}")
        parts = cast(list[object], value)
        if len(parts) != 4:
            raise ProgramError(f"{place}: expected [start, stop, text, node], got {len(parts)} entries")
        start = as_integer(parts[0], f"{place}: start", 0, 1 << 40)
        stop = as_integer(parts[1], f"{place}: stop", 0, 1 << 40)
        regions.append(Region(start, stop, as_text(parts[2], f"{place}: text"), as_text(parts[3], f"{place}: node")))
    return tuple(regions)


def _step(value: object, index: int, remaining: dict[str, Array]) -> Step:
    fields = Fields(value, f"step {index}")
    kind = fields.text("kind")
    decode = _STEP_KINDS.get(kind)
    if decode is None:
        raise ProgramError(f"step {index}: kind {shown(kind)} is unknown; known: {', '.join(_STEP_KINDS)}")
    step = decode(fields, index, remaining)
    fields.finish()
    return step


def _take_array(remaining: dict[str, Array], name: str) -> Array:
    if name not in remaining:
        raise ProgramError(f"array '{name}' is missing")
    return remaining.pop(name)


def _ap_kernel(fields: Fields, index: int, remaining: dict[str, Array]) -> ApKernel:
    name = fields.text("name")
    fields.where = f"step {index} {shown(name)}"
    return ApKernel(
        name=name,
        onnx_nodes=fields.texts("onnx_nodes"),
        inputs=fields.objects("inputs", 256, _window),
        outputs=fields.objects("outputs", 256, _output),
        instructions=_instruction_rows(_take_array(remaining, f"step.{index}.instructions"), fields.where),
        step_thresholds=_take_array(remaining, f"step.{index}.step_thresholds"),
        step_low=_take_array(remaining, f"step.{index}.step_low"),
        step_descending=_take_array(remaining, f"step.{index}.step_descending"),
        array_count=fields.integer("array_count", 0, MAX_CELLS),
        regions=_regions(fields.items("regions"), fields.where),
    )


def _instruction_rows(rows: Array, where: str) -> Any:
    from imcflow.runtime.isa import INSTRUCTION_BYTES, instruction_dtype

    if rows.dtype.str != "|u1" or rows.ndim != 2 or rows.shape[1] != INSTRUCTION_BYTES:
        raise ProgramError(
            f"{where}: instructions must be U8 [n, {INSTRUCTION_BYTES}], got {rows.dtype} {list(rows.shape)}"
        )
    return rows.reshape(-1).view(instruction_dtype())


def _digital(fields: Fields, index: int, remaining: dict[str, Array]) -> DigitalOp:
    del remaining  # digital ops name program constants, they own no arrays
    name = fields.text("name")
    fields.where = f"step {index} {shown(name)}"
    attributes = fields.take("attributes")
    if not isinstance(attributes, dict):
        raise ProgramError(f"{fields.where}: attributes must be an object, got {shown(attributes)}")
    return DigitalOp(
        name=name,
        op=fields.text("op"),
        attributes=cast(dict[str, Json], attributes),
        inputs=tuple(_digital_input(value, fields.where) for value in fields.items("inputs")),
        output=fields.integer("output", 0, MAX_TENSORS),
        onnx_nodes=fields.texts("onnx_nodes"),
    )


def _digital_input(value: object, where: str) -> int | str:
    if isinstance(value, str):
        return as_text(value, f"{where}: inputs")
    return as_integer(value, f"{where}: inputs", 0, MAX_TENSORS)


_STEP_KINDS: dict[str, Callable[[Fields, int, dict[str, Array]], Step]] = {
    ApKernel.kind: _ap_kernel,
    DigitalOp.kind: _digital,
}
