"""The quad-core machine of a public scheduler: tasks that follow from its description, schedules above the bound."""

from __future__ import annotations

import numpy as np
import pytest

from imcflow.passes.overlap.networks import reference_network
from imcflow.passes.overlap.reference_cores import CORES, DRAM, POOL_CORE, SIMD_CORE, quad_core_tasks
from imcflow.passes.overlap.shared import schedule_tasks


@pytest.mark.parametrize("chunks", [1, 3, 8])
def test_the_work_of_four_convolutions(chunks: int) -> None:
    tasks = quad_core_tasks(reference_network("chain4", separate=True), 8, chunks)
    computed = tasks.ticks[tasks.core < CORES]
    # 1,024 pixels x 9 taps per layer, one cycle each: 16 channels fill half of one side of the multipliers.
    assert computed.sum() == 4 * 1024 * 9
    weights, image, result = 8 * 16 * 9 + 3 * 16 * 16 * 9, 8 * 1024, 16 * 1024
    assert tasks.ticks[tasks.core == DRAM].sum() == (weights + image + result) * 8 // 64
    assert not np.isin(tasks.core, [POOL_CORE, SIMD_CORE]).any()


def test_every_core_of_resnet18_has_work_and_no_schedule_beats_the_bound() -> None:
    tasks = quad_core_tasks(reference_network("resnet18", separate=True), 3, 1)
    assert set(range(DRAM + 1)) <= set(tasks.core.tolist())
    assert (tasks.edges[:, 0] < tasks.edges[:, 1]).all()
    found = schedule_tasks(tasks, restarts=2, rounds=1)
    end = found.start + tasks.ticks
    assert (found.start[tasks.edges[:, 1]] >= end[tasks.edges[:, 0]]).all()
    assert found.bound <= found.makespan
