"""Instruction table of a maximum pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.isa import Flag, Opcode, instruction_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.passes.allocation.allocate import ArrayGeometry


def max_pool_instructions(
    channels: int, window: int, bits: int, signed: bool, geometry: ArrayGeometry
) -> NDArray[np.void]:
    """Return the table of a maximum pooling: per channel, load the first element, take the others into it, store.

    The running maximum lies on track 0, the next element on track 1, the two flags on the last two tracks.

    Args:
        channels: of the map.
        window: elements of one window.
        bits, signed: element type.
        geometry: of the array; needs four tracks.
    """
    rows = np.zeros((channels, 2 * window), dtype=instruction_dtype())
    rows["opcode"][:, 0], rows["r_bits"][:, 0] = Opcode.LOAD, bits
    rows["opcode"][:, 1:-1:2], rows["r_bits"][:, 1:-1:2], rows["r"][:, 1:-1:2] = Opcode.LOAD, bits, geometry.domains
    for name, value in (
        ("opcode", Opcode.MAX_INTO),
        ("flags", Flag.R_SIGNED if signed else 0),
        ("a", geometry.domains),
        ("a_bits", bits),
        ("r_bits", bits),
        ("c", (geometry.tracks - 1) * geometry.domains),
        ("b", (geometry.tracks - 2) * geometry.domains),
    ):
        rows[name][:, 2:-1:2] = value
    first = np.arange(channels)[:, None] * window
    rows["imm"][:, 0:1] = first
    rows["imm"][:, 1:-1:2] = first + np.arange(1, window)[None, :]
    rows["opcode"][:, -1], rows["flags"][:, -1] = Opcode.STORE, Flag.A_SIGNED if signed else 0
    rows["a_bits"][:, -1], rows["imm"][:, -1] = bits, np.arange(channels)
    return rows.reshape(-1)
