"""Step tables as bit masks, for the kernels that compare planes with thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StepMasks:
    """Masks of all STORE_STEP rows of a kernel.

    `bytes` is uint8 [step rows, bits + 1, levels], 0 or 255. With T the threshold counted from the least value of the
    word: entry 0 is the result of comparing no bits (255, or 0 for a threshold above every value), entry i + 1 is the
    complement of bit i of T. Missing levels are thresholds that no value reaches.
    """

    bytes: NDArray[np.uint8]

    @property
    def stride(self) -> int:
        """Bytes of one step row."""
        return self.bytes.shape[1] * self.bytes.shape[2]


def step_masks(
    thresholds: NDArray[np.int64], a_bits: NDArray[np.uint8], signed: NDArray[np.bool_], levels: int
) -> StepMasks:
    """Build the masks.

    Args:
        thresholds: [step rows, at most `levels`], ascending.
        a_bits: [step rows] width of the word compared.
        signed: [step rows] whether it is two's complement.
        levels: thresholds per row that the kernel compares.
    """
    rows, given = thresholds.shape
    bits = a_bits.astype(np.int64)
    least = np.where(signed, -(np.int64(1) << (bits - 1)), 0)[:, None]
    greatest = least + (np.int64(1) << bits)[:, None] - 1
    # Clipping first keeps the difference inside int64; widths have at most 62 bits.
    from_least = np.clip(thresholds, least, greatest) - least
    reachable = np.zeros((rows, levels), np.bool_)
    reachable[:, :given] = thresholds <= greatest
    numbers = np.zeros((rows, levels), np.int64)
    numbers[:, :given] = from_least
    positions = np.arange(int(bits.max(initial=1)), dtype=np.int64)
    ones = (numbers[:, None, :] >> positions[None, :, None] & 1).astype(np.bool_)
    ones |= ~reachable[:, None, :]  # nothing becomes true where every bit of T is 1
    masks = np.concatenate([reachable[:, None, :], ~ones], axis=1)
    return StepMasks(np.ascontiguousarray(masks).view(np.uint8) * np.uint8(255))
