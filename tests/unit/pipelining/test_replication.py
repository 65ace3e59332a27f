"""Crossbars per layer and copies under a budget, against the sheet's table and exhaustive search."""

from __future__ import annotations

from itertools import product

import pytest

from imcflow.passes.pipelining.crossbars import PIXEL, Crossbar, stage_blocks, steps, useful_patches
from imcflow.passes.pipelining.layers import Axis, Edge, Network, PipelineError, Stage
from imcflow.passes.pipelining.networks import NetworkBuilder, convolution_chain, reference_network
from imcflow.passes.pipelining.replication import (
    replicate_for_budget,
    replicate_for_interval,
    single_copies,
    work_bound,
)


def test_resnet32_takes_60_crossbars_as_the_sheet_lists_them():
    plan = single_copies(reference_network("resnet32"), Crossbar())
    assert plan.crossbars == 60
    assert plan.per_copy == (0, *[1] * 11, 1, *[2] * 9, 2, *[3] * 9, 1)
    assert plan.interval_ticks == 1024


@pytest.mark.parametrize(
    ("budget", "interval", "used"),
    [(60, 1024, 60), (100, 256, 93), (128, 205, 123), (256, 79, 249), (512, 37, 500), (1024, 19, 977)],
)
def test_budget_table_of_the_sheet(budget: int, interval: int, used: int):
    plan = replicate_for_budget(reference_network("resnet32"), Crossbar(), budget)
    assert (plan.interval_ticks, plan.crossbars) == (interval, used)
    assert plan.interval_ticks >= work_bound(plan.network, plan.crossbar, budget)


def test_budget_is_exact_against_every_allocation():
    builder = NetworkBuilder("small", 4, 5, 5)
    first = builder.convolution("a", 0, 6, 3, 1, 1)
    builder.dense("c", builder.convolution("b", first, 5, 2, 2), 3)
    network, crossbar = builder.build(), Crossbar(16, 4)
    prices = single_copies(network, crossbar).per_copy[1:]
    for budget in range(sum(prices), sum(prices) + 40):
        plan = replicate_for_budget(network, crossbar, budget)
        best = min(
            max(-(-stage.pixels // d) for stage, d in zip(network.stages[1:], copies, strict=True))
            for copies in product(range(1, 9), range(1, 5), (1,))
            if sum(x * d for x, d in zip(prices, copies, strict=True)) <= budget
        )
        assert plan.interval_ticks == best
        assert plan.crossbars <= budget


def test_patches_reach_in_60_crossbars_what_takes_93_without():
    network = reference_network("resnet32")
    plan = replicate_for_budget(network, Crossbar(), 60, patches=True)
    assert plan.crossbars <= 60
    assert plan.interval_ticks <= 256
    assert replicate_for_interval(network, Crossbar(), 256).crossbars == 93


def test_a_patch_reads_the_common_window():
    stage = convolution_chain(32, 2, 3, 1, channels=16).stages[2]
    blocks = stage_blocks(stage, Crossbar(), (2, 2))
    assert (blocks.rows, blocks.columns, blocks.crossbars) == (4 * 4 * 16, 4 * 16, 1)
    assert steps(stage, (2, 2)) == 256
    assert useful_patches(stage, Crossbar())[0] == (2, 2)


def test_blocks_add_up_in_a_tree():
    stage = Stage("wide", 1, 1, 300, (Edge(0),), 1200)
    blocks = stage_blocks(stage, Crossbar(256, 256, 2))
    assert (blocks.row_blocks, blocks.column_blocks, blocks.adder_depth) == (5, 3, 3)


def test_longer_steps_and_rates():
    network = convolution_chain(4, 2, 3, 1)
    plan = replicate_for_interval(network, Crossbar(), 10, step_ticks=3)
    assert plan.copies == (1, 6, 6)
    assert plan.interval_ticks == 9
    assert plan.streamed_interval_ticks == 8
    assert plan.patches == (PIXEL,) * 3


def test_impossible_requests_are_named():
    network = reference_network("resnet32")
    with pytest.raises(PipelineError, match=r"'resnet32' needs 60 crossbars, 59 are there"):
        replicate_for_budget(network, Crossbar(), 59)
    with pytest.raises(PipelineError, match="shorter than one step of 4"):
        replicate_for_interval(network, Crossbar(), 3, step_ticks=4)
    with pytest.raises(PipelineError, match="'late': reads stage 1, needs 0 to 0"):
        Network("n", (Stage("input", 1, 1, 1), Stage("late", 1, 1, 1, (Edge(1),))))
    with pytest.raises(PipelineError, match="pad < size"):
        Axis(3, 1, 3)
