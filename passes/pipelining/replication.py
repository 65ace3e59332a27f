"""How many copies of every layer: smallest initiation interval under a budget, fewest crossbars for a rate.

    crossbars(II) = sum over layers of x_l ceil(steps_l / floor(II / t_l))    non-increasing in II    (sheet 2.1)

so a binary search over II is exact: every layer needs at least that many copies, independently of the others. With
patches the summand becomes the least over the layer's patches, and the argument still holds. No allocation of N
crossbars is faster than the total work allows: II >= sum_l x_l steps_l t_l / N.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from imcflow.passes.pipelining.crossbars import PIXEL, Crossbar, Patch, stage_blocks, steps, useful_patches
from imcflow.passes.pipelining.layers import Network, PipelineError


@dataclass(frozen=True, slots=True)
class Replication:
    """Copies of every stage of a network.

    Args:
        network: the stages; the input counts no crossbars.
        crossbar: what holds the weights.
        patches: per stage, output pixels of one step.
        copies: per stage, how many work side by side.
        step_ticks: duration of a step.
    """

    network: Network
    crossbar: Crossbar
    patches: tuple[Patch, ...]
    copies: tuple[int, ...]
    step_ticks: int = 1

    @property
    def per_copy(self) -> tuple[int, ...]:
        """Crossbars of one copy, by stage."""
        pairs = zip(self.network.stages, self.patches, strict=True)
        return tuple(stage_blocks(stage, self.crossbar, patch).crossbars for stage, patch in pairs)

    @property
    def crossbars(self) -> int:
        """All of them."""
        return sum(x * d for x, d in zip(self.per_copy, self.copies, strict=True))

    @property
    def busy_ticks(self) -> tuple[int, ...]:
        """Ticks that each stage needs for one image, ceil(steps / d) t; 0 for the input."""
        triples = zip(self.network.stages, self.patches, self.copies, strict=True)
        busy = [math.ceil(steps(stage, patch) / d) * self.step_ticks for stage, patch, d in triples]
        return (0, *busy[1:])

    @property
    def interval_ticks(self) -> int:
        """Initiation interval of the layers when every image starts on the first copy."""
        return max(self.busy_ticks)

    @property
    def streamed_interval_ticks(self) -> float:
        """The same when copies take turns across image borders: max_l steps_l t / d_l, without rounding up."""
        triples = list(zip(self.network.stages, self.patches, self.copies, strict=True))[1:]
        return max(steps(stage, patch) * self.step_ticks / d for stage, patch, d in triples)

    @property
    def utilisation(self) -> float:
        """Part of the devices that hold a weight, 0 to 1."""
        held = 0
        for stage, patch, d in zip(self.network.stages, self.patches, self.copies, strict=True):
            held += d * stage.inputs * stage.taps[0] * stage.taps[1] * stage.channels * patch[0] * patch[1]
        return held * self.crossbar.slices / (self.crossbars * self.crossbar.rows * self.crossbar.columns)


def single_copies(network: Network, crossbar: Crossbar, step_ticks: int = 1) -> Replication:
    """One copy of every stage, one pixel per step."""
    count = len(network.stages)
    return Replication(network, crossbar, (PIXEL,) * count, (1,) * count, step_ticks)


def replicate_for_interval(
    network: Network, crossbar: Crossbar, interval_ticks: int, *, step_ticks: int = 1, patches: bool = False
) -> Replication:
    """The fewest crossbars with which every stage finishes an image within an interval.

    Args:
        network: the stages.
        crossbar: what holds the weights.
        interval_ticks: the wanted initiation interval.
        step_ticks: duration of one step of a crossbar.
        patches: whether a step may compute several output pixels from shifted kernels in the same crossbars.

    Raises:
        PipelineError: the interval is shorter than one step.
    """
    rounds = interval_ticks // step_ticks
    if rounds < 1:
        raise PipelineError(f"interval of {interval_ticks} ticks: shorter than one step of {step_ticks}")
    chosen: list[Patch] = [PIXEL]
    copies = [1]
    for stage in network.stages[1:]:
        options = useful_patches(stage, crossbar) if patches else (PIXEL,)
        best = min(
            options,
            key=lambda patch: _cost(stage_blocks(stage, crossbar, patch).crossbars, steps(stage, patch), rounds),
        )
        chosen.append(best)
        copies.append(math.ceil(steps(stage, best) / rounds))
    return Replication(network, crossbar, tuple(chosen), tuple(copies), step_ticks)


def _cost(crossbars: int, count: int, rounds: int) -> tuple[int, int]:
    copies = math.ceil(count / rounds)
    return crossbars * copies, math.ceil(count / copies)


def replicate_for_budget(
    network: Network, crossbar: Crossbar, budget: int, *, step_ticks: int = 1, patches: bool = False
) -> Replication:
    """The smallest initiation interval that a number of crossbars allows, and the fewest crossbars that reach it.

    Args:
        network: the stages.
        crossbar: what holds the weights.
        budget: N, crossbars at hand.
        step_ticks: duration of one step of a crossbar.
        patches: as in `replicate_for_interval`.

    Raises:
        PipelineError: not even one copy of every stage fits.
    """
    high = max(stage.pixels for stage in network.stages[1:])
    slowest = replicate_for_interval(network, crossbar, high * step_ticks, step_ticks=step_ticks, patches=patches)
    if slowest.crossbars > budget:
        raise PipelineError(f"network '{network.name}' needs {slowest.crossbars} crossbars, {budget} are there")
    low = 1
    while low < high:
        middle = (low + high) // 2
        plan = replicate_for_interval(network, crossbar, middle * step_ticks, step_ticks=step_ticks, patches=patches)
        low, high = (low, middle) if plan.crossbars <= budget else (middle + 1, high)
    return replicate_for_interval(network, crossbar, high * step_ticks, step_ticks=step_ticks, patches=patches)


def work_bound(
    network: Network, crossbar: Crossbar, budget: int, *, step_ticks: int = 1, patches: bool = False
) -> float:
    """Ticks per image below which no allocation of `budget` crossbars can go: total work over crossbars."""
    work = 0
    for stage in network.stages[1:]:
        options = useful_patches(stage, crossbar) if patches else (PIXEL,)
        work += min(stage_blocks(stage, crossbar, patch).crossbars * steps(stage, patch) for patch in options)
    return work * step_ticks / budget
