"""When every step of a pipeline starts and ends, tick by tick.

    start_j = max(start_{j-1}, end_{j-d}, a[need(j)] + t_link)      end_j = start_j + t       (sheet 2.2)

With bounded rings a step's result also waits for its slot (sheet 2.3): end_j >= end of the last reader of step j - B,
and the copy is held until then. These times are the least solution of a system of maxima and sums, so they do not
depend on the order of evaluation. Without bounds all steps of a stage are computed at once; if the bounds hold for
these times, they are the answer, else the steps are replayed one after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imcflow.passes.pipelining.plan import EdgeKey, PipelinePlan, WriteRule
from imcflow.passes.pipelining.windows import Ints
from imcflow.runtime.pipeline.deadlock import DeadlockError, Wait, cycle_of_waits


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Times of all steps of a stream of images.

    Args:
        plan: what was replayed.
        images: how many.
        starts: per stage, start tick of every step, image after image.
        ends: per stage, tick at which the step's result is written.
    """

    plan: PipelinePlan
    images: int
    starts: tuple[Ints, ...]
    ends: tuple[Ints, ...]

    @property
    def ticks(self) -> int:
        """End of the last step."""
        return int(max(ends[-1] for ends in self.ends))

    def image_ends(self) -> Ints:
        """Tick at which each image leaves the last stage."""
        return self.ends[-1].reshape(self.images, -1)[:, -1]

    @property
    def latency_ticks(self) -> int:
        """End of the first image."""
        return int(self.image_ends()[0])

    @property
    def interval_ticks(self) -> float:
        """Mean distance of the ends of successive images; the latency if there is only one."""
        ends = self.image_ends()
        return float(ends[-1] - ends[0]) / (self.images - 1) if self.images > 1 else float(ends[0])


def replay(plan: PipelinePlan, images: int = 1) -> Replay:
    """Start and end of every step.

    Args:
        plan: network, copies, buffers, input.
        images: length of the stream.

    Raises:
        DeadlockError: steps wait for each other; the message names the cycle.
    """
    free = replay_unbounded(plan, images)
    if all(_capacity_holds(free, key, slots) for key, slots in plan.capacities.items()):
        return free
    return replay_bounded(plan, images)


def replay_unbounded(plan: PipelinePlan, images: int = 1) -> Replay:
    """The earliest times, as if every buffer were large enough."""
    starts: list[Ints] = []
    ends: list[Ints] = []
    for index, stage in enumerate(plan.network.stages):
        count = plan.stage_steps(index) * images
        copies, ticks = plan.copies[index], plan.step_ticks[index]
        if index == 0 and plan.input_rate is None:
            starts.append(np.zeros(count, dtype=np.int64))
            ends.append(np.zeros(count, dtype=np.int64))
            continue
        ready: Ints = np.zeros(count, dtype=np.int64)
        for position in range(len(stage.edges)):
            key = (index, position)
            np.maximum(ready, ends[plan.producer(key)][_needs(plan, key, images)] + _link(plan, key), out=ready)
        starts.append(_in_turn(ready, copies, ticks))
        ends.append(starts[-1] + ticks)
    return Replay(plan, images, tuple(starts), tuple(ends))


