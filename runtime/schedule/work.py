"""What a step does, lane by lane, and which rows of its tensors a range of lanes reads.

A lane is an output position; positions lie in rows of the output map. A part of a step is a range of lanes, and reads
whole rows of its inputs: those under the windows of the rows that the range touches. Steps whose lanes cannot be told
apart (a matrix product of the digital unit, a reshape, a kernel that reloads its macros) have one part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from imcflow.runtime.crossbar.cells import shared_cells
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.crossbar.stream import lane_range
from imcflow.runtime.digital_ops import complete_attributes, operations_per_image
from imcflow.runtime.program import CrossbarKernel, DigitalOp, Program, Step, tensors_written

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = np.ndarray[Any, np.dtype[np.int64]]

ELEMENTWISE = frozenset(
    [
        *("add", "sub", "mul", "div", "pow", "greater", "greater_equal"),
        *("relu", "neg", "abs", "sign", "cast", "bipolar", "sqrt", "erf", "sigmoid"),
        *("clamp", "clip", "round", "quantize", "dequantize", "threshold", "requantize", "batch_norm"),
    ]
)
"""Digital operations whose result at a position depends on the operands there."""
POOLS = frozenset({"max_pool", "sum_pool", "avg_pool"})
_BY_CHANNEL = frozenset({"threshold", "batch_norm"})
"""Operations whose constants have a row per channel, not per map row."""


@dataclass(frozen=True, slots=True)
class RowReads:
    """Rows of one tensor that output rows read: row p reads p * stride - pad + j * dilation, j < size.

    Attributes:
        tensor: the tensor.
        height: its rows.
        whole: every part reads all rows.
        size, stride, dilation, pad: the window along rows.
    """

    tensor: int
    height: int
    whole: bool = False
    size: int = 1
    stride: int = 1
    dilation: int = 1
    pad: int = 0

    def rows(self, first_row: Ints, last_row: Ints) -> tuple[Ints, Ints]:
        """Return the first and last input rows, clipped to the tensor; first > last where only padding is read.

        Args:
            first_row: first output rows, any shape.
            last_row: last output rows, same shape.
        """
        if self.whole:
            return np.zeros_like(first_row), np.full_like(last_row, self.height - 1)
        low = first_row * self.stride - self.pad
        high = last_row * self.stride - self.pad + (self.size - 1) * self.dilation
        return np.maximum(low, 0), np.minimum(high, self.height - 1)


@dataclass(frozen=True)
class StepWork:
    """One step of a program as a scheduler sees it.

    Attributes:
        number: of the step.
        step: the step.
        divisible: whether ranges of lanes may run apart from each other; otherwise the step has one part.
        height, width: rows of lanes, and lanes of a row; height is 1 for steps with one part.
        reads: what output rows read.
        written: tensors that it writes.
        operations: scalar operations of a digital step, per image.
    """

    number: int
    step: Step
    divisible: bool
    height: int
    width: int
    reads: tuple[RowReads, ...]
    written: tuple[int, ...]
    operations: int = 0

    @property
    def lanes(self) -> int:
        """Lanes of an image."""
        return self.height * self.width

    def output_rows(self, tensor_height: int, first: Ints, stop: Ints) -> tuple[Ints, Ints]:
        """Return the first and last tensor row that lane ranges write; a step with one part writes all."""
        if not self.divisible:
            return np.zeros_like(first), np.full_like(stop, tensor_height - 1)
        return self.rows_of(first, stop)

    def rows_of(self, first: Ints, stop: Ints) -> tuple[Ints, Ints]:
        """Return the first and last row of lane ranges."""
        return first // self.width, (stop - 1) // self.width

    @cached_property
    def products(self) -> dict[int, tuple[tuple[int, int, int], ...]]:
        """Products of a crossbar step, by macro in ascending order: (first lane, lane behind the last, how many)."""
        if not isinstance(self.step, CrossbarKernel):
            return {}
        table = self.step.instructions
        table = table[table["opcode"] == TileOpcode.MULTIPLY]
        fields = np.stack([table[name].astype(np.int64) for name in ("macro", "lane", "lanes")], axis=1)
        distinct, counts = np.unique(fields, axis=0, return_counts=True)
        found: dict[int, tuple[tuple[int, int, int], ...]] = {}
        for (macro, lane, lanes), count in zip(distinct.tolist(), counts.tolist(), strict=True):
            first, stop = lane_range(lane, lanes, self.step.lanes_per_image)
            found[macro] = (*found.get(macro, ()), (first, stop, count))
        return found

    @cached_property
    def macro_lanes(self) -> dict[int, tuple[int, int]]:
        """First lane of a crossbar step that each macro works on, and the lane behind the last."""
        return {
            macro: (min(first for first, _, _ in products), max(stop for _, stop, _ in products))
            for macro, products in self.products.items()
        }

    def digital_cycles(self, lanes: int, operations_per_cycle: int) -> int:
        """Return the cycles of the digital unit for some lanes."""
        if not operations_per_cycle:
            return 0
        return -(-self.operations * lanes // (self.lanes * operations_per_cycle))


def program_work(program: Program) -> list[StepWork]:
    """Return the work of every step of a checked program."""
    return [_work(program, number, step) for number, step in enumerate(program.steps)]


def _work(program: Program, number: int, step: Step) -> StepWork:
    written = tuple(tensors_written(step))
    if isinstance(step, DigitalOp):
        return _digital_work(program, number, step)
    windows = (step.window,) if isinstance(step, CrossbarKernel) else step.inputs
    height, width = windows[0].out_height, windows[0].out_width
    whole = isinstance(step, CrossbarKernel) and reloads(step)
    reads = tuple(
        RowReads(
            tensor=window.tensor,
            height=map_height(program, window.tensor),
            whole=whole,
            size=window.kernel[0],
            stride=window.strides[0],
            dilation=window.dilations[0],
            pad=window.pads[0],
        )
        for window in windows
    )
    shape = (1, height * width) if whole else (height, width)
    return StepWork(number, step, not whole, *shape, reads, written)


def map_height(program: Program, tensor: int) -> int:
    """Return the rows of a tensor: the height of a map, 1 for anything else."""
    shape = program.tensors[tensor].shape
    return shape[1] if len(shape) == 3 else 1


def reloads(kernel: CrossbarKernel) -> bool:
    """Return whether the stream loads a cell more than once."""
    return bool(shared_cells(_loads(kernel)).overwrites.any())


def _loads(kernel: CrossbarKernel) -> NDArray[np.void]:
    return kernel.instructions[kernel.instructions["opcode"] == TileOpcode.LOAD]


Gates: TypeAlias = dict[tuple[int, int], list[tuple[int, int]]]
"""By (step, macro): the earlier (step, macro) pairs some of whose weights it overwrites."""


def overwritten_weights(works: list[StepWork]) -> Gates:
    """Return which steps overwrite weights of which earlier steps, by painting the loaded cells of each plane.

    Takes O(cells loaded) time and the memory of one plane; planes that one step fills alone are left out.
    """
    kernels = [(work.number, work.step) for work in works if isinstance(work.step, CrossbarKernel)]
    if not kernels:
        return {}
    tables = [_loads(kernel) for _, kernel in kernels]
    loads = np.concatenate(tables)
    step = np.repeat([number for number, _ in kernels], [len(table) for table in tables])
    planes = loads["macro"].astype(np.int64) << 32 | loads["slot"].astype(np.int64)
    order = np.argsort(planes, kind="stable")
    top, left = loads["row"].astype(np.int64), loads["column"].astype(np.int64)
    bottom, right = top + loads["rows"], left + loads["columns"]
    # Step whose weights lie in each cell, + 1; 0 nobody's.
    owners = np.zeros((int(bottom.max(initial=0)), int(right.max(initial=0))), np.int32)
    gates: Gates = {}
    for plane in np.split(order, np.flatnonzero(np.diff(planes[order])) + 1):
        if len(np.unique(step[plane])) < 2:
            continue
        for load in plane.tolist():
            cells = owners[top[load] : bottom[load], left[load] : right[load]]
            own, macro = int(step[load]), int(loads["macro"][load])
            for owner in np.unique(cells).tolist():
                if owner not in (0, own + 1):
                    gates.setdefault((own, macro), []).append((owner - 1, macro))
            cells[...] = own + 1
        for load in plane.tolist():
            owners[top[load] : bottom[load], left[load] : right[load]] = 0
    return {own: sorted(set(before)) for own, before in gates.items()}


def _digital_work(program: Program, number: int, step: DigitalOp) -> StepWork:
    operands = [value for value in step.inputs if isinstance(value, int)]
    result = program.tensors[step.output].shape
    shapes = [
        program.constants[value].shape if isinstance(value, str) else (-1, *program.tensors[value].shape)
        for value in step.inputs
    ]
    operations = operations_per_image(step.op, step.attributes, shapes, result)
    divisible = len(result) == 3 and _by_rows(program, step)
    reads = tuple(_digital_reads(program, step, tensor, divisible) for tensor in operands)
    height, width = result[1:] if divisible else (1, 1)
    return StepWork(number, step, divisible, height, width, reads, (step.output,), operations)


def _by_rows(program: Program, step: DigitalOp) -> bool:
    """Whether a range of result rows can be computed from ranges of operand rows."""
    if step.op in POOLS:
        return _pools_by_rows(program, step)
    if step.op not in ELEMENTWISE:
        return False
    constants = [program.constants[value].shape for value in step.inputs if isinstance(value, str)]
    tensors = [program.tensors[value].shape for value in step.inputs if isinstance(value, int)]
    if step.op not in _BY_CHANNEL and any(len(shape) >= 2 and shape[-2] > 1 for shape in constants):
        return False
    return all(len(shape) == 3 for shape in tensors)


def _pools_by_rows(program: Program, step: DigitalOp) -> bool:
    """Whether every window holds a row of the map, and padding is what the attributes say."""
    operand = step.inputs[0]
    if not isinstance(operand, int):
        return False
    attributes: dict[str, Any] = complete_attributes(step.op, step.attributes)
    reach = (attributes["kernel"][0] - 1) * attributes["dilations"][0] + 1
    last = (program.tensors[step.output].shape[1] - 1) * attributes["strides"][0] - attributes["pads"][0]
    inside = max(attributes["pads"][0], attributes["pads"][2]) < reach and last < program.tensors[operand].shape[1]
    return inside and not (step.op == "avg_pool" and attributes["ceil_mode"])


def _digital_reads(program: Program, step: DigitalOp, tensor: int, divisible: bool) -> RowReads:
    height = map_height(program, tensor)
    if not divisible:
        return RowReads(tensor, height, whole=True)
    if step.op in POOLS:
        attributes: dict[str, Any] = complete_attributes(step.op, step.attributes)
        kernel, strides, dilations, pads = (attributes[name] for name in ("kernel", "strides", "dilations", "pads"))
        return RowReads(tensor, height, size=kernel[0], stride=strides[0], dilation=dilations[0], pad=pads[0])
    # An operand of one row is repeated for every row of the result.
    broadcast = height == 1 and program.tensors[step.output].shape[1] > 1
    return RowReads(tensor, height, whole=broadcast)
