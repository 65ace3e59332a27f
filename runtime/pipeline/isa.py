"""The instruction set of cores: three nested loops over images, slow and fast axis, and what is done at each pixel.

A stream is a loop, however large the maps are:

    LOOP 0 / LOOP slow / LOOP fast / RECEIVE ... COMPUTE ... WAIT ... SEND ... RELEASE ... / END / END / END
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from imcflow.errors import ProgramError

if TYPE_CHECKING:
    import numpy as np

    CoreTable = np.ndarray[tuple[int], np.dtype[np.void]]
    """Rows of `core_instruction_dtype()`."""

CORE_INSTRUCTION_BYTES = 16
CORE_INSTRUCTION_FIELDS = (("opcode", "<u4"), ("channel", "<u4"), ("step", "<u4"), ("count", "<u4"))


class CoreOpcode(IntEnum):
    """What a core does next."""

    LOOP = 1  # repeat up to the matching END `count` times; 0: once for every image
    END = 2
    RECEIVE = 3  # block until the last pixel under this pixel's window of `channel` has arrived
    COMPUTE = 4  # program step `step` on this pixel
    WAIT = 5  # block until `channel` has a free slot for this pixel
    SEND = 6  # write this pixel into `channel`
    RELEASE = 7  # free the pixels of `channel` that no later window reads


USED_FIELDS: dict[CoreOpcode, tuple[str, ...]] = {
    CoreOpcode.LOOP: ("count",),
    CoreOpcode.END: (),
    CoreOpcode.COMPUTE: ("step",),
    **{opcode: ("channel",) for opcode in (CoreOpcode.RECEIVE, CoreOpcode.WAIT, CoreOpcode.SEND, CoreOpcode.RELEASE)},
}
"""Fields an opcode reads; the others must be 0."""

_BODY = (CoreOpcode.RECEIVE, CoreOpcode.COMPUTE, CoreOpcode.WAIT, CoreOpcode.SEND, CoreOpcode.RELEASE)


def core_instruction_dtype() -> np.dtype[Any]:
    """Return the numpy structured dtype of one row."""
    import numpy as np

    return np.dtype(list(CORE_INSTRUCTION_FIELDS))


@dataclass(frozen=True, slots=True)
class CoreBody:
    """A decoded stream.

    Attributes:
        slow: pixels along the slow axis.
        fast: pixels along the fast axis.
        receives: channels read.
        steps: program steps computed, in order.
        sends: channels written.
    """

    slow: int
    fast: int
    receives: tuple[int, ...]
    steps: tuple[int, ...]
    sends: tuple[int, ...]

    @property
    def pixels(self) -> int:
        """Of one image."""
        return self.slow * self.fast


def encode_stream(body: CoreBody) -> CoreTable:
    """Return the rows of a stream."""
    import numpy as np

    rows: list[tuple[int, int, int, int]] = [
        (CoreOpcode.LOOP, 0, 0, 0),
        (CoreOpcode.LOOP, 0, 0, body.slow),
        (CoreOpcode.LOOP, 0, 0, body.fast),
        *((CoreOpcode.RECEIVE, channel, 0, 0) for channel in body.receives),
        *((CoreOpcode.COMPUTE, 0, step, 0) for step in body.steps),
        *((CoreOpcode.WAIT, channel, 0, 0) for channel in body.sends),
        *((CoreOpcode.SEND, channel, 0, 0) for channel in body.sends),
        *((CoreOpcode.RELEASE, channel, 0, 0) for channel in body.receives),
        *[(CoreOpcode.END, 0, 0, 0)] * 3,
    ]
    return np.array(rows, core_instruction_dtype())


def decode_stream(rows: CoreTable, where: str) -> CoreBody:
    """Return what a stream does.

    A pixel's results wait for their slots before any of them is written, and the pixels it read are freed last; so
    RECEIVE, COMPUTE, WAIT, SEND and RELEASE stand in this order, WAIT and RELEASE for the channels of SEND and RECEIVE.

    Raises:
        ProgramError: names `where`, the instruction and what is wrong with it.
    """
    found: dict[CoreOpcode, list[int]] = {opcode: [] for opcode in CoreOpcode}
    order: list[CoreOpcode] = []
    for number, row in enumerate(rows):
        place = f"{where}: instruction {number}"
        value = int(row["opcode"])
        if value not in USED_FIELDS:
            raise ProgramError(f"{place}: opcode {value} is unknown")
        opcode = CoreOpcode(value)
        for name, _ in CORE_INSTRUCTION_FIELDS[1:]:
            if name not in USED_FIELDS[opcode] and int(row[name]):
                raise ProgramError(f"{place} ({opcode.name}): field {name} must be 0, got {int(row[name])}")
        used = USED_FIELDS[opcode]
        found[opcode].append(int(row[used[0]]) if used else 0)
        order.append(opcode)
    if order != _expected_order(found):
        raise ProgramError(f"{where}: not three loops around RECEIVE, COMPUTE, WAIT, SEND, RELEASE and three ENDs")
    images, slow, fast = found[CoreOpcode.LOOP]
    if images or not slow or not fast:
        raise ProgramError(f"{where}: loops count {images}, {slow}, {fast}; needs 0 for the images, then at least 1")
    for first, second in ((CoreOpcode.SEND, CoreOpcode.WAIT), (CoreOpcode.RECEIVE, CoreOpcode.RELEASE)):
        if found[first] != found[second] or len(set(found[first])) != len(found[first]):
            raise ProgramError(f"{where}: {first.name} and {second.name} must name the same channels, each once")
    if not found[CoreOpcode.SEND]:
        raise ProgramError(f"{where}: sends nothing")
    return CoreBody(
        slow,
        fast,
        tuple(found[CoreOpcode.RECEIVE]),
        tuple(found[CoreOpcode.COMPUTE]),
        tuple(found[CoreOpcode.SEND]),
    )


def _expected_order(found: dict[CoreOpcode, list[int]]) -> list[CoreOpcode]:
    body = [opcode for opcode in _BODY for _ in found[opcode]]
    return [CoreOpcode.LOOP] * 3 + body + [CoreOpcode.END] * 3


def stream_lines(rows: CoreTable) -> Sequence[str]:
    """Return one line of assembler text per row, indented by loops."""
    lines: list[str] = []
    depth = 0
    for row in rows:
        opcode = CoreOpcode(int(row["opcode"]))
        depth -= opcode is CoreOpcode.END
        words = [opcode.name, *(f"{name} {int(row[name])}" for name in USED_FIELDS[opcode])]
        lines.append("  " * depth + " ".join(words))
        depth += opcode is CoreOpcode.LOOP
    return lines
