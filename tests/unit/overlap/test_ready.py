"""The closed form against exhaustive comparison and against single elements, on random layers and mappings."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.passes.overlap.instances import random_pair
from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer
from imcflow.passes.overlap.maxima import NOTHING, RangeMaxima, digit_maxima
from imcflow.passes.overlap.nests import Dim, Loop, Mapping, OverlapError
from imcflow.passes.overlap.oracle import (
    consumer_boxes,
    element_reads,
    element_ready_steps,
    pairwise_ready_steps,
    producer_boxes,
)
from imcflow.passes.overlap.pair import by_bank
from imcflow.passes.overlap.ready import lock_step_ready, ready_steps


@settings(max_examples=300)
@given(st.integers(0, 1 << 30))
def test_closed_form_equals_exhaustive_comparison(seed: int):
    producer, producer_mapping, consumer, mapping = random_pair(Random(seed))
    edge = consumer.edges[0]
    boxes = consumer_boxes(producer, consumer, mapping, edge)
    expected = pairwise_ready_steps(boxes, producer_boxes(producer, producer_mapping))
    for digits in (False, True):
        found = ready_steps(producer, producer_mapping, consumer, mapping, edge, digits=digits)
        assert np.broadcast_to(found, mapping.shape).ravel().tolist() == expected.tolist()
    lock_step = lock_step_ready(producer, producer_mapping, consumer, mapping, edge)
    temporal = np.broadcast_to(lock_step, [1 if loop.spatial else loop.bound for loop in mapping.loops]).ravel()
    assert temporal.tolist() == by_bank(expected.reshape(mapping.shape), mapping).max(axis=1).tolist()


@settings(max_examples=60)
@given(st.integers(0, 1 << 30))
def test_closed_form_covers_every_element_that_is_read(seed: int):
    """Boxes fill the gaps of strided and dilated windows, so they may be later than single elements, never earlier."""
    producer, producer_mapping, consumer, mapping = random_pair(Random(seed))
    edge = Edge(0)
    final = element_ready_steps(producer, producer_mapping)
    ready = np.broadcast_to(ready_steps(producer, producer_mapping, consumer, mapping, edge), mapping.shape).ravel()
    dense = consumer.rows.dilation == consumer.columns.dilation == 1
    dense &= consumer.rows.stride <= consumer.rows.size and consumer.columns.stride <= consumer.columns.size
    dense &= all(loop.dim not in (Dim.R, Dim.S) for loop in mapping.loops)
    for tile in range(0, ready.size, 1 + ready.size // 20):
        channels, rows, columns = element_reads(consumer, mapping, tile)
        inside = [
            [index for index in indices if 0 <= index < size]
            for indices, size in zip((channels, rows, columns), final.shape, strict=True)
        ]
        needed = int(final[np.ix_(*inside)].max()) if all(inside) else -1
        assert needed <= ready[tile]
        if dense:
            assert needed == ready[tile]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), st.data())
def test_range_maxima(values: list[int], data: st.DataObject):
    bounds = st.integers(0, len(values) - 1)
    queries = data.draw(st.lists(st.tuples(bounds, bounds), min_size=1, max_size=20))
    low, high = np.array(queries).T
    found = RangeMaxima(np.array(values)).query(low, high)
    assert found.tolist() == [max(values[a : b + 1], default=NOTHING) if a <= b else NOTHING for a, b in queries]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9)), min_size=0, max_size=5), st.data())
def test_digit_maxima_with_any_weights(digits: list[tuple[int, int]], data: st.DataObject):
    bounds, weights = [bound for bound, _ in digits], [weight for _, weight in digits]
    values = np.zeros(1, dtype=np.int64)
    for bound, weight in digits:
        values = (values[:, None] + np.arange(bound) * weight).ravel()
    ends = st.integers(0, len(values) - 1)
    low, high = np.array(data.draw(st.lists(st.tuples(ends, ends), min_size=1, max_size=20))).T
    assert digit_maxima(bounds, weights, low, high).tolist() == RangeMaxima(values).query(low, high).tolist()


def test_weights_of_a_nest():
    mapping = Mapping.parse("P4s P2 Q8 C4 K4", 18)
    assert mapping.time_weights == (0, 128, 16, 4, 1)
    assert mapping.place_weights == (1, 0, 0, 0, 0)
    assert (mapping.steps, mapping.banks, mapping.reduction_step) == (256, 4, 12)
    assert str(mapping) == "P4s P2 Q8 C4 K4"


def test_padding_needs_no_data():
    producer = Layer("a", K=1, C=1, P=4, Q=4)
    consumer = Layer("b", K=1, C=1, P=4, Q=4, rows=Axis(1, pad=2), columns=Axis(1), edges=(Edge(0),))
    steps = ready_steps(producer, Mapping.parse("P4 Q4"), consumer, Mapping.parse("P4 Q4"), Edge(0))
    assert steps.tolist() == [[-1] * 4, [-1] * 4, [0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mapping.parse("P4 X2"), "'X2' is no loop"),
        (lambda: Mapping.parse("P4", 0), "0 ticks"),
        (lambda: Loop(Dim.K, 0), "bound 0"),
        (lambda: Layer("a", K=0, C=1), "K 0"),
        (lambda: Layer("a", K=1, C=2, channelwise=True), "C 1, not 2"),
        (lambda: Axis(0), "at least 1"),
        (lambda: Graph("n", (Layer("a", K=1, C=1, edges=(Edge(0),)),)), "no earlier one"),
        (lambda: Graph("n", (Layer("a", K=1, C=1), Layer("a", K=1, C=1))), "different names"),
    ],
)
def test_inconsistent_input_is_named(make, message: str):
    with pytest.raises(OverlapError, match=message):
        make()
