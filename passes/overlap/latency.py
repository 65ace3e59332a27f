"""When a layer ends, given when its tiles are ready (sheet 2.5): in order, per bank, or freely ordered.

All take ready times in ticks and a step time p, and are exact. With e_j = max(r_j, e_{j-1}) + p,

    e_j = (j + 1) p + max over i <= j of (r_i - i p)
"""

from __future__ import annotations

import numpy as np

from imcflow.passes.overlap.nests import Ints


def step_ends(ready: Ints, step_ticks: int) -> Ints:
    """End of every step of a chain that runs its steps in order.

    Args:
        ready: int64[n] or int64[n, m], ready times along axis 0; columns are independent chains.
        step_ticks: p.
    """
    slots = np.arange(len(ready), dtype=np.int64) * step_ticks
    slots = slots.reshape((-1,) + (1,) * (ready.ndim - 1))
    ends = ready - slots
    np.maximum.accumulate(ends, axis=0, out=ends)
    ends += slots
    ends += step_ticks
    return ends


def in_order_end(ready: Ints, step_ticks: int) -> int:
    """End of the last step: max over j of r_j + (n - j) p, over all columns."""
    left = np.arange(len(ready), 0, -1, dtype=np.int64) * step_ticks
    return int((ready + left.reshape((-1,) + (1,) * (ready.ndim - 1))).max())


def free_order_end(ready: Ints, step_ticks: int, banks: int) -> int:
    """C_T: the earliest end of equal tiles on any bank in any order, moves not counted.

    Sort the ready times; C_T = max over i of r_(i) + ceil((N - i) / m) p. Optimal for P | r_j, p_j = p | Cmax.

    Args:
        ready: ready times of all N tiles, any shape.
        step_ticks: p.
        banks: m.
    """
    order = np.sort(ready, axis=None)
    left = -(-np.arange(len(order), 0, -1, dtype=np.int64) // banks)
    return int((order + left * step_ticks).max())


def free_order_bound(ready: Ints, step_ticks: int, banks: int) -> int:
    """A simple lower bound on C_T: max(min ready + ceil(N / m) p, max ready + p)."""
    rounds = -(-ready.size // banks)
    return max(int(ready.min()) + rounds * step_ticks, int(ready.max()) + step_ticks)


def queue_ends(ready: Ints, ticks: Ints) -> Ints:
    """End of every job of a queue with unequal lengths: e_j = max(r_j, e_{j-1}) + t_j.

    Args:
        ready: int64[n] in queue order.
        ticks: int64[n] lengths.
    """
    before = np.cumsum(ticks) - ticks
    return np.maximum.accumulate(ready - before) + before + ticks
