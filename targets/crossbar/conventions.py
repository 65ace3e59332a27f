"""The choices a cost model makes where released models differ, as switches with three named sets.

`PHYSICAL` is what this package means by default. `ZIGZAG_3_9` and `ICCAD23` follow the two released tools choice by
choice, so that figures can be compared like for like (sheet 2.9, 4, 5, 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imcflow.errors import TargetError
from imcflow.targets.crossbar.peak import ClockModel


class MultiplierGating(StrEnum):
    """Which multipliers toggle when only part of the array is mapped."""

    NONE = "none"
    """Every multiplier of the array (digital macros; analog ones gate rows)."""
    ROWS = "rows"
    """Mapped rows, all columns."""
    ALL = "all"
    """Mapped rows and mapped columns."""


class Rounding(StrEnum):
    """What a transfer costs when it does not fill a port."""

    EXACT = "exact"
    """The bits moved."""
    PORT_MINIMUM = "port-minimum"
    """Bits rounded up to a multiple of the port's minimum width."""
    FULL_WIDTH = "full-width"
    """Whole accesses, each at the full width."""


class SpatialSearch(StrEnum):
    """How spatial mappings are proposed."""

    UNEVEN = "uneven"
    """As many rows and columns as fit, uneven last tiles, windows laid diagonally for depthwise layers."""
    DIVISORS = "divisors"
    """Divisors of the layer's dimensions, the three with the most multipliers in use (ZigZag 3.9)."""
    EVERY = "every"
    """Every prime-factor product, however few multipliers it uses (one stored pair of ICCAD'23 runs)."""
    FULLEST = "fullest"
    """Prime-factor products with the most multipliers in use, output columns spread on a diagonal (ICCAD'23)."""


class Objective(StrEnum):
    """What the mapping search minimises."""

    ENERGY = "energy"
    LATENCY = "latency"
    EDP = "edp"


@dataclass(frozen=True, slots=True)
class Conventions:
    """One consistent set of choices.

    Args:
        clock: critical path of the shift accumulator.
        gating: multipliers that toggle in a partly used array.
        average_rows: macro energy uses the average rows and columns of uneven tiles, else the nominal unrolling.
        tree_extra_bit: adder trees of layers take inputs of B_w + 1 bits (the released ICCAD'23 digital results).
        precharge_other_cells: the bit-line segment of the selected weight itself is not recharged (ICCAD'23).
        precharge_divided_twice: the stationarity of weights is divided out twice (ZigZag 3.9; sheet 4.3).
        rounding: cost of a transfer that does not fill its port.
        clip_padding: padding is not stored and not moved.
        diagonal_rows: output positions or groups on the columns use rows of their own, each with its own input
            register; else they are words of the registers of the window's rows.
        sliding_registers: input registers shift along the innermost output loop, so a window is loaded once.
        branch_tensors_on_chip: results read by several layers, or joined by an addition, stay in the buffer when they
            fit; else they go through the outermost memory.
        levels_per_layer: a level is left out when a layer's operand fits below it; else the network decides.
        weights_resident: weights stay in the cells between inferences when the whole network fits.
        network_io_on_chip: the network's input is already in the buffer and its output stays there.
        serial_weight_loading: one row of weights per cycle, never hidden behind computation (ICCAD'23); else weight
            loading is a port activity like every other.
        registers_are_wired: the multipliers see the registers directly; reading them never stalls.
        loading_counts: loading before the first and unloading after the last cycle belong to a layer's latency.
        spatial: how spatial mappings are proposed.
        loop_factor_limit: loops are split into at most this many factors before ordering them.
    """

    name: str
    clock: ClockModel = ClockModel.ZIGZAG_3_9
    gating: MultiplierGating = MultiplierGating.ALL
    average_rows: bool = True
    tree_extra_bit: bool = False
    precharge_other_cells: bool = False
    precharge_divided_twice: bool = False
    rounding: Rounding = Rounding.EXACT
    clip_padding: bool = True
    diagonal_rows: bool = True
    sliding_registers: bool = False
    branch_tensors_on_chip: bool = True
    levels_per_layer: bool = False
    weights_resident: bool = True
    network_io_on_chip: bool = True
    serial_weight_loading: bool = False
    registers_are_wired: bool = True
    loading_counts: bool = True
    spatial: SpatialSearch = SpatialSearch.UNEVEN
    loop_factor_limit: int = 6


PHYSICAL = Conventions("physical")

ZIGZAG_3_9 = Conventions(
    "zigzag-3.9",
    gating=MultiplierGating.NONE,
    average_rows=False,
    precharge_divided_twice=True,
    rounding=Rounding.PORT_MINIMUM,
    diagonal_rows=False,
    branch_tensors_on_chip=False,
    weights_resident=False,
    registers_are_wired=False,
    spatial=SpatialSearch.DIVISORS,
)

ICCAD23 = Conventions(
    "iccad23",
    clock=ClockModel.ICCAD23,
    gating=MultiplierGating.ROWS,
    tree_extra_bit=True,
    precharge_other_cells=True,
    rounding=Rounding.FULL_WIDTH,
    clip_padding=False,
    diagonal_rows=False,
    sliding_registers=True,
    levels_per_layer=True,
    weights_resident=False,
    serial_weight_loading=True,
    registers_are_wired=False,
    loading_counts=False,
    spatial=SpatialSearch.FULLEST,
)


def conventions_named(name: str) -> Conventions:
    """Return a set by its name.

    Raises:
        TargetError: there is none of that name.
    """
    known = {found.name: found for found in (PHYSICAL, ZIGZAG_3_9, ICCAD23)}
    if name not in known:
        raise TargetError(f"conventions '{name}' are unknown; choose {', '.join(known)}")
    return known[name]
