"""The limits of a program file (`docs/instruction-stream.md` section 7), checked before anything is allocated."""

from __future__ import annotations

# The file.
MAX_FILE_BYTES = 1 << 33
MAX_FILE_HEADER_BYTES = 1 << 24
MAX_FILE_TENSORS = 1 << 20
MAX_PROGRAM_HEADER_BYTES = 1 << 26

# Values of the header.
MAX_NAME_CHARACTERS = 1 << 12
MAX_TEXT_CHARACTERS = 1 << 24
MAX_LIST_ITEMS = 1 << 20
INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

# Buffers and steps of a program.
MAX_TENSORS = 1 << 16
MAX_STEPS = 1 << 16
MAX_PORTS_PER_KERNEL = 256
MAX_AXES = 8
MAX_ELEMENTS = 1 << 26
"""Elements of one buffer and image, and of one padded window input."""

# Kernels.
MAX_GEOMETRY = 1 << 16
"""Rows of an array, tracks of a row, domains of a track, sizes of windows."""
MAX_CELLS = 1 << 26
MAX_INSTRUCTIONS = 1 << 27
MAX_TABLE_ENTRIES = 1 << 26
MAX_OPERAND_BITS = 32
"""Bits of a weight or an activation of a crossbar macro."""
MAX_TILE_INSTRUCTIONS = 1 << 20
MAX_LANE_SUMS = 1 << 20
"""Ranges of lanes that a crossbar kernel tells apart, times its output channels."""
