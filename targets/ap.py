"""Description of an associative-processor target: racetrack arrays, their hierarchy, links and digital unit.

Sources and defaults: the machine model of `docs/instruction-stream.md`; every literature value in a preset names its
own source. Energies are per cell (one bit of one track in one row) unless the key says otherwise.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imcflow.runtime.counts import CycleWeights
from imcflow.runtime.program import TargetSummary
from imcflow.targets.schema import PositiveQuantity, Quantity, StrictModel, TargetDescription, Unit


class ApArray(StrictModel):
    """Geometry of one array."""

    rows: int = Field(ge=1, le=65536)
    """SIMD lanes: output positions that one array computes at once."""
    tracks: int = Field(ge=4, le=65536)
    """Nanowires per row."""
    domains_per_track: int = Field(ge=2, le=65536)
    """Bits of a nanowire."""
    ports_per_track: int = Field(ge=1, le=65536)
    """Read-write ports of a nanowire, evenly spaced: a divisor of the domains. A word uses the port next below it."""
    tag_latch: Literal["replace", "or"]
    """`replace`: each search replaces the tag; `or`: a search may also OR into it."""
    source: str = Field(min_length=1)
    """Where the values of this part come from."""

    @model_validator(mode="after")
    def _ports_are_evenly_spaced(self) -> ApArray:
        if self.domains_per_track % self.ports_per_track:
            raise ValueError(f"ports_per_track {self.ports_per_track} must divide {self.domains_per_track} domains")
        return self


class ApHierarchy(StrictModel):
    """How many arrays there are: banks of tiles of arrays."""

    arrays_per_tile: int = Field(ge=1, le=1 << 16)
    """Arrays of a tile."""
    tiles_per_bank: int = Field(ge=1, le=1 << 16)
    """Tiles of a bank."""
    banks: int = Field(ge=1, le=1 << 16)
    """Banks."""
    arrays_per_row_block: int = Field(ge=1, le=1 << 16)
    """Most arrays that one row block of a layer may use together; more parts of a layer run one after the other."""
    source: str = Field(min_length=1)
    """Where the values of this part come from."""

    @property
    def arrays(self) -> int:
        """All arrays."""
        return self.arrays_per_tile * self.tiles_per_bank * self.banks

    @model_validator(mode="after")
    def _row_block_fits(self) -> ApHierarchy:
        if self.arrays_per_row_block > self.arrays:
            raise ValueError(f"arrays_per_row_block {self.arrays_per_row_block} exceeds all {self.arrays} arrays")
        return self


class ApUnits(StrictModel):
    """Where the operations around the sums run: in the arrays or in the digital unit."""

    thresholds: Unit
    """Step functions behind a layer."""
    max_pool: Unit
    """Maximum pooling."""
    relu: Literal["digital"]
    """ReLU that no step function absorbs; the compiler has no array code for it yet."""
    residual_add: Unit
    """Addition of two activation tensors."""


def _levels(near: Quantity, tiles: Quantity | None, banks: Quantity | None) -> tuple[float, float, float]:
    between_tiles = tiles or near
    return near.value, between_tiles.value, (banks or between_tiles).value


class ApTiming(StrictModel):
    """Times of array instructions."""

    cycle_ns: Quantity
    """Length of a cycle."""
    search_cycles: Quantity
    """Cycles of a search."""
    write_cycles: Quantity
    """Cycles of a write."""
    shift_cycles: Quantity
    """Cycles to move ports by one domain; tracks move in parallel."""
    load_cycles_per_bit: Quantity
    """Cycles to bring one bit of every lane of a row block into the array."""
    store_cycles_per_bit: Quantity
    """Cycles to take one bit of every lane out of the array."""
    move_cycles_per_bit: Quantity
    """Cycles to take one bit of every lane to another array of the tile."""
    move_between_tiles_cycles_per_bit: Quantity | None = None
    """The same to another tile of the bank; absent: as within a tile."""
    move_between_banks_cycles_per_bit: Quantity | None = None
    """The same to another bank; absent: as between tiles."""
    shifts_overlap: bool
    """Whether ports move to the next bit while the array works on this one."""


class ApEnergy(StrictModel):
    """Energies of array instructions."""

    energy_class: Literal["memory", "cam"]
    """`memory`: with the peripherals of a racetrack memory; `cam`: bare content-addressable cells. They differ a
    hundredfold: one description must not mix them."""
    search_fj_per_cell: Quantity
    """One key cell of one row."""
    write_fj_per_cell: Quantity
    """One written cell of one row."""
    shift_fj_per_step: Quantity
    """One track of one row, moved by one domain."""
    load_fj_per_bit: Quantity
    """One bit from the activation buffer into an array."""
    store_fj_per_bit: Quantity
    """One bit from an array into the activation buffer."""
    move_fj_per_bit: Quantity
    """One bit from array to array of a tile."""
    move_between_tiles_fj_per_bit: Quantity | None = None
    """One bit to another tile of the bank; absent: as within a tile."""
    move_between_banks_fj_per_bit: Quantity | None = None
    """One bit to another bank; absent: as between tiles."""

    def move_fj(self) -> tuple[float, float, float]:
        """Return the energies of a moved bit within a tile, between tiles and between banks."""
        return _levels(self.move_fj_per_bit, self.move_between_tiles_fj_per_bit, self.move_between_banks_fj_per_bit)

    tagged_rows_factor: Quantity
    """Cells that writes behind searches reach, over those of uniformly random bits (counted for every sequence)."""


class ApDigitalUnit(StrictModel):
    """The digital unit beside the arrays: thresholds, pooling and everything in floating point."""

    lanes: int = Field(ge=1, le=1 << 20)
    """Scalar operations per cycle."""
    clock_ghz: PositiveQuantity
    """Clock of the digital unit."""
    operation_fj: Quantity
    """One scalar operation."""
    step_lookup_fj: Quantity
    """One look-up in a step table."""


class ApArea(StrictModel):
    """Areas, where known."""

    array_um2: Quantity
    """One array with its peripherals."""
    digital_unit_um2: Quantity
    """The digital unit."""


class ApTarget(TargetDescription):
    """An associative processor."""

    array: ApArray
    hierarchy: ApHierarchy
    units: ApUnits
    timing: ApTiming
    energy: ApEnergy
    digital_unit: ApDigitalUnit
    endurance_writes_per_cell: Quantity
    """Writes that a cell survives."""
    area: ApArea | None = None
    """Areas, where known."""

    def summary(self) -> TargetSummary:
        """Return what a program carries of this target."""
        return TargetSummary(
            name=self.name,
            kind=self.kind,
            content_hash=self.content_hash,
            rows=self.array.rows,
            tracks=self.array.tracks,
            domains=self.array.domains_per_track,
            ports=self.array.ports_per_track,
            or_latch=self.array.tag_latch == "or",
            array_count=self.hierarchy.arrays_per_row_block,
        )

    def cycle_weights(self) -> CycleWeights:
        """Return the cycles that each counted event takes."""
        timing, hierarchy = self.timing, self.hierarchy
        near, tiles, banks = _levels(
            timing.move_cycles_per_bit,
            timing.move_between_tiles_cycles_per_bit,
            timing.move_between_banks_cycles_per_bit,
        )
        return CycleWeights(
            search=timing.search_cycles.value,
            write=timing.write_cycles.value,
            shift=timing.shift_cycles.value,
            load=timing.load_cycles_per_bit.value,
            store=timing.store_cycles_per_bit.value,
            move=near,
            move_between_tiles=tiles,
            move_between_banks=banks,
            arrays_per_tile=hierarchy.arrays_per_tile,
            arrays_per_bank=hierarchy.arrays_per_tile * hierarchy.tiles_per_bank,
            shifts_overlap=timing.shifts_overlap,
        )
