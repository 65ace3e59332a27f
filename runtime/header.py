"""The JSON header of a program: encoding, and strict decoding with errors that name the field.

Decoding checks types, ranges of single values and unknown keys; how values must fit each other is checked by
`imcflow.runtime.loader`. Field names are those of the dataclasses in `imcflow.runtime.program`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar, cast

from imcflow.errors import ProgramError
from imcflow.runtime.json_fields import Fields, as_integer, as_text, shown
from imcflow.runtime.limits import (
    INT64_MAX,
    INT64_MIN,
    MAX_AXES,
    MAX_CELLS,
    MAX_ELEMENTS,
    MAX_GEOMETRY,
    MAX_OPERAND_BITS,
    MAX_PORTS_PER_KERNEL,
    MAX_STEPS,
    MAX_TENSORS,
    MAX_TEXT_CHARACTERS,
)
from imcflow.runtime.pipeline.codec import decode_dataflow, encode_dataflow
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    CrossbarKernel,
    DigitalOp,
    Json,
    MacroSummary,
    PortInfo,
    Program,
    Region,
    Step,
    TargetSummary,
    TensorInfo,
    Window,
    element_type,
)
from imcflow.runtime.schedule.table import TASKS_ARRAY, Schedule, decode_schedule, encode_schedule

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

T = TypeVar("T")
CROSSBAR_KINDS = ("aimc", "dimc")
"""Kinds of target whose summary describes macros."""


def encode_header(program: Program) -> dict[str, object]:
    """Return the JSON object of `docs/instruction-stream.md` section 6."""
    header: dict[str, object] = {
        "format_version": program.format_version,
        "name": program.name,
        "target": _encode_target(program.target),
        "tensors": [asdict(tensor) for tensor in program.tensors],
        "inputs": [asdict(port) for port in program.inputs],
        "outputs": [asdict(port) for port in program.outputs],
        "steps": [_encode_step(step) for step in program.steps],
        "pipeline": program.pipeline,
        "metadata": dict(program.metadata),
    }
    if program.schedule is not None:
        header["schedule"] = encode_schedule(program.schedule)
    if program.dataflow is not None:
        header["dataflow"] = encode_dataflow(program.dataflow)
    return header


def _encode_target(target: TargetSummary) -> dict[str, object]:
    fields: dict[str, object] = asdict(target)
    if target.macro is None:
        del fields["macro"]
    else:
        fields["macro"] = target.macro.fields()
    if target.ports == 1:
        del fields["ports"]
    return fields


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
    if isinstance(step, CrossbarKernel):
        return {
            "kind": step.kind,
            "name": step.name,
            "onnx_nodes": list(step.onnx_nodes),
            "window": asdict(step.window),
            "output": asdict(step.output),
            "weight_bits": step.weight_bits,
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
        schedule=_schedule(fields, remaining),
        dataflow=decode_dataflow(fields.take("dataflow"), remaining) if fields.has("dataflow") else None,
        constants=_constants(remaining),
    )
    fields.finish()
    return program


def _schedule(fields: Fields, remaining: dict[str, Array]) -> Schedule | None:
    if not fields.has("schedule"):
        return None
    return decode_schedule(fields.take("schedule"), _take_array(remaining, TASKS_ARRAY))


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
    kind = fields.text("kind")
    target = TargetSummary(
        name=fields.text("name"),
        kind=kind,
        content_hash=fields.text("content_hash"),
        rows=fields.integer("rows", 1, MAX_GEOMETRY),
        tracks=fields.integer("tracks", 1, MAX_GEOMETRY),
        domains=fields.integer("domains", 1, MAX_GEOMETRY),
        or_latch=fields.flag("or_latch"),
        array_count=fields.integer("array_count", 0, MAX_CELLS),
        ports=fields.integer("ports", 1, MAX_GEOMETRY) if fields.has("ports") else 1,
        macro=_macro(Fields(fields.take("macro"), "target: macro")) if kind in CROSSBAR_KINDS else None,
    )
    fields.finish()
    return target


def _macro(fields: Fields) -> MacroSummary:
    macro = MacroSummary(
        rows=fields.integer("rows", 1, MAX_GEOMETRY),
        columns=fields.integer("columns", 1, MAX_GEOMETRY),
        macros=fields.integer("macros", 1, MAX_GEOMETRY),
        slots=fields.integer("slots", 1, MAX_GEOMETRY),
        weight_bits=fields.integer("weight_bits", 1, MAX_OPERAND_BITS),
        activation_bits=fields.integer("activation_bits", 1, MAX_OPERAND_BITS),
        bits_per_cycle=fields.integer("bits_per_cycle", 1, MAX_OPERAND_BITS),
        adc_levels=fields.integer("adc_levels", 0, MAX_GEOMETRY),
        cell_bits=fields.integer("cell_bits", 2, MAX_OPERAND_BITS) if fields.has("cell_bits") else 1,
    )
    fields.finish()
    return macro


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
        pad_value=fields.integer("pad_value", INT64_MIN, INT64_MAX),
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
        inputs=fields.objects("inputs", MAX_PORTS_PER_KERNEL, _window),
        outputs=fields.objects("outputs", MAX_PORTS_PER_KERNEL, _output),
        instructions=_instruction_rows(_take_array(remaining, f"step.{index}.instructions"), fields.where),
        step_thresholds=_take_array(remaining, f"step.{index}.step_thresholds"),
        step_low=_take_array(remaining, f"step.{index}.step_low"),
        step_descending=_take_array(remaining, f"step.{index}.step_descending"),
        array_count=fields.integer("array_count", 0, MAX_CELLS),
        regions=_regions(fields.items("regions"), fields.where),
    )


def _instruction_rows(rows: Array, where: str) -> Any:
    from imcflow.runtime.isa import instruction_dtype

    return _rows_of(rows, instruction_dtype(), where)


def _rows_of(rows: Array, row: np.dtype[Any], where: str) -> Any:
    if rows.dtype.str != "|u1" or rows.ndim != 2 or rows.shape[1] != row.itemsize:
        raise ProgramError(f"{where}: instructions must be U8 [n, {row.itemsize}], got {rows.dtype} {list(rows.shape)}")
    return rows.reshape(-1).view(row)


def _crossbar_kernel(fields: Fields, index: int, remaining: dict[str, Array]) -> CrossbarKernel:
    from imcflow.runtime.crossbar.isa import tile_instruction_dtype

    name = fields.text("name")
    fields.where = f"step {index} {shown(name)}"
    rows = _take_array(remaining, f"step.{index}.instructions")
    return CrossbarKernel(
        name=name,
        onnx_nodes=fields.texts("onnx_nodes"),
        window=_whole(Fields(fields.take("window"), f"{fields.where}: window"), _window),
        output=_whole(Fields(fields.take("output"), f"{fields.where}: output"), _output),
        weight_bits=fields.integer("weight_bits", 1, MAX_OPERAND_BITS),
        instructions=_rows_of(rows, tile_instruction_dtype(), fields.where),
        weights=_take_array(remaining, f"step.{index}.weights"),
        bias=_take_array(remaining, f"step.{index}.bias"),
        step_thresholds=_take_array(remaining, f"step.{index}.step_thresholds"),
        step_low=_take_array(remaining, f"step.{index}.step_low"),
        step_descending=_take_array(remaining, f"step.{index}.step_descending"),
    )


def _whole(fields: Fields, decode: Callable[[Fields], T]) -> T:
    value = decode(fields)
    fields.finish()
    return value


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
    CrossbarKernel.kind: _crossbar_kernel,
    DigitalOp.kind: _digital,
}
