"""When every step of a pipeline starts and ends, tick by tick.

    start_j = max(start_{j-1}, end_{j-d}, a[need(j)] + t_link)      end_j = start_j + t       (sheet 2.2)

With bounded rings a step's result also waits for its slot (sheet 2.3): end_j >= end of the last reader of step j - B,
and the copy is held until then. These times are the least solution of a system of maxima and sums, so they do not
depend on the order of evaluation. Without bounds all steps of a stage are computed at once; if the bounds hold for
these times, they are the answer, else the steps are replayed one after the other.
"""

from __future__ import annotations

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


class _Bounded:
    """The replay of one stream, stage by stage as far as the times that its steps depend on are known."""

    def __init__(self, plan: PipelinePlan, images: int) -> None:
        self.plan, self.images = plan, images
        self.keys = plan.edges()
        stages = range(len(plan.network.stages))
        self.per_image = np.array([plan.stage_steps(stage) for stage in stages], np.int64)
        self.counts = self.per_image * images
        self.first = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)
        self.starts, self.ends = (np.zeros(int(self.first[-1]), np.int64) for _ in range(2))
        self.done = np.zeros(len(stages), np.int64)
        if plan.input_rate is None:
            self.done[0] = self.counts[0]
        self.needs = [_needs(plan, key, 1) for key in self.keys]
        self.readers = [_frees(plan, key, 1) for key in self.keys]
        self.edges = np.array(
            [
                (plan.producer(key), key[0], _link(plan, key), plan.capacities.get(key, 0), need, reader)
                for key, need, reader in zip(self.keys, _begins(self.needs), _begins(self.readers), strict=True)
            ],
            np.int64,
        ).reshape(-1, 6)

    def run(self) -> Replay:
        from imcflow.passes.pipelining.replay_kernel import advance

        plan = self.plan
        stages = range(len(self.counts))
        inputs = [[at for at, key in enumerate(self.keys) if key[0] == stage] for stage in stages]
        outputs = [
            [at for at, key in enumerate(self.keys) if key in plan.capacities and plan.producer(key) == stage]
            for stage in stages
        ]
        advance(
            plan.write_rule is WriteRule.BEFORE_START,
            self.counts,
            self.per_image,
            np.array(plan.copies, np.int64),
            np.array(plan.step_ticks, np.int64),
            self.edges,
            *_rows(inputs),
            *_rows(outputs),
            _joined(self.needs),
            _joined(self.readers),
            self.first,
            self.starts,
            self.ends,
            self.done,
        )
        if (self.done < self.counts).any():
            raise DeadlockError(cycle_of_waits(self._waits()))
        spans = list(zip(self.first[:-1].tolist(), self.first[1:].tolist(), strict=True))
        return Replay(
            plan,
            self.images,
            tuple(self.starts[low:high] for low, high in spans),
            tuple(self.ends[low:high] for low, high in spans),
        )

    def _waits(self) -> dict[int, Wait]:
        """What the next step of every stage that is not done waits for."""
        waits: dict[int, Wait] = {}
        for stage, (done, count) in enumerate(zip(self.done.tolist(), self.counts.tolist(), strict=True)):
            wait = self._wait(stage, done) if done < count else None
            if wait is not None:
                waits[stage] = wait
        return waits

    def _wait(self, stage: int, step: int) -> Wait | None:
        from imcflow.passes.pipelining.replay_kernel import freeing_step, known_needs

        names = [entry.name for entry in self.plan.network.stages]
        per_image, needs, readers = self.per_image.tolist(), _joined(self.needs), _joined(self.readers)
        for key, edge in zip(self.keys, self.edges, strict=True):
            producer = self.plan.producer(key)
            if key[0] == stage:
                needed = int(known_needs(step, per_image[stage], edge, per_image[producer], needs))
                if needed >= self.done[producer]:
                    return Wait(stage, names[stage], step, producer, names[producer], needed)
        for key, edge in zip(self.keys, self.edges, strict=True):
            slots = self.plan.capacities.get(key)
            if slots is not None and self.plan.producer(key) == stage and step >= slots:
                reader = int(freeing_step(step - slots, per_image[stage], edge, per_image[key[0]], readers))
                if reader >= self.done[key[0]]:
                    return Wait(stage, names[stage], step, key[0], names[key[0]], reader, slots)
        return None


def _begins(tables: Sequence[Ints]) -> list[int]:
    """Where each table begins when all are joined."""
    return [0, *np.cumsum([len(table) for table in tables]).tolist()][: len(tables)]


def _joined(tables: Sequence[Ints]) -> Ints:
    return np.concatenate(tables) if tables else np.zeros(0, np.int64)


def _rows(lists: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """Lists of different lengths as one array, and where each begins and the last one ends."""
    begins = np.cumsum([0, *(len(row) for row in lists)]).astype(np.int64)
    return np.array([item for row in lists for item in row], np.int64), begins


def replay_bounded(plan: PipelinePlan, images: int = 1) -> Replay:
    """The same as `replay`, always step by step.

    Raises:
        DeadlockError: steps wait for each other; the message names the cycle.
    """
    return _Bounded(plan, images).run()
