"""Description of an associative-processor target: racetrack arrays, their hierarchy, links and digital unit.

Sources and defaults: the machine model of `docs/instruction-stream.md`; every literature value in a preset names its
own source. Energies are per cell (one bit of one track in one row) unless the key says otherwise.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imcflow.runtime.counters import CycleWeights
from imcflow.runtime.program import TargetSummary
from imcflow.targets.schema import Quantity, StrictModel, TargetDescription, Unit


class ApArray(StrictModel):
    """Geometry of one array.

    Attributes:
        rows: SIMD lanes.
        tracks: nanowires per row.
        domains_per_track: bits of a nanowire.
        ports_per_track: read-write ports of a nanowire; the shift model knows one.
        tag_latch: "replace": each search replaces the tag; "or": it may also OR into it.
    """

    rows: int = Field(ge=1, le=65536)
    tracks: int = Field(ge=4, le=65536)
    domains_per_track: int = Field(ge=2, le=65536)
    ports_per_track: int = Field(ge=1, le=1)
    tag_latch: Literal["replace", "or"]
    source: str = Field(min_length=1)


class ApHierarchy(StrictModel):
    """How many arrays there are: banks of tiles of arrays."""

    arrays_per_tile: int = Field(ge=1, le=1 << 16)
    tiles_per_bank: int = Field(ge=1, le=1 << 16)
    banks: int = Field(ge=1, le=1 << 16)
    arrays_per_row_block: int = Field(ge=1, le=1 << 16)
    """Most arrays that one row block of a layer may use together; more parts of a layer run one after the other."""
    source: str = Field(min_length=1)

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
    max_pool: Unit
    relu: Unit
    residual_add: Unit


class ApTiming(StrictModel):
    """Times of array instructions.

    Attributes:
        cycle_ns: length of a cycle.
        search_cycles, write_cycles, shift_cycles: per array instruction and per shift cycle.
        load_cycles_per_bit, store_cycles_per_bit, move_cycles_per_bit: one bit of all lanes of a row block.
        shifts_overlap: whether ports move to the next bit while the array works on this one.
    """

    cycle_ns: Quantity
    search_cycles: Quantity
    write_cycles: Quantity
    shift_cycles: Quantity
    load_cycles_per_bit: Quantity
    store_cycles_per_bit: Quantity
    move_cycles_per_bit: Quantity
    shifts_overlap: bool


class ApEnergy(StrictModel):
    """Energies of array instructions.

    Attributes:
        energy_class: "memory": peripherals of a racetrack memory; "cam": bare content-addressable cells, femtojoules.
            One description must not mix them: they differ a hundredfold.
        search_fj_per_cell: one key cell of one row.
        write_fj_per_cell: one written cell.
        shift_fj_per_step: one track of one row by one domain.
        load_fj_per_bit, store_fj_per_bit, move_fj_per_bit: bits between activation buffer and arrays, or arrays.
        tagged_rows_share: share of the rows that a search tags, for writes that only touch tagged rows.
    """

    energy_class: Literal["memory", "cam"]
    search_fj_per_cell: Quantity
    write_fj_per_cell: Quantity
    shift_fj_per_step: Quantity
    load_fj_per_bit: Quantity
    store_fj_per_bit: Quantity
    move_fj_per_bit: Quantity
    tagged_rows_share: Quantity

    @model_validator(mode="after")
    def _share_is_a_share(self) -> ApEnergy:
        if self.tagged_rows_share.value > 1:
            raise ValueError("tagged_rows_share must be at most 1")
        return self


class ApDigitalUnit(StrictModel):
    """The digital unit beside the arrays: thresholds, pooling and everything in floating point."""

    lanes: int = Field(ge=1, le=1 << 20)
    """Scalar operations per cycle."""
    clock_ghz: Quantity
    operation_fj: Quantity
    step_lookup_fj: Quantity


class ApArea(StrictModel):
    """Areas, where known."""

    array_um2: Quantity
    digital_unit_um2: Quantity


class ApTarget(TargetDescription):
    """An associative processor."""

    array: ApArray
    hierarchy: ApHierarchy
    units: ApUnits
    timing: ApTiming
    energy: ApEnergy
    digital_unit: ApDigitalUnit
    endurance_writes_per_cell: Quantity
    area: ApArea | None = None

    def summary(self) -> TargetSummary:
        """Return what a program carries of this target."""
        return TargetSummary(
            name=self.name,
            kind=self.kind,
            content_hash=self.content_hash,
            rows=self.array.rows,
            tracks=self.array.tracks,
            domains=self.array.domains_per_track,
            or_latch=self.array.tag_latch == "or",
            array_count=self.hierarchy.arrays_per_row_block,
        )

    def cycle_weights(self) -> CycleWeights:
        """Return the cycles that each counted event takes."""
        timing = self.timing
        return CycleWeights(
            search=timing.search_cycles.value,
            write=timing.write_cycles.value,
            shift=timing.shift_cycles.value,
            load=timing.load_cycles_per_bit.value,
            store=timing.store_cycles_per_bit.value,
            move=timing.move_cycles_per_bit.value,
            shifts_overlap=timing.shifts_overlap,
        )
