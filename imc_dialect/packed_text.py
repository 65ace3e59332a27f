"""Readable lines of the packed attributes, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import FORMAT_VERSION, AddSubProgram, Bounds
from imcflow.dialect.placement import NO_CELL, Placement, StepFlag, StepKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEADER = re.compile(r"version (\d+) inputs (\d+) outputs (\d+)")
_TERM = r"\(?([xv])(\d+)(?: << (\d+)\))?"
_OPERATION = re.compile(rf"v(\d+) = {_TERM} ([+-]) {_TERM}")
_ACCUMULATION = re.compile(rf"y(\d+) ([+-])= {_TERM}")
_SLICE = re.compile(r"slice (\d+)")
_BIAS = re.compile(r"y(\d+) = (-?\d+)")
_LIFT = re.compile(r"([xv])(\d+) \+= (\d+)")
_INTERVAL = re.compile(r"([xvy])(\d+) in (-?\d+) \.\. (-?\d+)")
_PLACED_HEADER = re.compile(r"version (\d+) tracks (\d+) domains (\d+) carry (\d+)")
_FLAG_NAMES = {"zero": StepFlag.RESULT_IS_ZERO, "negated": StepFlag.NEGATED, "swapped": StepFlag.SWAPPED}


def program_lines(program: AddSubProgram) -> list[str]:
    """Return the lines of a program: header, biases, slices with their operations and accumulations, intervals."""
    inputs = program.input_count

    def term(value: int, shift: int) -> str:
        name = f"x{value}" if value < inputs else f"v{value - inputs}"
        return f"({name} << {shift})" if shift else name

    lines = [f"version {FORMAT_VERSION} inputs {inputs} outputs {program.output_count}"]
    lines += [f"y{output} = {bias}" for output, bias in enumerate(program.bias.tolist()) if bias]
    for number in range(program.slice_count):
        lines.append(f"slice {program.slice_inputs[number + 1] - program.slice_inputs[number]}")
        for row in range(program.slice_operations[number], program.slice_operations[number + 1]):
            sign = "-" if program.subtract[row] else "+"
            left = term(int(program.lhs[row]), int(program.lhs_shift[row]))
            right = term(int(program.rhs[row]), int(program.rhs_shift[row]))
            lines.append(f"v{row} = {left} {sign} {right}")
        for row in range(program.slice_accumulations[number], program.slice_accumulations[number + 1]):
            sign = "-" if program.accumulate_subtract[row] else "+"
            value = term(int(program.accumulate_value[row]), int(program.accumulate_shift[row]))
            lines.append(f"y{program.accumulate_output[row]} {sign}= {value}")
    if program.lift is not None:
        lines += [f"{term(value, 0)} += {lift}" for value, lift in enumerate(program.lifts.tolist()) if lift]
    for bounds, first, letter in (
        (program.values, 0, "x"),
        (program.values, inputs, "v"),
        (program.outputs, 0, "y"),
    ):
        if bounds is None:
            continue
        stop = inputs if letter == "x" else len(bounds.low)
        lines += [f"{letter}{i - first} in {bounds.low[i]} .. {bounds.high[i]}" for i in range(first, stop)]
    return lines


@dataclass
class _ProgramRows:
    """Rows collected from lines; the first column of an interval is the value or output number."""

    inputs: int
    outputs: int
    operations: list[tuple[int, int, int, int, int]] = field(default_factory=list[tuple[int, int, int, int, int]])
    accumulations: list[tuple[int, int, int, int]] = field(default_factory=list[tuple[int, int, int, int]])
    bias: dict[int, int] = field(default_factory=dict[int, int])
    slice_inputs: list[int] = field(default_factory=lambda: [0])
    slice_operations: list[int] = field(default_factory=list[int])
    slice_accumulations: list[int] = field(default_factory=list[int])
    lifts: dict[int, int] = field(default_factory=dict[int, int])
    value_intervals: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    output_intervals: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])

    def value(self, letter: str, number: str) -> int:
        return int(number) + (self.inputs if letter == "v" else 0)

    def read(self, line: str) -> bool:
        """Take one line; return whether it was understood."""
        if match := _SLICE.fullmatch(line):
            self.slice_inputs.append(self.slice_inputs[-1] + int(match[1]))
            self.slice_operations.append(len(self.operations))
            self.slice_accumulations.append(len(self.accumulations))
        elif match := _OPERATION.fullmatch(line):
            number, left, left_number, left_shift, sign, right, right_number, right_shift = match.groups()
            if int(number) != len(self.operations):
                return False
            values = self.value(left, left_number), self.value(right, right_number)
            self.operations.append((*values, int(left_shift or 0), int(right_shift or 0), int(sign == "-")))
        elif match := _ACCUMULATION.fullmatch(line):
            output, sign, letter, number, shift = match.groups()
            self.accumulations.append((int(output), self.value(letter, number), int(shift or 0), int(sign == "-")))
        elif match := _BIAS.fullmatch(line):
            self.bias[int(match[1])] = int(match[2])
        elif match := _LIFT.fullmatch(line):
            if int(match[3]).bit_count() != 1:
                return False
            self.lifts[self.value(match[1], match[2])] = int(match[3]).bit_length()
        elif match := _INTERVAL.fullmatch(line):
            interval = int(match[3]), int(match[4])
            if match[1] == "y":
                self.output_intervals[int(match[2])] = interval
            else:
                self.value_intervals[self.value(match[1], match[2])] = interval
        else:
            return False
        return True


def program_from_lines(lines: Sequence[str]) -> AddSubProgram:
    """Return the program of `program_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    header = _HEADER.fullmatch(lines[0]) if lines else None
    if header is None or int(header[1]) != FORMAT_VERSION:
        raise ValueError(f"the first line must be 'version {FORMAT_VERSION} inputs K outputs M'")
    rows = _ProgramRows(int(header[2]), int(header[3]))
    for line in lines[1:]:
        if not rows.read(line):
            raise ValueError(f"line '{line}' is not understood")
    if not rows.slice_operations:
        raise ValueError("a program has at least one slice")
    outside = [output for output in rows.bias if output >= rows.outputs]
    if outside:
        raise ValueError(f"bias of output {outside[0]}, but there are {rows.outputs}")
    unknown = [value for value in rows.lifts if value >= rows.inputs + len(rows.operations)]
    if unknown:
        raise ValueError(f"lift of value {unknown[0]}, but there are {rows.inputs + len(rows.operations)}")
    lift = np.zeros(rows.inputs + len(rows.operations), dtype=np.uint8)
    lift[list(rows.lifts.keys())] = list(rows.lifts.values())
    operations = np.array(rows.operations, dtype=np.int64).reshape(-1, 5)
    accumulations = np.array(rows.accumulations, dtype=np.int64).reshape(-1, 4)
    bias = np.zeros(rows.outputs, dtype=np.int64)
    bias[list(rows.bias.keys())] = list(rows.bias.values())
    return AddSubProgram(
        input_count=rows.inputs,
        output_count=rows.outputs,
        lhs=operations[:, 0].astype(np.int32),
        rhs=operations[:, 1].astype(np.int32),
        lhs_shift=operations[:, 2].astype(np.uint8),
        rhs_shift=operations[:, 3].astype(np.uint8),
        subtract=operations[:, 4].astype(np.uint8),
        accumulate_output=accumulations[:, 0].astype(np.int32),
        accumulate_value=accumulations[:, 1].astype(np.int32),
        accumulate_shift=accumulations[:, 2].astype(np.uint8),
        accumulate_subtract=accumulations[:, 3].astype(np.uint8),
        bias=bias,
        slice_inputs=np.array(rows.slice_inputs, dtype=np.int32),
        slice_operations=np.array([*rows.slice_operations, len(operations)], dtype=np.int32),
        slice_accumulations=np.array([*rows.slice_accumulations, len(accumulations)], dtype=np.int32),
        values=_bounds(rows.value_intervals, rows.inputs + len(operations), "values"),
        outputs=_bounds(rows.output_intervals, rows.outputs, "outputs"),
        lift=lift if rows.lifts else None,
    )


def _bounds(intervals: dict[int, tuple[int, int]], count: int, what: str) -> Bounds | None:
    if not intervals:
        return None
    if sorted(intervals) != list(range(count)):
        raise ValueError(f"intervals are given for {len(intervals)} of {count} {what}")
    ordered = np.array([intervals[number] for number in range(count)], dtype=np.int64)
    return Bounds(ordered[:, 0].copy(), ordered[:, 1].copy())


def placement_lines(placement: Placement) -> list[str]:
    """Return the lines of a placement: header, then one step per line."""
    lines = [f"version {FORMAT_VERSION} tracks {placement.tracks} domains {placement.domains} carry {placement.carry}"]
    for step in range(placement.step_count):
        words = [StepKind(int(placement.kind[step])).name.lower(), str(placement.index[step])]
        for name, column in (("a", placement.a), ("b", placement.b), ("r", placement.r)):
            if column[step] != NO_CELL:
                words += [name, str(column[step])]
        words += [name for name, flag in _FLAG_NAMES.items() if placement.flags[step] & flag]
        lines.append(" ".join(words))
    return lines


def placement_from_lines(lines: Sequence[str]) -> Placement:
    """Return the placement of `placement_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    header = _PLACED_HEADER.fullmatch(lines[0]) if lines else None
    if header is None or int(header[1]) != FORMAT_VERSION:
        raise ValueError(f"the first line must be 'version {FORMAT_VERSION} tracks T domains D carry C'")
    steps = np.array([_placed_step(line) for line in lines[1:]], dtype=np.int64).reshape(-1, 6)
    columns: list[NDArray[np.int32]] = [steps[:, column].astype(np.int32) for column in range(2, 6)]
    return Placement(
        int(header[2]),
        int(header[3]),
        int(header[4]),
        steps[:, 0].astype(np.uint8),
        steps[:, 1].astype(np.uint8),
        *columns,
    )


