"""Streams in halves: the same results at every place where a stream may be cut, on any number of workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from network_strategies import DIALECTS, networks
from networks import Network
from pooled_program import PROGRAM, images, reference, sums

import imcflow
from imcflow.errors import ImcflowError
from imcflow.runtime.execution import run as run_module
from imcflow.runtime.execution import split as split_module
from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep, halved_blocks
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.prepare import PreparedKernel, prepare_kernel
from imcflow.runtime.execution.run import ProgramRun
from imcflow.runtime.execution.split import SplitRows, split_rows
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.isa import Opcode
from imcflow.runtime.kernels.layout import Handler
from imcflow.runtime.program import ApKernel, ElementType

StreamMaker = Callable[[int], tuple[ApKernel, list[np.ndarray]]]


def results(
    prepared: PreparedKernel, tensors: list[np.ndarray], split: SplitRows | None, *, threads: int = 2, words: int = 8
) -> list[np.ndarray]:
    kernel = prepared.kernel
    step = ArrayStep(prepared, len(tensors[0]), ArraySettings("word", False), words, Workspace(), split)
    narrow = [
        tensor.astype(storage_dtype(ElementType(window.bits, window.signed)))
        for tensor, window in zip(tensors, kernel.inputs, strict=True)
    ]
    with BlockPool(threads) as pool:
        return step.run(narrow, [ElementType(port.bits, port.signed) for port in kernel.outputs], pool)[0]


def every_split(prepared: PreparedKernel) -> list[SplitRows]:
    """All cuts of both kinds that the analysis allows, joined by one worker and, where possible, by two."""
    stores = split_module._stores(prepared.rows)
    late = split_module._stores_last(prepared.rows, stores, prepared.cell_count)
    return [split for rows in (prepared.rows, late) for split in splits_of(rows, prepared.cell_count)]


def splits_of(rows: np.ndarray, cells: int) -> list[SplitRows]:
    found: list[SplitRows] = []
    for end in {int(split_module._stores(rows)[0]), len(rows)}:
        cover, _ = split_module._walked(rows[:end], cells)
        for cut in (np.flatnonzero(np.cumsum(cover)[1:end] == 0) + 1).tolist():
            for worth_another in (0, len(rows) + cells):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(split_module, "ROWS_WORTH_ANOTHER", worth_another)
                    split = split_module._split_at(rows, cut, end, cells)
                if split is None:
                    continue
                found.append(split)
                if len(split.last) == 1:
                    break
                # Neither may wait for the other: they give the same in any order.
                found.append(replace(split, last=split.last[::-1]))
    return found


@pytest.mark.parametrize("seed", range(100))
def test_random_streams_at_every_cut(random_stream: StreamMaker, seed: int):
    kernel, tensors = random_stream(seed)
    prepared = prepare_kernel(kernel, 64, fused=True)
    expected = results(prepared, tensors, None)
    for split in every_split(prepared):
        for got, want in zip(results(prepared, tensors, split, words=32), expected, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(100, 140))
def test_stores_of_words_that_stay_may_come_last(random_stream: StreamMaker, seed: int):
    kernel, tensors = random_stream(seed)
    prepared = prepare_kernel(kernel, 64, fused=True)
    rows = split_module._stores_last(prepared.rows, split_module._stores(prepared.rows), prepared.cell_count)
    assert sorted(map(bytes, rows)) == sorted(map(bytes, prepared.rows))
    expected = results(prepared, tensors, None)
    for got, want in zip(results(replace(prepared, rows=rows), tensors, None), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def test_only_stores_of_words_that_stay_come_last():
    """Every result is stored; then one word changes; then every one is stored again."""
    kernel, _ = sums(3)
    table = kernel.instructions
    stores, sums_of = table["opcode"] == Opcode.STORE, np.isin(table["opcode"], [Opcode.ADD_INTO, Opcode.SUB_FROM])
    channels = int(stores.sum())
    again = table[stores].copy()
    again["imm"] += channels
    output = replace(kernel.outputs[0], channels=2 * channels)
    table = np.concatenate([table, table[sums_of][-1:], again])
    prepared = prepare_kernel(replace(kernel, instructions=table, outputs=(output,)), 64, fused=True)
    rows = prepared.rows
    change = int(np.flatnonzero(rows["opcode"] == Handler.FUSED)[-1])
    moved = split_module._stores_last(rows, split_module._stores(rows), prepared.cell_count)
    (place,) = np.flatnonzero(moved["opcode"] == Handler.FUSED)[-1:]
    (early,) = split_module._stores(moved[:place])
    assert moved[early]["a"] == rows[change]["r"]
    assert len(split_module._stores(moved[place:])) == 2 * channels - 1


def test_random_streams_have_cuts_now_and_then(random_stream: StreamMaker):
    counts = [len(every_split(prepare_kernel(random_stream(seed)[0], 64, fused=True))) for seed in range(60)]
    assert sum(count > 0 for count in counts) > 20


@pytest.mark.parametrize("seed", range(12))
def test_sums_at_every_cut(seed: int):
    kernel, tensors = sums(seed)
    prepared = prepare_kernel(kernel, 64, fused=True)
    (expected,) = results(prepared, tensors, None)
    splits = every_split(prepared)
    assert len(splits) >= kernel.inputs[0].elements - 1
    assert any(len(split.last) == 2 for split in splits) == (kernel.outputs[0].channels > 1)
    for number, split in enumerate(splits):
        (found,) = results(prepared, tensors, split, threads=2 + number % 3, words=(1, 2, 8, 32)[number % 4])
        np.testing.assert_array_equal(found, expected)


def test_halves_are_even_and_joined():
    kernel, tensors = sums(3)
    prepared = prepare_kernel(kernel, 64, fused=True)
    split = split_rows(prepared.rows, prepared.cell_count)
    assert split is not None
    (last,) = split.last
    loads = [int((part["opcode"] == Handler.LOAD).sum()) for part in (split.first, split.second, last)]
    assert loads[2] == 0
    assert abs(loads[0] - loads[1]) <= 2
    (expected,) = results(prepared, tensors, None)
    joins = last["opcode"] == Handler.FUSED
    assert 0 < joins.sum() <= kernel.outputs[0].channels
    apart = replace(split, last=(np.ascontiguousarray(last[~joins]),))
    (found,) = results(prepared, tensors, apart)
    assert (found != expected).any()


def test_one_worker_joins_what_two_would_both_need(monkeypatch: pytest.MonkeyPatch):
    """Every result is stored twice: the sums of both halves may be added up only once."""
    monkeypatch.setattr(split_module, "ROWS_WORTH_ANOTHER", 0)
    kernel, tensors = sums(3)
    stores = kernel.instructions["opcode"] == Opcode.STORE
    again = kernel.instructions[stores].copy()
    again["imm"] += again["imm"].max() + 1
    output = replace(kernel.outputs[0], channels=2 * kernel.outputs[0].channels)
    kernel = replace(kernel, instructions=np.concatenate([kernel.instructions, again]), outputs=(output,))
    prepared = prepare_kernel(kernel, 64, fused=True)
    expected = results(prepared, tensors, None)
    split = split_rows(prepared.rows, prepared.cell_count)
    assert split is not None
    assert len(split.last) == 1
    np.testing.assert_array_equal(results(prepared, tensors, split), expected)


@pytest.mark.parametrize(
    ("blocks", "threads", "halved"), [(1, 1, 0), (1, 2, 1), (2, 2, 0), (3, 2, 1), (1, 4, 1), (2, 4, 2), (3, 4, 0)]
)
def test_blocks_that_full_rounds_leave_over_are_halved(blocks: int, threads: int, halved: int):
    assert halved_blocks(blocks, threads) == halved


@pytest.fixture
def split_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "ROWS_WORTH_SPLITTING", 1)
    monkeypatch.setattr(split_module, "MOST_OF_WHOLE", 2)
    monkeypatch.setattr(split_module, "ROWS_WORTH_ANOTHER", 0)


@pytest.mark.usefixtures("split_everything")
@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("words", [None, 1, 16])
def test_later_runs_in_halves_give_the_same(threads: int, words: int | None):
    run = ProgramRun(PROGRAM, threads=threads, block_words=words)
    for seed in range(3):
        x = images(5, seed)
        np.testing.assert_array_equal(run({"x": x})["logits"], reference(x)[1])
    assert bool(run._splits) == (threads > 1)


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=6)
@given(data=st.data())
def test_generated_networks_in_halves(dialect: str, data: st.DataObject):
    network: Network = data.draw(networks((dialect,)))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "ROWS_WORTH_SPLITTING", 1)
        patch.setattr(split_module, "MOST_OF_WHOLE", 2)
        patch.setattr(split_module, "ROWS_WORTH_ANOTHER", data.draw(st.sampled_from([0, 1 << 30])))
        path = Path(folder) / "network.onnx"
        onnx.save(network.model(), path)
        program = imcflow.compile(path, input_types=network.input_types).program
        inputs = {"x": network.images}
        expected = ProgramRun(program, threads=1)(inputs)["y"]
        run = ProgramRun(program, threads=data.draw(st.sampled_from([2, 3, 4])))
        for _ in range(2):
            np.testing.assert_array_equal(run(inputs)["y"], expected)


@pytest.mark.usefixtures("split_everything")
def test_a_budget_that_was_enough_stays_enough():
    """Halves take memory of their own: where it is not there, streams run whole."""
    x, least = images(3), 0
    for least in range(0, 4_000_000, 1_000):
        try:
            ProgramRun(PROGRAM, threads=2)({"x": x}, memory_bytes=least)
            break
        except ImcflowError:
            continue
    run = ProgramRun(PROGRAM, threads=2)
    for _ in range(4):
        np.testing.assert_array_equal(run({"x": x}, memory_bytes=least)["logits"], reference(x)[1])
    assert not run._splits
    for _ in range(2):
        np.testing.assert_array_equal(run({"x": x})["logits"], reference(x)[1])
    assert run._splits
    np.testing.assert_array_equal(run({"x": x}, memory_bytes=least)["logits"], reference(x)[1])
    assert not run._splits
