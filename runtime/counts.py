"""Sums of what instructions do, and how many cycles each of it takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class Counts:
    """Sums over some instructions, for one row block.

    Attributes:
        instructions: macro instructions.
        searches, writes: array instructions.
        searched_cells: cells in the keys, summed; times rows, the cells that are compared.
        written_cells: cells in the written values, summed; of these, `cleared_cells` are written in every row, the
            others only in the rows that the tag holds.
        shifts: single steps of single tracks.
        shift_cycles: cycles spent shifting; tracks move in parallel.
        load_bits, store_bits, move_bits: bits per lane that enter, leave, or go from array to array.
        step_lookups: results per lane that go through a step table in the digital unit.
    """

    instructions: int = 0
    searches: int = 0
    writes: int = 0
    searched_cells: int = 0
    written_cells: int = 0
    cleared_cells: int = 0
    shifts: int = 0
    shift_cycles: int = 0
    load_bits: int = 0
    store_bits: int = 0
    move_bits: int = 0
    step_lookups: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in COUNT_NAMES))

    @property
    def cycles(self) -> int:
        """Cycles if every search, write, shift and moved bit takes one and nothing overlaps."""
        return self.searches + self.writes + self.shift_cycles + self.load_bits + self.store_bits + self.move_bits

    def weighted_cycles(self, weights: CycleWeights) -> float:
        """Cycles if nothing overlaps, each event taking as many as `weights` say."""
        return (
            self.searches * weights.search
            + self.writes * weights.write
            + self.shift_cycles * weights.shift
            + self.load_bits * weights.load
            + self.store_bits * weights.store
            + self.move_bits * weights.move
        )

    def to_json(self) -> dict[str, int]:
        """Return all counts and `cycles` by name."""
        return {**asdict(self), "cycles": self.cycles}


COUNT_NAMES = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True)
class CycleWeights:
    """Cycles that one event takes.

    Attributes:
        search, write, shift: per array instruction and per shift cycle.
        load, store: per bit of a word that is moved, all lanes of a row block together.
        move: the same between arrays of one tile; `move_between_tiles` and `move_between_banks` where they are farther.
        arrays_per_tile, arrays_per_bank: which arrays of a kernel are near: it begins at a tile and a bank.
        shifts_overlap: ports of the next bit step move while the array works: an instruction takes the longer of the
            two instead of their sum.
    """

    search: float = 1.0
    write: float = 1.0
    shift: float = 1.0
    load: float = 1.0
    store: float = 1.0
    move: float = 1.0
    move_between_tiles: float = 1.0
    move_between_banks: float = 1.0
    arrays_per_tile: int = 1 << 32
    arrays_per_bank: int = 1 << 32
    shifts_overlap: bool = False


UNIT_WEIGHTS = CycleWeights()