def _placed_step(line: str) -> tuple[int, int, int, int, int, int]:
    words = line.split()
    flags = 0
    while words and words[-1] in _FLAG_NAMES:
        flags |= _FLAG_NAMES[words.pop()]
    names = {kind.name.lower(): kind for kind in StepKind}
    cells = dict(zip(words[2::2], words[3::2], strict=False))
    well_formed = len(words) >= 2 and len(words) % 2 == 0 and words[0] in names and cells.keys() <= {"a", "b", "r"}
    if not well_formed or not all(word.isdigit() for word in (words[1], *cells.values())):
        raise ValueError(f"line '{line}' is not understood")
    a, b, r = (int(cells.get(name, NO_CELL)) for name in ("a", "b", "r"))
    return names[words[0]], flags, int(words[1]), a, b, r


def instruction_lines(table: NDArray[np.void]) -> list[str]:
    """Return one line per instruction: the opcode and every field that is not 0."""
    from imcflow.runtime.isa import INSTRUCTION_FIELDS, Flag, Opcode

    lines: list[str] = []
    for row in table:
        words = [Opcode(int(row["opcode"])).name]
        for name, _ in INSTRUCTION_FIELDS[2:]:
            if row[name]:
                words += [name, str(int(row[name]))]
        words += [str(flag.name) for flag in Flag if int(row["flags"]) & flag]
        lines.append(" ".join(words))
    return lines


def instructions_from_lines(lines: Sequence[str]) -> NDArray[np.void]:
    """Return the table of `instruction_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    from imcflow.runtime.isa import INSTRUCTION_FIELDS, Flag, Opcode, instruction_dtype

    fields = {name for name, _ in INSTRUCTION_FIELDS[2:]}
    table = np.zeros(len(lines), dtype=instruction_dtype())
    for row, line in zip(table, lines, strict=True):
        opcode, *words = line.split()
        if opcode not in Opcode.__members__:
            raise ValueError(f"line '{line}': unknown opcode {opcode}")
        row["opcode"] = Opcode[opcode]
        while words and words[-1] in Flag.__members__:
            row["flags"] |= Flag[words.pop()]
        if len(words) % 2:
            raise ValueError(f"line '{line}': fields and values do not pair up")
        for name, value in zip(words[::2], words[1::2], strict=True):
            if name not in fields:
                raise ValueError(f"line '{line}': unknown field {name}")
            try:
                row[name] = int(value)
            except (ValueError, OverflowError) as error:
                raise ValueError(f"line '{line}': {name} {value} is out of range") from error
    return table
