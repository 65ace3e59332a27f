"""Compiled loops give what the plain functions and numba's own objects give, for every kind of argument."""

from __future__ import annotations

import math
import resource
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from imcflow.runtime.compiled_loops.loop import Loop, compiled_loop

pytestmark = pytest.mark.usefixtures("folder")
DTYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


class Span(NamedTuple):
    first: int
    last: int


class State(NamedTuple):
    values: np.ndarray[Any, Any]
    span: Span
    counts: np.ndarray[Any, Any]
    share: float


class Letter(IntEnum):
    A, B = range(2)


@compiled_loop
def helper(value: int) -> int:
    return 3 * value + 1


@compiled_loop
def total(values: Any, scale: int) -> float:
    found = 0.0
    for at in range(len(values)):
        found += values[at] * scale
    return found


@compiled_loop
def weighted(table: Any) -> int:
    found = 0
    for row in range(table.shape[0]):
        for column in range(table.shape[1]):
            found += (10 * row + column) * table[row, column]
    return found


@compiled_loop
def scalars(whole: int, flag: bool, part: float) -> tuple[int, float, bool]:
    return helper(whole) if flag else -whole, part / 4, not flag


@compiled_loop
def step(state: State, by: int) -> int:
    for at in range(state.span.first, state.span.last):
        state.counts[0] += 1
        state.values[at] += helper(by) * state.share
    return state.counts[0]


@compiled_loop
def fill(into: Any, value: int) -> None:
    for at in range(len(into)):
        into[at] = value


@compiled_loop
def divide(one: int, other: int) -> int:
    return one // other


@compiled_loop
def scratch(size: int) -> int:
    squares = np.empty(size, np.int64)
    for at in range(size):
        squares[at] = at * at
    return squares.sum()


@compiled_loop
def squares_of(size: int) -> Any:
    return np.arange(size) ** 2


@compiled_loop
def sines(values: Any) -> float:
    found = 0.0
    for value in values:
        found += math.sin(value)
    return found


@compiled_loop("int64(int64)")
def doubled(value: int) -> int:
    return 2 * value


def all_three(loop: Loop[..., Any], *arguments: Any) -> Any:
    """Call the loop, the plain function and numba's object, each on its own copies; they agree, and change the same."""
    copies = [[np.copy(a, order="K") if isinstance(a, np.ndarray) else a for a in arguments] for _ in range(2)]
    found = loop(*arguments)
    assert found == loop.py_func(*copies[0])
    assert found == numba.njit(loop.py_func)(*copies[1])
    for argument, *others in zip(arguments, *copies, strict=True):
        if isinstance(argument, np.ndarray):
            assert all(np.array_equal(argument, other) for other in others)
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_every_dtype(dtype: str):
    assert all_three(total, np.arange(7).astype(dtype), 5) == 5 * np.arange(7).astype(dtype).sum()


def test_arrays_without_items_and_read_only_ones():
    assert total(np.zeros(0, np.int32), 5) == 0
    constant = np.arange(5)
    constant.flags.writeable = False
    assert all_three(total, constant, 2) == 20
    with pytest.raises(numba.TypingError, match="readonly"):
        fill(constant, 1)
    assert constant.tolist() == [0, 1, 2, 3, 4]


def test_arrays_that_are_not_contiguous():
    table = np.arange(24, dtype=np.int32).reshape(4, 6)
    for view in (table, table.T, table[::2, ::-1], np.asfortranarray(table), table[:, :0]):
        assert all_three(weighted, view) == int(
            sum((10 * r + c) * int(view[r, c]) for r in range(view.shape[0]) for c in range(view.shape[1]))
        )
    into = np.zeros(9, np.uint8)
    fill(into[1::3], 7)
    assert into.tolist() == [0, 7, 0, 0, 7, 0, 0, 7, 0]


