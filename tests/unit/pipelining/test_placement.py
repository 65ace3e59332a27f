"""Placements: homomorphisms, loads recounted by hand, optima of CP-SAT on small fabrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imcflow.passes.pipelining.crossbars import Crossbar
from imcflow.passes.pipelining.exact_placement import has_homomorphism, least_link_bits
from imcflow.passes.pipelining.fabrics import fabric, mesh, parallel_prism, ring
from imcflow.passes.pipelining.layers import PipelineError
from imcflow.passes.pipelining.links import placed_plan
from imcflow.passes.pipelining.networks import NetworkBuilder, convolution_chain, reference_network
from imcflow.passes.pipelining.placement import Router, find_homomorphism, load_bound, obstruction, place
from imcflow.passes.pipelining.plan import simple_plan
from imcflow.passes.pipelining.replay import replay
from imcflow.passes.pipelining.traffic import CoreGraph, Flow, core_graph

if TYPE_CHECKING:
    from imcflow.passes.pipelining.fabrics import Fabric


def residual_block() -> CoreGraph:
    builder = NetworkBuilder("block", 8, 8, 8)
    builder.block("block", builder.convolution("stem", 0, 8, 3, 1, 1), 8, 1)
    return core_graph(builder.build(), Crossbar())


def test_resnet32_flows_between_60_cores():
    graph = core_graph(reference_network("resnet32"), Crossbar())
    assert len(graph.names) == 60
    assert graph.flows[0] == Flow(0, 1, 32 * 32 * 16 * 8)
    by_layer = core_graph(reference_network("resnet32"), Crossbar(), by_layer=True)
    assert len(by_layer.names) == 32
    assert len(by_layer.flows) == 31 + 15


def test_resnet32_maps_onto_the_prism_link_by_link():
    graph = core_graph(reference_network("resnet32"), Crossbar())
    target = parallel_prism(60)
    found = place(graph, target)
    assert found.homomorphism
    assert found.max_link_bits == load_bound(graph, target)
    assert all(target.has_edge(found.cores[flow.source], found.cores[flow.target]) for flow in graph.flows)


def test_resnet32_cannot_map_onto_mesh_and_ring():
    graph = core_graph(reference_network("resnet32"), Crossbar(), by_layer=True)
    assert obstruction(graph, mesh(6, 6)) == "the cores have an odd cycle, the fabric has none"
    assert "exchanges data with 4 cores, no core has more than 2 links" in (obstruction(graph, ring(32)) or "")
    assert find_homomorphism(graph, mesh(6, 6)) is None


@pytest.mark.parametrize("target", [mesh(2, 3), ring(5), parallel_prism(4), fabric(4, [(0, 1), (1, 2), (1, 3)])])
def test_small_fabrics_against_cp_sat(target: Fabric):
    pytest.importorskip("ortools", reason="needs the extra `exact`")
    graph = residual_block()
    found = place(graph, target)
    assert found.homomorphism == has_homomorphism(graph, target)
    assert least_link_bits(graph, target, known=found.max_link_bits) == (found.max_link_bits,) * 2
    assert found.bound_bits <= found.max_link_bits


def test_loads_are_sums_over_the_way():
    graph = CoreGraph(("a", "b", "c"), (1, 2, 3), (Flow(0, 1, 5), Flow(0, 2, 7)))
    star = fabric(4, [(0, 3), (1, 3), (2, 3)])
    found = place(graph, star)
    assert found.homomorphism
    assert found.cores[0] == 3
    assert found.max_link_bits == 7
    assert found.interval_bound(2) == 3.5


def test_a_chain_winds_through_a_mesh():
    graph = core_graph(convolution_chain(4, 9, 3, 1), Crossbar())
    assert place(graph, mesh(3, 3)).homomorphism


def test_wrong_fabrics_are_named():
    with pytest.raises(PipelineError, match="link 0-4: needs two cores of 0 to 2"):
        fabric(3, [(0, 4)])
    with pytest.raises(PipelineError, match="leave cores unconnected"):
        fabric(3, [(0, 1)])
    with pytest.raises(PipelineError, match="9 cores needed, the fabric has 4"):
        place(core_graph(convolution_chain(4, 9, 3, 1), Crossbar()), mesh(2, 2))


def test_hops_delay_and_narrow_links_slow_down():
    network = convolution_chain(8, 3, 3, 1, channels=4)
    graph, target = core_graph(network, Crossbar()), ring(3)
    router, found = Router(graph, target), place(graph, target)
    plan = simple_plan(network, input_rate=None)
    wide = placed_plan(plan, router, found, bits_per_tick=1000, hop_ticks=2)
    assert replay(wide).ticks == replay(plan).ticks + 2 * 2
    narrow = placed_plan(plan, router, found, bits_per_tick=10, hop_ticks=0)
    assert narrow.step_ticks == (1, 4, 4, 1)
    assert replay(narrow, 3).interval_ticks == 4 * 64 >= found.interval_bound(10)
    with pytest.raises(PipelineError, match="needs more than 0"):
        placed_plan(plan, router, found, bits_per_tick=0)


def test_sums_travel_along_the_chain_of_row_blocks():
    network = convolution_chain(4, 2, 3, 1, channels=64)
    graph, target = core_graph(network, Crossbar()), parallel_prism(6)
    plan = placed_plan(simple_plan(network), Router(graph, target), place(graph, target), bits_per_tick=1e9)
    assert len(graph.names) == 6
    assert plan.link_ticks == {(1, 0): 0, (2, 0): 2 + 1}
