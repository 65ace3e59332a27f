"""Cores of a mapped function: each crossbar layer or pooling, and the operations behind it that work on single pixels.

An operation that widens its only operand and is used by one other core alone moves there, so that the narrower tensor
travels. Operations on the input alone, and what cannot stream behind the last layer, stay with the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.locations import describe, node_names
from imcflow.dialect.ops_crossbar import CrossbarKernelOp, CrossbarLinearOp
from imcflow.dialect.ops_network import ConstantOp
from imcflow.dialect.types import element_type_of, shape_of
from imcflow.errors import ImcflowError
from imcflow.runtime.digital_ops import DIGITAL_OPS, complete_attributes
from imcflow.runtime.pipeline.dataflow import INPUT_CORE
from imcflow.runtime.pipeline.reading import PIXEL, Reading, digital_reading
from imcflow.runtime.program import element_type

if TYPE_CHECKING:
    from imcflow.runtime.program import Json

LINEAR = (CrossbarLinearOp, CrossbarKernelOp)


@dataclass(frozen=True)
class Arc:
    """A tensor that one core sends to another.

    Attributes:
        value: the tensor.
        producer: core, `INPUT_CORE` for what the host streams in.
        consumer: core.
        reading: window of one pixel of the consumer.
    """

    value: SSAValue
    producer: int
    consumer: int
    reading: Reading


@dataclass(frozen=True)
class Partition:
    """Which core computes what.

    Attributes:
        steps: ops of the function without constants, in order; a program's steps have the same numbers.
        values: arguments, then the results of the steps; a program's tensors have the same numbers.
        cores: per core its steps in order; the first one, the input, has none.
        roots: per core the step that gives it its name, -1 for the input.
        arcs: between cores, by consumer.
        results: values that leave a core for the host.
    """

    steps: tuple[Operation, ...]
    values: tuple[SSAValue, ...]
    cores: tuple[tuple[int, ...], ...]
    roots: tuple[int, ...]
    arcs: tuple[Arc, ...]
    results: tuple[SSAValue, ...]

    def core_name(self, core: int) -> str:
        """Return the source node of a core's first layer."""
        if core == INPUT_CORE:
            return "input"
        root = self.steps[self.roots[core]]
        names = node_names(root)
        return _plain(names[-1] if names else root.name.removeprefix("imc."))

    def core_of(self, value: SSAValue) -> int | None:
        """Return the core that computes a value."""
        for core, steps in enumerate(self.cores):
            if any(value in self.steps[step].results for step in steps):
                return core
        return None


def _plain(name: str) -> str:
    """A name that fits into a quoted line."""
    return "".join("_" if sign in '"\\\n\r' else sign for sign in name)


def pixel_map(value: SSAValue) -> tuple[int, int]:
    """Return height and width of the pixels of a tensor; a vector is one pixel."""
    shape = shape_of(value)
    return (shape[2], shape[3]) if len(shape) == 4 else (1, 1)


def readings(op: Operation) -> Reading | None:
    """Return how an op reads its tensors; None if it cannot stream."""
    reading = _reading_of(op)
    return None if reading is None or _waits_for_nothing(op, reading) else reading


def _waits_for_nothing(op: Operation, reading: Reading) -> bool:
    """Whether a window lies in the padding altogether: there is no pixel for which it could wait."""
    source, target = pixel_map(tensor_operands(op)[0]), pixel_map(op.results[0])
    axes = zip(source, target, reading.size, reading.strides, reading.pads, strict=True)
    return any(pad >= size or (count - 1) * stride - pad >= extent for extent, count, size, stride, pad in axes)


def _reading_of(op: Operation) -> Reading | None:
    if isinstance(op, LINEAR):
        strides, pads, dilations = (
            [int(size) for size in attribute.iter_values()] for attribute in (op.strides, op.pads, op.dilations)
        )
        if op.kernel_size == (1, 1) and strides == [1, 1] and not any(pads):
            return PIXEL
        return Reading(op.kernel_size, (strides[0], strides[1]), (pads[0], pads[1]), (dilations[0], dilations[1]))
    mnemonic = op.name.removeprefix("imc.")
    if mnemonic not in DIGITAL_OPS or len(op.results) != 1:
        return None
    from imcflow.lowering.isa.translate import json_of

    given: dict[str, Json] = {
        key: json_of(value) for key, value in op.properties.items() if key in DIGITAL_OPS[mnemonic].attributes
    }
    tensors = [shape_of(value)[1:] for value in tensor_operands(op)]
    constants = [shape_of(value) for value in op.operands if isinstance(value.owner, ConstantOp)]
    result = tuple(shape_of(op.results[0])[1:])
    return digital_reading(mnemonic, complete_attributes(mnemonic, given), tensors, constants, result)


def tensor_operands(op: Operation) -> list[SSAValue]:
    """Return the operands that are no constants."""
    return [value for value in op.operands if not isinstance(value.owner, ConstantOp)]


def module_function(module: ModuleOp) -> FuncOp:
    """Return the only function.

    Raises:
        ImcflowError: there are none or several.
    """
    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    if len(functions) != 1:
        raise ImcflowError(f"the module holds {len(functions)} functions, expected one")
    return functions[0]


