"""Bytes of the packed attributes: a header of int32 numbers, then the columns, little endian, without padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.dialect.add_sub_program import FORMAT_VERSION, AddSubProgram, Bounds
from imcflow.dialect.placement import Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PROGRAM_HEADER = 7
_PLACEMENT_HEADER = 5
_LARGEST_COUNT = 1 << 28


class _Reader:
    """Takes one column after the other from a byte string."""

    def __init__(self, data: bytes, header: int) -> None:
        self._data = data
        self._at = 0
        self.header = [int(number) for number in self.take("<i4", header)]
        if self.header[0] != FORMAT_VERSION:
            raise ValueError(f"version {self.header[0]} is unknown, expected {FORMAT_VERSION}")
        if min(self.header) < 0 or max(self.header) > _LARGEST_COUNT:
            raise ValueError(f"a count of the header {self.header} is outside 0 ... {_LARGEST_COUNT}")

    def take(self, dtype: str, count: int) -> NDArray[Any]:
        size = np.dtype(dtype).itemsize * count
        if self._at + size > len(self._data):
            raise ValueError(f"the table ends after {len(self._data)} bytes, {self._at + size} are needed")
        column = np.frombuffer(self._data, dtype=dtype, count=count, offset=self._at).copy()
        self._at += size
        return column

    def end(self) -> None:
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at} bytes too many")


def _pack(header: list[int], columns: list[tuple[str, NDArray[Any]]]) -> bytes:
    parts = [np.array(header, dtype="<i4").tobytes()]
    parts += [np.ascontiguousarray(column, dtype=dtype).tobytes() for dtype, column in columns]
    return b"".join(parts)


def pack_program(program: AddSubProgram) -> bytes:
    """Return the bytes of a program."""
    columns: list[tuple[str, NDArray[Any]]] = [
        ("<i4", program.lhs),
        ("<i4", program.rhs),
        ("u1", program.lhs_shift),
        ("u1", program.rhs_shift),
        ("u1", program.subtract),
        ("<i4", program.accumulate_output),
        ("<i4", program.accumulate_value),
        ("u1", program.accumulate_shift),
        ("u1", program.accumulate_subtract),
        ("<i8", program.bias),
        ("<i4", program.slice_inputs),
        ("<i4", program.slice_operations),
        ("<i4", program.slice_accumulations),
    ]
    for bounds in (program.values, program.outputs):
        if bounds is not None:
            columns += [("<i8", bounds.low), ("<i8", bounds.high)]
    if program.lift is not None:
        columns.append(("u1", program.lift))
    header = [
        FORMAT_VERSION,
        program.input_count,
        program.output_count,
        program.operation_count,
        program.accumulation_count,
        program.slice_count,
        (program.values is not None) + 2 * (program.outputs is not None) + 4 * (program.lift is not None),
    ]
    return _pack(header, columns)


def unpack_program(data: bytes) -> AddSubProgram:
    """Return the program of `pack_program`.

    Raises:
        ValueError: the bytes are no table of this version.
    """
    reader = _Reader(data, _PROGRAM_HEADER)
    _, inputs, outputs, operations, accumulations, slices, bounds = reader.header
    if bounds > 7:
        raise ValueError(f"bounds marker {bounds} is outside 0 ... 7")
    columns: dict[str, Any] = {
        name: reader.take(dtype, count)
        for name, dtype, count in (
            ("lhs", "<i4", operations),
            ("rhs", "<i4", operations),
            ("lhs_shift", "u1", operations),
            ("rhs_shift", "u1", operations),
            ("subtract", "u1", operations),
            ("accumulate_output", "<i4", accumulations),
            ("accumulate_value", "<i4", accumulations),
            ("accumulate_shift", "u1", accumulations),
            ("accumulate_subtract", "u1", accumulations),
            ("bias", "<i8", outputs),
            ("slice_inputs", "<i4", slices + 1),
            ("slice_operations", "<i4", slices + 1),
            ("slice_accumulations", "<i4", slices + 1),
        )
    }
    for name, present, count in (("values", bounds & 1, inputs + operations), ("outputs", bounds & 2, outputs)):
        columns[name] = Bounds(reader.take("<i8", count), reader.take("<i8", count)) if present else None
    columns["lift"] = reader.take("u1", inputs + operations) if bounds & 4 else None
    reader.end()
    return AddSubProgram(input_count=inputs, output_count=outputs, **columns)


def pack_placement(placement: Placement) -> bytes:
    """Return the bytes of a placement."""
    header = [FORMAT_VERSION, placement.tracks, placement.domains, placement.carry, placement.step_count]
    return _pack(
        header,
        [
            ("u1", placement.kind),
            ("u1", placement.flags),
            ("<i4", placement.index),
            ("<i4", placement.a),
            ("<i4", placement.b),
            ("<i4", placement.r),
        ],
    )


def unpack_placement(data: bytes) -> Placement:
    """Return the placement of `pack_placement`.

    Raises:
        ValueError: the bytes are no table of this version.
    """
    reader = _Reader(data, _PLACEMENT_HEADER)
    _, tracks, domains, carry, steps = reader.header
    kind, flags = reader.take("u1", steps), reader.take("u1", steps)
    index, a, b, r = (reader.take("<i4", steps) for _ in range(4))
    reader.end()
    return Placement(tracks, domains, carry, kind, flags, index, a, b, r)