def test_arrays_of_subclasses(tmp_path: Path):
    mapped = np.memmap(tmp_path / "file", np.int16, "w+", shape=(4,))
    fill(mapped, 3)
    assert np.asarray(mapped).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("whole", [0, -5, 1 << 60, np.int8(-7), np.uint32(9), Letter.B, True])
@pytest.mark.parametrize("flag", [False, True, np.True_])
def test_scalars_and_tuples_of_results(whole: int, flag: bool):
    found = scalars(whole, flag, np.float32(0.5))
    assert found == scalars.py_func(int(whole), bool(flag), 0.5)
    assert [type(item) for item in found] == [int, float, bool]


def test_scalars_of_several_types_share_one_version(built: list[str]):
    own = Loop(divide.py_func)
    assert [own(7, 2), own(np.int8(7), np.uint16(2)), own(Letter.B, 1)] == [3, 3, 1]
    assert built == ["divide"]


def test_named_tuples_in_named_tuples():
    states = [State(np.zeros(6), Span(1, 4), np.array([5], np.int32), 0.25) for _ in range(3)]
    for function, state in zip((step, step.py_func, numba.njit(step.py_func)), states, strict=True):
        assert function(state, 2) == 8
    for state in states:
        assert state.values.tolist() == [0, 1.75, 1.75, 1.75, 0, 0]
        assert state.counts.tolist() == [8]


def test_names_and_wrong_numbers_of_arguments():
    assert divide(other=2, one=9) == 4
    assert divide(9, other=2) == 4
    with pytest.raises(TypeError, match="missing a required argument"):
        divide(1)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="too many"):
        divide(1, 2, 3)  # pyright: ignore[reportCallIssue]


def test_a_loop_looks_like_its_function():
    assert divide.__name__ == "divide"
    assert divide.py_func(7, 2) == 3
    assert doubled(21) == 42


def test_what_cannot_be_passed():
    with pytest.raises(TypeError, match="not list"):
        total([1, 2], 1)
    with pytest.raises(TypeError, match="byte order"):
        total(np.arange(3).astype(np.dtype(np.int32).newbyteorder()), 1)
    with pytest.raises(TypeError, match="aligned"):
        total(np.zeros(9, np.uint8)[1:].view(np.int32), 1)
    with pytest.raises(OverflowError, match="more than 64 bits"):
        divide(1 << 63, 1)


def test_a_failure_names_the_loop():
    with pytest.raises(RuntimeError, match=r"test_calls\.divide"):
        divide(1, 0)
    assert divide(6, 2) == 3


def test_results_that_are_arrays_come_through_numba(folder: Path):
    own = Loop(squares_of.py_func)
    assert own(4).tolist() == own(np.int32(4)).tolist() == [0, 1, 4, 9]
    assert not folder.exists()


def test_code_that_needs_more_than_there_is_runs_through_numba(folder: Path):
    values = np.linspace(0, 1, 5)
    assert Loop(sines.py_func)(values) == pytest.approx(sum(map(math.sin, values.tolist())))
    assert not folder.exists()


def test_a_loop_in_a_function_sees_its_constants():
    results: list[int] = []
    for constant in (3, 5):

        @compiled_loop
        def add(value: int) -> int:
            return value + constant  # noqa: B023 - that is what is tested

        results.append(add(10))
    assert results == [13, 15]


def test_threads_run_the_same_loop_at_once():
    own = Loop(total.py_func)
    arrays = [np.full(20_000, number, np.int64) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda values: own(values, 2), arrays))
    assert found == [40_000 * number for number in range(40)]


@pytest.mark.skipif(sys.platform != "linux", reason="counts pages in the way of Linux")
def test_memory_that_a_loop_allocates_is_given_back():
    size = 100_000  # 800 kB

    def pages() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])

    expected = sum(at * at for at in range(size))
    assert scratch(size) == expected
    before = pages()
    for _ in range(10_000):
        scratch(1000)
    for _ in range(100):
        assert scratch(size) == expected
    assert (pages() - before) * resource.getpagesize() < 20_000_000
