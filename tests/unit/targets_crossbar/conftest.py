"""Machines and conventions that several tests use."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imcflow.targets import load_target
from imcflow.targets.crossbar.layers import Operand
from imcflow.targets.crossbar.macro import Macro, MacroKind
from imcflow.targets.crossbar.memory import Axis, MemoryLevel, Move, Part, Port, simple_port, weight_cells
from imcflow.targets.crossbar.models import CrossbarDescription
from imcflow.targets.crossbar.target import CrossbarTarget

I, O, W = Operand.INPUT, Operand.OUTPUT, Operand.WEIGHT  # noqa: E741 (the names of the operands in the literature)


def _description(name: str) -> CrossbarDescription:
    found = load_target(name)
    assert isinstance(found, CrossbarDescription)
    return found


@pytest.fixture(scope="session")
def description() -> Callable[[str], CrossbarDescription]:
    """A crossbar preset by name."""
    return _description


@pytest.fixture(scope="session")
def preset() -> Callable[[str], CrossbarTarget]:
    """A crossbar preset by name, for the cost model."""
    return lambda name: _description(name).crossbar_target()


@pytest.fixture(scope="session")
def small_buffer_machine() -> Callable[[str], CrossbarTarget]:
    """The example machines with a buffer of only 32 KiB, by kind."""
    return _small_buffer_machine


def _small_buffer_machine(kind: str) -> CrossbarTarget:
    """The example machine shipped with ZigZag 3.9: 128 x 128 channels and a buffer of only 32 KiB."""
    macro = Macro(
        MacroKind(kind),
        128,
        128,
        bits_per_cycle=2 if kind == "aimc" else 1,
        adc_bits=8 if kind == "aimc" else None,
    )
    reads = frozenset({(I, Move.OUT_TO_BELOW), (O, Move.OUT_TO_BELOW), (O, Move.OUT_TO_ABOVE)})
    writes = frozenset({(I, Move.IN_FROM_ABOVE), (O, Move.IN_FROM_ABOVE), (O, Move.IN_FROM_BELOW)})
    return CrossbarTarget(
        f"example-{kind}",
        macro,
        (
            weight_cells(8, 1, 0.095),
            _registers("inputs", I, 8, Axis.COLUMNS, (Move.OUT_TO_BELOW, Move.IN_FROM_ABOVE)),
            _registers("outputs", O, 16, Axis.ROWS, tuple(Move)),
            MemoryLevel(
                "buffer",
                Part.SRAM,
                (I, O),
                262144,
                416.16,
                378.4,
                (Port("r", 64, 512, reads), Port("w", 64, 512, writes)),
            ),
            MemoryLevel(
                "DRAM", Part.DRAM, (I, W, O), 10**10, 700, 750, (simple_port("rw", 64, (I, W, O), tuple(Move)),)
            ),
        ),
    )


def _registers(name: str, operand: Operand, bits: int, shared: Axis, moves: tuple[Move, ...]) -> MemoryLevel:
    ports = tuple(simple_port(move, bits, (operand,), (move,)) for move in moves)
    return MemoryLevel(name, Part.REGISTERS, (operand,), bits, 0.021, 0.021, ports, frozenset({shared}))
