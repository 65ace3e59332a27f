"""Refinement: feasible, never later, above the bound, and the same for the same seed."""

from __future__ import annotations

from imcflow.passes.overlap.bounds import network_bounds
from imcflow.passes.overlap.candidates import CandidateLimits
from imcflow.passes.overlap.check import check_schedule
from imcflow.passes.overlap.networks import reference_network
from imcflow.passes.overlap.refine import refine
from imcflow.passes.overlap.search import search_space
from imcflow.passes.overlap.transform import overlap_layers
from imcflow.targets import load_target
from imcflow.targets.dram_pim import DramPimTarget


def test_refinement_ends_no_later_and_is_repeatable() -> None:
    target = load_target("dram-pim-hbm2")
    assert isinstance(target, DramPimTarget)
    graph = reference_network("chain4")
    space = search_space(graph, target, CandidateLimits(most_steps=256, slowest=3.0, count=24))
    start = overlap_layers(graph, [choices[-1] for choices in space.choices])
    first, second = (refine(start, space, rounds=2, seed=4) for _ in range(2))
    check_schedule(first)
    assert network_bounds(graph, first.mappings).best <= first.end <= start.end
    assert first.end < start.end
    assert first.mappings == second.mappings
    assert refine(start, space, seconds=0.0) is start
