"""Everything that decides when a pipeline's steps happen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

from imcflow.passes.pipelining.crossbars import PIXEL, Patch, steps
from imcflow.passes.pipelining.layers import Network, PipelineError
from imcflow.passes.pipelining.replication import Replication
from imcflow.passes.pipelining.windows import EdgeTables, edge_tables
from imcflow.runtime.pipeline.dataflow import Handshake

EdgeKey = tuple[int, int]
"""Consumer stage and position among its edges."""


class WriteRule(Enum):
    """When a ring slot must be free: when the producer's step ends, or already when it starts."""

    AT_END = "at end"
    BEFORE_START = "before start"


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """A network with copies, buffers and input rate.

    Args:
        network: the stages.
        patches: per stage, output pixels per step.
        copies: per stage, copies that work side by side; they take successive steps in turn, images included.
        step_ticks: per stage, duration of a step.
        input_rate: pixels of the input that arrive per tick; None: every image is there from the start.
        handshake: granularity of reading and releasing.
        lock_step: whether the copies of a stage start together, when the last of them is ready.
        link_ticks: from the end of a producer's step to its visibility, by edge; 0 where missing.
        capacities: ring slots, in producer steps, by edge; unbounded where missing.
        write_rule: when a slot must be free.

    Raises:
        PipelineError: a stage with a number of copies or ticks below 1, or a buffer without slots.
    """

    network: Network
    patches: tuple[Patch, ...]
    copies: tuple[int, ...]
    step_ticks: tuple[int, ...]
    input_rate: int | None = 1
    handshake: Handshake = Handshake.PIXEL
    lock_step: bool = False
    link_ticks: dict[EdgeKey, int] = field(default_factory=dict[EdgeKey, int])
    capacities: dict[EdgeKey, int] = field(default_factory=dict[EdgeKey, int])
    write_rule: WriteRule = WriteRule.AT_END

    def __post_init__(self) -> None:
        for stage, copies, ticks in zip(self.network.stages, self.copies, self.step_ticks, strict=True):
            if copies < 1 or ticks < 1:
                raise PipelineError(f"stage '{stage.name}': {copies} copies of {ticks} ticks, needs at least 1 of each")
        if self.input_rate is not None and self.input_rate < 1:
            raise PipelineError(f"input rate is {self.input_rate} pixels per tick, needs at least 1")
        for (consumer, position), slots in self.capacities.items():
            if slots < 1:
                name = self.network.stages[consumer].name
                raise PipelineError(f"stage '{name}': buffer {position} has {slots} slots, needs at least 1")

    def edges(self) -> list[EdgeKey]:
        """All edges, in the order of their consumers."""
        return [(index, at) for index, stage in enumerate(self.network.stages) for at in range(len(stage.edges))]

    def producer(self, key: EdgeKey) -> int:
        """The stage that writes an edge."""
        return self.network.stages[key[0]].edges[key[1]].producer

    def tables(self, key: EdgeKey) -> EdgeTables:
        """Dependences of an edge within one image."""
        consumer, producer = key[0], self.producer(key)
        stages = self.network.stages
        pair = (self.patches[producer], self.patches[consumer])
        return edge_tables(stages[producer], stages[consumer], stages[consumer].edges[key[1]], pair, self.handshake)

    def stage_steps(self, stage: int) -> int:
        """Steps of a stage per image."""
        return steps(self.network.stages[stage], self.patches[stage])

    def with_capacities(self, capacities: dict[EdgeKey, int]) -> PipelinePlan:
        """The same plan with other buffers."""
        return replace(self, capacities=dict(capacities))


def plan_pipeline(replication: Replication, *, input_rate: int | None = 1) -> PipelinePlan:
    """A plan with unbounded buffers for a replicated network."""
    network = replication.network
    count = len(network.stages)
    copies = (input_rate or 1, *replication.copies[1:])
    ticks = (1, *[replication.step_ticks] * (count - 1))
    return PipelinePlan(network, replication.patches, copies, ticks, input_rate)


def simple_plan(network: Network, *, input_rate: int | None = 1) -> PipelinePlan:
    """One copy and one tick for every stage, unbounded buffers."""
    count = len(network.stages)
    return PipelinePlan(network, (PIXEL,) * count, (input_rate or 1, *[1] * (count - 1)), (1,) * count, input_rate)