def partition(module: ModuleOp) -> Partition:
    """Give every op of a mapped module to a core.

    Raises:
        ImcflowError: there is no crossbar layer, more than one input, or an op between layers cannot stream.
    """
    function = module_function(module)
    steps = tuple(op for op in function.body.block.ops if not isinstance(op, ConstantOp | ReturnOp))
    arguments = tuple(function.body.block.args)
    if len(arguments) != 1:
        raise ImcflowError(f"a pipeline streams one input, the function has {len(arguments)}")
    if not any(isinstance(op, LINEAR) for op in steps):
        raise ImcflowError(
            "no layer is mapped to crossbars; imc-map-crossbar maps convolutions and matrix products of two axes with "
            "small constant integer weights, of activations with no more bits than the macros take"
        )
    owner = _owners(steps, arguments)
    roots = [INPUT_CORE - 1, *(step for step, core in enumerate(owner) if core is not None and core < 0)]
    by_root = {root: core for core, root in enumerate(roots)}
    found = [None if core is None else by_root[step if core < 0 else core] for step, core in enumerate(owner)]
    _move_to_users(steps, found)
    cores = tuple(
        tuple(step for step, core in enumerate(found) if core == number) if number else ()
        for number in range(len(roots))
    )
    values = (*arguments, *(op.results[0] for op in steps))
    home: dict[SSAValue, int] = {op.results[0]: core for op, core in zip(steps, found, strict=True) if core is not None}
    return Partition(steps, values, cores, tuple(roots), _arcs(steps, found, home), _results(function, steps, home))


_ROOT = -1
_HOST = None


def _owners(steps: tuple[Operation, ...], arguments: tuple[SSAValue, ...]) -> list[int | None]:
    """Per step: `_ROOT` if it begins a core, else the root whose core it joins; None for the host."""
    before = set(arguments)
    after: set[SSAValue] = set()
    owner: list[int | None] = []
    home: dict[SSAValue, int] = {}
    for number, op in enumerate(steps):
        tensors, result = tensor_operands(op), op.results[0]
        reading = readings(op)
        if not isinstance(op, LINEAR) and all(value in before for value in tensors):
            before.add(result)
            owner.append(_HOST)
        elif reading is None or any(value in after for value in tensors):
            if isinstance(op, LINEAR) or _feeds_layers(op):
                raise ImcflowError(f"{describe(op)} cannot stream pixel by pixel, and layers come after it")
            after.add(result)
            owner.append(_HOST)
        elif isinstance(op, LINEAR) or not reading.is_pixel:
            owner.append(_ROOT)
            home[result] = number
        else:
            home[result] = max(home[value] for value in tensors if value in home)
            owner.append(home[result])
    return owner


def _feeds_layers(op: Operation) -> bool:
    """Whether a crossbar layer depends on an op."""
    pending, seen = [op], {op}
    while pending:
        for use in pending.pop().results[0].uses:
            if isinstance(use.operation, LINEAR):
                return True
            if use.operation not in seen and use.operation.results:
                seen.add(use.operation)
                pending.append(use.operation)
    return False


def _move_to_users(steps: tuple[Operation, ...], cores: list[int | None]) -> None:
    """Let an op that widens its only tensor move to the only core that uses its result."""
    number_of = {op: number for number, op in enumerate(steps)}
    for number in reversed(range(len(steps))):
        op, own = steps[number], cores[number]
        tensors = tensor_operands(op)
        if own is None or len(tensors) != 1 or isinstance(op, LINEAR) or readings(op) != PIXEL:
            continue
        users = {use.operation for use in op.results[0].uses}
        if any(isinstance(user, ReturnOp) or readings(user) != PIXEL for user in users):
            continue
        places = {cores[number_of[user]] for user in users}
        wider = _bits(op.results[0]) > _bits(tensors[0])
        if len(places) == 1 and wider and None not in places:
            cores[number] = places.pop()


def _bits(value: SSAValue) -> int:
    """Bits of one pixel."""
    return shape_of(value)[1] * element_type(str(element_type_of(value))).bits


def _arcs(steps: tuple[Operation, ...], cores: list[int | None], home: dict[SSAValue, int]) -> tuple[Arc, ...]:
    found: dict[tuple[int, SSAValue, tuple[object, ...]], Arc] = {}
    for op, core in zip(steps, cores, strict=True):
        reading = readings(op)
        if core is None or reading is None:
            continue
        for value in tensor_operands(op):
            producer = home.get(value, INPUT_CORE)
            if producer != core:
                window = (reading.size, reading.strides, reading.pads)
                found.setdefault((core, value, window), Arc(value, producer, core, reading))
    order = {op: number for number, op in enumerate(steps)}
    arcs = found.values()
    return tuple(sorted(arcs, key=lambda arc: (arc.consumer, order.get(cast(Operation, arc.value.owner), -1))))


def _results(function: FuncOp, steps: tuple[Operation, ...], home: dict[SSAValue, int]) -> tuple[SSAValue, ...]:
    """Values of cores that outputs or steps of the host use, in order."""
    wanted = set(cast(Operation, function.body.block.last_op).operands)
    for op in steps:
        if op.results[0] not in home:
            wanted.update(tensor_operands(op))
    return tuple(op.results[0] for op in steps if op.results[0] in wanted and op.results[0] in home)


def crossbars_of(part: Partition, core: int) -> int:
    """Return how many crossbars hold the weights of one copy of a core: one per tile."""
    layers = (part.steps[step] for step in part.cores[core])
    return sum(len(op.tiles.table()) for op in layers if isinstance(op, CrossbarLinearOp))


def core_map(part: Partition, core: int) -> tuple[int, int]:
    """Return height and width of what a core computes."""
    if core == INPUT_CORE:
        return pixel_map(next(arc.value for arc in part.arcs if arc.producer == INPUT_CORE))
    return pixel_map(part.steps[part.roots[core]].results[0])
