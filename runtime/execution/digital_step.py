"""Runs one operation of the digital unit on a few images at a time, on all cores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from imcflow.runtime.digital import run_operation
from imcflow.runtime.digital.registry import MOVES_ONLY, ONE_PASS, Array, Call
from imcflow.runtime.execution.blocks import BlockPool

BYTES_WORTH_A_WORKER = 1 << 22  # of operands and result: less is done before another thread has begun
PART_BYTES = 1 << 20  # operands and result of one part: a few temporaries of this size stay in the cache


def run_in_parts(op: str, call: Call, batched: Sequence[bool], pool: BlockPool) -> Array:
    """Compute an operation; every operation works image by image, so the parts do not change the result.

    Args:
        op: mnemonic.
        call: the operation on all images.
        batched: per operand, whether axis 0 is the batch.
        pool: the workers.
    """
    images = call.shape[0]
    image_bytes = prod(call.shape[1:]) * call.dtype.itemsize
    image_bytes += sum(
        operand[:1].nbytes for operand, has_batch in zip(call.operands, batched, strict=True) if has_batch
    )
    per_part = max(1, PART_BYTES // max(1, image_bytes))
    if images * image_bytes > BYTES_WORTH_A_WORKER:
        per_part = min(per_part, -(-images // pool.threads))
    elif op in ONE_PASS:
        per_part = images
    if op in MOVES_ONLY or (per_part >= images and pool.watch is None):
        return run_operation(op, call)
    result = np.empty(call.shape, call.dtype)

    def run(first: int, last: int) -> None:
        operands = [
            operand[first:last] if has_batch else operand
            for operand, has_batch in zip(call.operands, batched, strict=True)
        ]
        result[first:last] = run_operation(op, replace(call, operands=operands, shape=(last - first, *call.shape[1:])))

    pool.run(images, per_part, [run] * pool.threads, f"numpy {op}")
    return result
