"""From a program-level module to a `Program`: every op becomes a kernel or an operation of the digital unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects.builtin import (
    ArrayAttr,
    BoolAttr,
    DenseArrayBase,
    DictionaryAttr,
    Float32Type,
    FloatAttr,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    UnitAttr,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.utils.hints import isa

from imcflow.dialect.attributes import RoundingAttr
from imcflow.dialect.attributes_dataflow import DATAFLOW_ATTRIBUTE, DataflowAttr
from imcflow.dialect.attributes_schedule import TasksAttr
from imcflow.dialect.constants import array_of
from imcflow.dialect.locations import describe, node_names
from imcflow.dialect.ops_ap import ApKernelOp
from imcflow.dialect.ops_crossbar import CrossbarKernelOp
from imcflow.dialect.ops_network import ConstantOp
from imcflow.dialect.types import element_type_of, integer_element_of, is_signed, shape_of
from imcflow.errors import ModelError
from imcflow.runtime.digital_ops import DIGITAL_OPS
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    CrossbarKernel,
    DigitalOp,
    MacroSummary,
    PortInfo,
    Program,
    Region,
    Step,
    TargetSummary,
    TensorInfo,
    Window,
)
from imcflow.runtime.schedule.table import Schedule

if TYPE_CHECKING:
    from xdsl.ir import Attribute, Operation, SSAValue

    from imcflow.runtime.pipeline.dataflow import Dataflow
    from imcflow.runtime.program import Json

NAME_ATTRIBUTE = "imc.name"
MODEL_TYPE_ATTRIBUTE = "imc.dtype"
TARGET_ATTRIBUTE = "imc.target"
PIPELINE_ATTRIBUTE = "imc.pipeline"
TASKS_ATTRIBUTE = "imc.tasks"
SCHEDULE_ATTRIBUTE = "imc.schedule"


def program_from_module(module: ModuleOp) -> Program:
    """Translate a program-level module.

    Args:
        module: one function of `imc.ap_kernel` ops and ops of the digital unit, with the attribute `imc.target`.

    Raises:
        ModelError: the module is not at program level; the message names the op.
    """
    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    if len(functions) != 1:
        raise ModelError(f"the module holds {len(functions)} functions, expected one")
    return _Translation(module, functions[0]).program()


class _Translation:
    """Numbers tensors and constants while it walks through the function."""

    def __init__(self, module: ModuleOp, function: FuncOp) -> None:
        self._module = module
        self._function = function
        self._tensors: list[TensorInfo] = []
        self._ids: dict[SSAValue, int] = {}
        self._constants: dict[str, np.ndarray[Any, np.dtype[Any]]] = {}
        self._constant_names: dict[SSAValue, str] = {}
        self._step_names: set[str] = set()
        self._tasks: list[np.ndarray[Any, np.dtype[np.void]]] = []

    def program(self) -> Program:
        block = self._function.body.block
        input_names = _port_entries(self._function.arg_attrs, len(block.args), "input")
        for argument, (name, _) in zip(block.args, input_names, strict=True):
            self._add_tensor(argument, name)
        inputs = [
            PortInfo(name, self._ids[argument], model_type or _model_type(argument))
            for argument, (name, model_type) in zip(block.args, input_names, strict=True)
        ]
        steps: list[Step] = []
        for op in block.ops:
            if isinstance(op, ReturnOp | ConstantOp):
                continue
            steps.append(self._step(op))
            self._keep_tasks(op, len(steps) - 1)
        terminator = block.last_op
        if not isinstance(terminator, ReturnOp):
            raise ModelError("the function does not end in func.return")
        output_names = _port_entries(self._function.res_attrs, len(terminator.operands), "output")
        outputs: list[PortInfo] = []
        for value, (name, model_type) in zip(terminator.operands, output_names, strict=True):
            if value not in self._ids:
                raise ModelError(f"output '{name}' is a constant")
            outputs.append(PortInfo(name, self._ids[value], model_type or _model_type(value)))
        pipeline = self._module.attributes.get(PIPELINE_ATTRIBUTE)
        return Program(
            name=self._module.sym_name.data if self._module.sym_name is not None else self._function.sym_name.data,
            target=_target(self._module),
            tensors=tuple(self._tensors),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            steps=tuple(steps),
            constants=self._constants,
            pipeline=pipeline.data if isinstance(pipeline, StringAttr) else "",
            schedule=self._schedule(len(steps)),
            dataflow=_dataflow(self._module),
        )

    def _keep_tasks(self, op: Operation, step: int) -> None:
        tasks = op.attributes.get(TASKS_ATTRIBUTE)
        if isinstance(tasks, TasksAttr):
            rows = tasks.table().copy()
            rows["step"] = step
            self._tasks.append(rows)

    def _schedule(self, steps: int) -> Schedule | None:
        """The tasks of all steps in order of start; of equal start, those that take no time first, then by step."""
        if not self._tasks:
            return None
        if len(self._tasks) != steps:
            raise ModelError(f"{len(self._tasks)} of {steps} steps have tasks; run imc-overlap-layers on all of them")
        summary = self._module.attributes.get(SCHEDULE_ATTRIBUTE)
        numbers: dict[str, int] = {}
        if isinstance(summary, DictionaryAttr):
            numbers = {key: value.value.data for key, value in summary.data.items() if isa(value, IntegerAttr)}
        rows = np.concatenate(self._tasks)
        return Schedule(
            tasks=rows[np.lexsort((rows["cycles"] > 0, rows["start"]))],
            arrays=numbers.get("arrays", 0),
            digital_operations_per_cycle=numbers.get("digital_operations_per_cycle", 0),
            sequential_cycles=numbers.get("sequential", 0),
            bound_cycles=numbers.get("bound", 0),
        )

    def _add_tensor(self, value: SSAValue, name: str) -> int:
        shape, element = shape_of(value), element_type_of(value)
        if any(size < 0 for size in shape[1:]):
            raise ModelError(f"tensor '{name}' has the shape {list(shape)}: only axis 0, the batch, may be dynamic")
        self._ids[value] = len(self._tensors)
        self._tensors.append(TensorInfo(name, tuple(shape[1:]), str(element)))
        return self._ids[value]

    def _step_name(self, op: Operation) -> str:
        names = node_names(op)
        base = names[-1] if names else f"{op.name.removeprefix('imc.')}_{len(self._step_names)}"
        name, number = base, 1
        while name in self._step_names:
            number += 1
            name = f"{base}#{number}"
        self._step_names.add(name)
        return name

    def _operand(self, op: Operation, value: SSAValue) -> int | str:
        if value in self._ids:
            return self._ids[value]
        owner = value.owner
        if not isinstance(owner, ConstantOp):
            raise ModelError(f"{describe(op)}: operand {value.name_hint or ''} comes from another function or region")
        if value not in self._constant_names:
            name = f"c{len(self._constants)}"
            array = array_of(owner.value)
            self._constants[name] = array if array.dtype.kind == "f" else array.astype(np.int64)
            self._constant_names[value] = name
        return self._constant_names[value]

    def _digital(self, op: Operation) -> DigitalOp:
        mnemonic = op.name.removeprefix("imc.")
        if mnemonic not in DIGITAL_OPS or len(op.results) != 1:
            raise ModelError(f"{describe(op)} is not at program level and unknown to the digital unit")
        name = self._step_name(op)
        inputs = tuple(self._operand(op, value) for value in op.operands)
        attributes = {
            key: json_of(value)
            for key, value in op.properties.items()
            if key in DIGITAL_OPS[mnemonic].attributes and key != "operandSegmentSizes"
        }
        output = self._add_tensor(op.results[0], name)
        return DigitalOp(name, mnemonic, attributes, inputs, output, node_names(op))

    def _step(self, op: Operation) -> Step:
        if isinstance(op, ApKernelOp):
            return self._kernel(op)
        return self._crossbar_kernel(op) if isinstance(op, CrossbarKernelOp) else self._digital(op)

    def _crossbar_kernel(self, op: CrossbarKernelOp) -> CrossbarKernel:
        name = self._step_name(op)
        return CrossbarKernel(
            name=name,
            onnx_nodes=node_names(op),
            window=self._window(op, op.inputs[0]),
            output=self._output(op, name),
            weight_bits=op.weight_bits.value.data,
            instructions=op.instructions.table().copy(),
            weights=array_of(op.tile_weights).reshape(-1).copy(),
            bias=np.array(_integers(op.bias), dtype=np.int64),
            step_thresholds=_step_thresholds(op),
            step_low=np.array(_integers(op.step_low), dtype=np.int64),
            step_descending=np.array(_integers(op.step_descending), dtype=np.bool_),
        )

    def _output(self, op: ApKernelOp | CrossbarKernelOp, name: str) -> ApOutput:
        shape = shape_of(op.result)
        element = integer_element_of(op.result)
        height, width = shape[2:] if len(shape) == 4 else (1, 1)
        tensor = self._add_tensor(op.result, name)
        return ApOutput(tensor, shape[1], height, width, element.width.data, is_signed(element))

    def _kernel(self, op: ApKernelOp) -> ApKernel:
        name = self._step_name(op)
        windows = tuple(self._window(op, value) for value in op.inputs)
        output = self._output(op, name)
        nodes = node_names(op)
        return ApKernel(
            name=name,
            onnx_nodes=nodes,
            inputs=windows,
            outputs=(output,),
            instructions=op.instructions.table().copy(),
            step_thresholds=_step_thresholds(op),
            step_low=np.array(_integers(op.step_low), dtype=np.int64),
            step_descending=np.array(_integers(op.step_descending), dtype=np.bool_),
            array_count=op.arrays.value.data,
            regions=_regions(op, nodes[0] if nodes else ""),
        )

    def _window(self, op: ApKernelOp | CrossbarKernelOp, value: SSAValue) -> Window:
        if value not in self._ids:
            raise ModelError(f"{describe(op)}: a kernel reads a constant")
        channels, height, width = op.map_shape
        top, left, bottom, right = _integers(op.pads)
        bits, signed = op.element_bits(value)
        return Window(
            tensor=self._ids[value],
            channels=channels,
            height=height,
            width=width,
            kernel=op.kernel_size,
            strides=_pair(op.strides),
            pads=(top, left, bottom, right),
            dilations=_pair(op.dilations),
            pad_value=op.pad_value.value.data if any((top, left, bottom, right)) else 0,
            bits=bits,
            signed=signed,
        )


def _step_thresholds(op: ApKernelOp | CrossbarKernelOp) -> np.ndarray[Any, np.dtype[np.int64]]:
    if op.step_thresholds is None:
        return np.zeros((0, 0), dtype=np.int64)
    return array_of(op.step_thresholds).astype(np.int64)


def _pair(attribute: DenseArrayBase[Any]) -> tuple[int, int]:
    first, second = _integers(attribute)
    return first, second


def _integers(attribute: DenseArrayBase[Any] | None) -> list[int]:
    return [] if attribute is None else [int(value) for value in attribute.iter_values()]


def _regions(op: ApKernelOp, node: str) -> tuple[Region, ...]:
    regions: list[Region] = []
    for entry in op.source_map or ():
        start, stop, text = (entry.data.get(key) for key in ("start", "stop", "text"))
        if not (isinstance(start, IntegerAttr) and isinstance(stop, IntegerAttr) and isinstance(text, StringAttr)):
            raise ModelError(f"{describe(op)}: an entry of source_map must be {{start, stop, text}}")
        regions.append(Region(start.value.data, stop.value.data, text.data, node))
    return tuple(regions)


def json_of(attribute: Attribute) -> Json:
    """Return a property of a network-level op as the container stores it."""
    if isinstance(attribute, UnitAttr):
        return True
    if isinstance(attribute, RoundingAttr):
        return attribute.data.value
    if isa(attribute, FloatAttr):
        return float(attribute.value.data)
    if isa(attribute, IntegerAttr):
        return int(attribute.value.data)
    if isa(attribute, DenseArrayBase):
        return list(_integers(attribute))
    if isinstance(attribute, StringAttr):
        return attribute.data
    raise ModelError(f"attribute {attribute} has no form in a program file")


def _port_entries(
    attributes: ArrayAttr[DictionaryAttr] | None, count: int, default: str
) -> Sequence[tuple[str, str | None]]:
    """Name and model type of every argument or result; names default to `<default><index>`."""
    entries: list[tuple[str, str | None]] = []
    listed: Sequence[DictionaryAttr] = () if attributes is None else attributes.data
    for index in range(count):
        data: Mapping[str, Attribute] = listed[index].data if index < len(listed) else {}
        name, model_type = data.get(NAME_ATTRIBUTE), data.get(MODEL_TYPE_ATTRIBUTE)
        entries.append(
            (
                name.data if isinstance(name, StringAttr) else f"{default}{index}",
                model_type.data if isinstance(model_type, StringAttr) else None,
            )
        )
    return entries


def _model_type(value: SSAValue) -> str:
    """The array type of a port whose model type is not recorded."""
    element = element_type_of(value)
    if isinstance(element, Float32Type):
        return "float32"
    bits = next((size for size in (8, 16, 32, 64) if size >= element.width.data), 64)
    return f"{'int' if is_signed(element) else 'uint'}{bits}"


def _dataflow(module: ModuleOp) -> Dataflow | None:
    attribute = module.attributes.get(DATAFLOW_ATTRIBUTE)
    return attribute.dataflow() if isinstance(attribute, DataflowAttr) else None


def _target(module: ModuleOp) -> TargetSummary:
    attribute = module.attributes.get(TARGET_ATTRIBUTE)
    if not isinstance(attribute, DictionaryAttr):
        raise ModelError("the module names no target; run imc-emit-program first")
    fields: dict[str, Any] = {}
    for key, value in attribute.data.items():
        if isinstance(value, StringAttr):
            fields[key] = value.data
        elif isa(value, BoolAttr):
            fields[key] = bool(value.value.data)
        elif isa(value, IntegerAttr):
            fields[key] = int(value.value.data)
        elif key == "macro" and isinstance(value, DictionaryAttr):
            fields[key] = _macro(value)
    try:
        return TargetSummary(**fields)
    except TypeError as error:
        raise ModelError(f"attribute imc.target of the module is incomplete: {error}") from error


def _macro(attribute: DictionaryAttr) -> MacroSummary:
    fields = {key: value.value.data for key, value in attribute.data.items() if isa(value, IntegerAttr)}
    try:
        return MacroSummary(**fields)
    except TypeError as error:
        raise ModelError(f"macro in the attribute imc.target of the module is incomplete: {error}") from error