def _in_turn(ready: Ints, copies: int, ticks: int) -> Ints:
    """start_j = max(ready_j, start_{j-d} + t) for a ready time that never falls; issue is in order by itself."""
    count = len(ready)
    rounds = -(-count // copies)
    padded = np.full(rounds * copies, ready[-1], dtype=np.int64)
    padded[:count] = ready
    work = np.arange(rounds, dtype=np.int64)[:, None] * ticks
    return (np.maximum.accumulate(padded.reshape(rounds, copies) - work, axis=0) + work).ravel()[:count]


def _link(plan: PipelinePlan, key: EdgeKey) -> int:
    return plan.link_ticks.get(key, 0)


def _needs(plan: PipelinePlan, key: EdgeKey, images: int) -> Ints:
    """Per consumer step of the stream, the producer step it waits for."""
    need = plan.tables(key).need
    if plan.lock_step:
        copies = plan.copies[key[0]]
        need = need[np.minimum((np.arange(len(need)) // copies + 1) * copies, len(need)) - 1]
    offsets = np.arange(images, dtype=np.int64) * plan.stage_steps(plan.producer(key))
    return (need[None, :] + offsets[:, None]).ravel()


def _frees(plan: PipelinePlan, key: EdgeKey, images: int) -> Ints:
    """Per producer step of the stream, the consumer step whose end frees its slot; -1: free at once."""
    readers = plan.tables(key).last_reader
    offsets = np.arange(images, dtype=np.int64) * plan.stage_steps(key[0])
    stream = np.where(readers[None, :] < 0, -1, readers[None, :] + offsets[:, None]).ravel()
    return np.maximum.accumulate(stream)


def free_times(result: Replay, key: EdgeKey) -> Ints:
    """Per producer step, the tick at which its slot is free again."""
    readers = _frees(result.plan, key, result.images)
    ends = result.ends[key[0]]
    own = result.ends[result.plan.producer(key)]
    return np.maximum(np.where(readers < 0, own, ends[np.maximum(readers, 0)]), own)


def _capacity_holds(result: Replay, key: EdgeKey, slots: int) -> bool:
    producer = result.plan.producer(key)
    if producer == 0 and result.plan.input_rate is None:
        return True
    times = result.starts if result.plan.write_rule is WriteRule.BEFORE_START else result.ends
    return bool(np.all(times[producer][slots:] >= free_times(result, key)[:-slots]))


@dataclass(slots=True)
class _Input:
    producer: int
    needs: list[int]
    link: int


@dataclass(slots=True)
class _Output:
    consumer: int
    frees: list[int]
    slots: int


class _Bounded:
    """The replay of one stream, step by step, stage by stage as far as each can go."""

    def __init__(self, plan: PipelinePlan, images: int) -> None:
        self.plan = plan
        self.images = images
        stages = plan.network.stages
        self.counts = [plan.stage_steps(index) * images for index in range(len(stages))]
        self.starts: list[list[int]] = [[] for _ in stages]
        self.ends: list[list[int]] = [[] for _ in stages]
        self.inputs: list[list[_Input]] = [[] for _ in stages]
        self.outputs: list[list[_Output]] = [[] for _ in stages]
        for key in plan.edges():
            producer = plan.producer(key)
            needs: list[int] = _needs(plan, key, images).tolist()
            self.inputs[key[0]].append(_Input(producer, needs, _link(plan, key)))
            if key in plan.capacities:
                frees: list[int] = _frees(plan, key, images).tolist()
                self.outputs[producer].append(_Output(key[0], frees, plan.capacities[key]))
        if plan.input_rate is None:
            self.starts[0] = [0] * self.counts[0]
            self.ends[0] = [0] * self.counts[0]

    def run(self) -> Replay:
        neighbours = [
            [output for output, entry in enumerate(self.inputs) if any(item.producer == index for item in entry)]
            + [item.producer for item in self.inputs[index]]
            for index in range(len(self.counts))
        ]
        queue = deque(range(len(self.counts)))
        queued = set(queue)
        while queue:
            stage = queue.popleft()
            queued.discard(stage)
            before = len(self.ends[stage])
            while len(self.ends[stage]) < self.counts[stage] and self._wait(stage) is None:
                self._step(stage)
            if len(self.ends[stage]) > before:
                for other in neighbours[stage]:
                    if other not in queued:
                        queue.append(other)
                        queued.add(other)
        stuck = {
            index: wait
            for index, (done, count) in enumerate(zip(self.ends, self.counts, strict=True))
            if len(done) < count and (wait := self._wait(index)) is not None
        }
        if stuck:
            raise DeadlockError(cycle_of_waits(stuck))
        return Replay(self.plan, self.images, _arrays(self.starts), _arrays(self.ends))

    def _wait(self, stage: int) -> Wait | None:
        """What the next step of a stage waits for, None if all times it depends on are known."""
        step = len(self.ends[stage])
        stages = self.plan.network.stages
        for item in self.inputs[stage]:
            if item.needs[step] >= len(self.ends[item.producer]):
                return Wait(
                    stage, stages[stage].name, step, item.producer, stages[item.producer].name, item.needs[step]
                )
        for output in self.outputs[stage]:
            if step >= output.slots and output.frees[step - output.slots] >= len(self.ends[output.consumer]):
                reader = output.frees[step - output.slots]
                name = stages[output.consumer].name
                return Wait(stage, stages[stage].name, step, output.consumer, name, reader, output.slots)
        return None

    def _step(self, stage: int) -> None:
        starts, ends = self.starts[stage], self.ends[stage]
        step = len(ends)
        copies = self.plan.copies[stage]
        start = starts[-1] if step else 0
        if step >= copies:
            start = max(start, ends[step - copies])
        for item in self.inputs[stage]:
            start = max(start, self.ends[item.producer][item.needs[step]] + item.link)
        free = 0
        for output in self.outputs[stage]:
            if step >= output.slots and (reader := output.frees[step - output.slots]) >= 0:
                free = max(free, self.ends[output.consumer][reader])
        if self.plan.write_rule is WriteRule.BEFORE_START:
            start = max(start, free)
        starts.append(start)
        ends.append(max(start + self.plan.step_ticks[stage], free))


def _arrays(times: Sequence[list[int]]) -> tuple[Ints, ...]:
    return tuple(np.array(entry, dtype=np.int64) for entry in times)


def replay_bounded(plan: PipelinePlan, images: int = 1) -> Replay:
    """The same as `replay`, always step by step.

    Raises:
        DeadlockError: steps wait for each other; the message names the cycle.
    """
    return _Bounded(plan, images).run()
