"""The twelve two-layer vectors: exact in every field, by both ways to answer a query."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imcflow.passes.overlap.layers import Axis, Edge, Layer
from imcflow.passes.overlap.nests import Mapping
from imcflow.passes.overlap.pair import pair_latency

PRODUCER = Layer("producer", K=8, C=4, P=8, Q=8, rows=Axis(3), columns=Axis(3))
CONSUMER = Layer("consumer", K=8, C=8, P=8, Q=8, rows=Axis(3, pad=1), columns=Axis(3, pad=1), edges=(Edge(0),))
MAPPINGS = {
    "P_row": Mapping.parse("P8 Q8 C4 K4s", 18),
    "P_col": Mapping.parse("Q8 P8 C4 K4s", 18),
    "P_kout": Mapping.parse("K8 P4s Q8 C4", 18),
    "P_cout": Mapping.parse("C4 P8 Q8 K4s", 18),
    "C_row": Mapping.parse("P8 Q8 C4 K4s", 36),
    "C_sp": Mapping.parse("P4s P2 Q8 C4 K4", 18),
    "C_k": Mapping.parse("K4 P4s P2 Q8 C4", 18),
}
# producer, consumer, sequential, lock step = independent, transformed = lower bound, min_ready
FACTS = [
    ("P_row", "C_row", 13824, 9936, 9936, 720),
    ("P_row", "C_sp", 9216, 8784, 5328, 720),
    ("P_row", "C_k", 9216, 8784, 5328, 720),
    ("P_col", "C_row", 13824, 12528, 9936, 720),
    ("P_col", "C_sp", 9216, 7488, 5328, 720),
    ("P_col", "C_k", 9216, 8784, 5328, 720),
    ("P_kout", "C_row", 13824, 13284, 9936, 720),
    ("P_kout", "C_sp", 9216, 8568, 5328, 720),
    ("P_kout", "C_k", 9216, 8730, 5328, 720),
    ("P_cout", "C_row", 13824, 12852, 12852, 3636),
    ("P_cout", "C_sp", 9216, 9108, 8244, 3636),
    ("P_cout", "C_k", 9216, 9108, 8244, 3636),
]


@pytest.mark.parametrize("digits", [False, True])
@pytest.mark.parametrize(("producer", "consumer", "sequential", "overlap", "transformed", "min_ready"), FACTS)
def test_pairs(
    producer: str, consumer: str, sequential: int, overlap: int, transformed: int, min_ready: int, digits: bool
):
    found = pair_latency(PRODUCER, MAPPINGS[producer], CONSUMER, MAPPINGS[consumer], CONSUMER.edges[0], digits=digits)
    assert (found.sequential, found.min_ready, found.max_ready) == (sequential, min_ready, 4608)
    assert (found.lock_step, found.independent) == (overlap, overlap)
    assert (found.transformed, found.lower_bound) == (transformed, transformed)


def test_the_recorded_file(models_dir: Path):
    path = models_dir.parent / "papers" / "overlap_test_vectors.json"
    if not path.is_file():
        pytest.skip("needs the recorded vectors beside the trained networks")
    recorded = json.loads(path.read_text(encoding="utf-8"))
    mappings = {name: Mapping.parse(entry["loops"], entry["tau"]) for name, entry in recorded["mappings"].items()}
    assert len(recorded["vectors"]) == 12
    for vector in recorded["vectors"]:
        first, second = mappings[vector["producer"]], mappings[vector["consumer"]]
        found = pair_latency(PRODUCER, first, CONSUMER, second, CONSUMER.edges[0])
        assert (
            vector
            | {
                "producer_steps": first.steps,
                "consumer_steps": second.steps,
                "banks": second.banks,
                "producer_latency": first.latency_ticks,
                "consumer_latency": second.latency_ticks,
                "sequential": found.sequential,
                "overlap_lockstep": found.lock_step,
                "overlap_independent": found.independent,
                "transformed": found.transformed,
                "lower_bound": found.lower_bound,
                "min_ready": found.min_ready,
                "max_ready": found.max_ready,
            }
            == vector
        )
