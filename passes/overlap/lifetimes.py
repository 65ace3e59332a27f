"""How long buffers live and how much memory they take together (sheet 2.6).

A tensor is allocated from the start of the first tile that writes it to the end of the last tile that reads it, so a
skip connection holds its tensor while the main branch runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.overlap.nests import Ints

if TYPE_CHECKING:
    from imcflow.passes.overlap.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """When the output of each layer is in memory.

    Args:
        birth: start of the first tile that writes it, int64[layers], in ticks.
        death: end of the last tile that reads it, int64[layers]; the end of the network for its outputs.
        size_bytes: int64[layers].
    """

    birth: Ints
    death: Ints
    size_bytes: Ints

    @property
    def peak_bytes(self) -> int:
        """Most bytes in memory at the same time."""
        return int(self.profile()[1].max())

    def profile(self) -> tuple[Ints, Ints]:
        """Times at which the memory in use changes, and what is in use from then on, in bytes."""
        times = np.concatenate([self.birth, self.death])
        changes = np.concatenate([self.size_bytes, -self.size_bytes])
        moments, place = np.unique(times, return_inverse=True)
        totals = np.zeros(len(moments), dtype=np.int64)
        np.add.at(totals, place, changes)
        return moments, np.cumsum(totals)


def lifetimes(schedule: Schedule, bits_per_element: int = 8) -> Lifetimes:
    """Lifetimes of all layer outputs of a schedule.

    Args:
        schedule: the network in time.
        bits_per_element: width of an activation in memory.
    """
    graph, runs = schedule.graph, schedule.runs
    birth = np.array([run.first_start for run in runs], dtype=np.int64)
    death = np.zeros(len(runs), dtype=np.int64)
    for index, layer in enumerate(graph.layers):
        last = int(runs[index].start.max()) + schedule.mappings[index].step_ticks
        for edge in layer.edges:
            death[edge.producer] = max(int(death[edge.producer]), last)
    death[death == 0] = schedule.end
    size = np.array([-(-layer.outputs * bits_per_element // 8) for layer in graph.layers], dtype=np.int64)
    return Lifetimes(birth, death, size)
