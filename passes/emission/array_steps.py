"""Step functions inside the array: STORE_STEP becomes a SET, one STEP per threshold, and a STORE.

For targets whose description says `units.thresholds: ap`. The word and the flags of a step function live only between
two instructions of the stream, in cells that no other word ever uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import TargetError
from imcflow.runtime.isa import OPERANDS, Flag, Opcode, instruction_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.passes.allocation.allocate import ArrayGeometry
    from imcflow.passes.emission.steps import StepTable
    from imcflow.runtime.program import ElementType

    Table = NDArray[np.void]

_TRACKS_NEEDED = 4
"""Result and two flags lie on three tracks other than that of the sum, whichever that is."""
_IMMEDIATES = (-(1 << 31), (1 << 31) - 1)


@dataclass(frozen=True)
class ArraySteps:
    """Replaces the step look-ups of one kernel.

    Attributes:
        steps: the kernel's step table.
        geometry: of an array.
        result: type of the output.
        layer: name for messages.
    """

    steps: StepTable
    geometry: ArrayGeometry
    result: ElementType
    layer: str

    def expand(self, table: Table) -> tuple[Table, NDArray[np.int64]]:
        """Replace every STORE_STEP.

        Args:
            table: instructions of the whole kernel.

        Returns:
            the new table; and where each instruction of the old one, and its end, now starts, int64 [n + 1].

        Raises:
            TargetError: an array has no room for the result and the flags, or a threshold does not fit an instruction.
        """
        stores = np.flatnonzero(table["opcode"] == Opcode.STORE_STEP).tolist()
        arrays = {store: int(table["a"][store]) // self._cells_per_array for store in stores}
        scratch = {array: self._free_words(table, array) for array in sorted(set(arrays.values()))}
        groups = [self._group(table[store], scratch[arrays[store]]) for store in stores]
        length = np.ones(len(table), np.int64)
        length[stores] = [len(group) for group in groups]
        start = np.concatenate(([0], np.cumsum(length)))
        expanded: Table = np.zeros(int(start[-1]), instruction_dtype())
        expanded[start[:-1]] = table
        for store, group in zip(stores, groups, strict=True):
            expanded[start[store] : start[store + 1]] = group
        return expanded, start

    @property
    def _cells_per_array(self) -> int:
        return self.geometry.tracks * self.geometry.domains

    def _group(self, row: Any, scratch: list[int]) -> Table:
        source, bits, sign = int(row["a"]), int(row["a_bits"]), int(row["flags"]) & Flag.A_SIGNED
        low = -(1 << (bits - 1)) if sign else 0
        high = (1 << (bits - bool(sign))) - 1
        base, crossed = self._levels(int(row["imm2"]), low, high)
        result, first_flag, second_flag = [
            cell for cell in scratch if cell // self.geometry.domains != source // self.geometry.domains
        ][:3]
        group: Table = np.zeros(len(crossed) + 2, instruction_dtype())
        group["r"][:-1], group["r_bits"][:-1] = result, self.result.bits
        group["opcode"][0], group["imm"][0] = Opcode.SET, base
        tests = group[1:-1]
        tests["opcode"], tests["flags"] = Opcode.STEP, sign
        tests["a"], tests["a_bits"] = source, bits
        tests["c"], tests["b"] = first_flag, second_flag
        tests["imm"], tests["imm2"] = [at for at, _ in crossed], [value for _, value in crossed]
        group["opcode"][-1], group["flags"][-1] = Opcode.STORE, Flag.A_SIGNED if self.result.signed else 0
        group["a"][-1], group["a_bits"][-1] = result, self.result.bits
        group["port"][-1], group["imm"][-1] = row["port"], row["imm"]
        return group

    def _levels(self, row: int, low: int, high: int) -> tuple[int, list[tuple[int, int]]]:
        """Return the value at the lowest sum, and (threshold, value from there on) for those that sums can cross."""
        thresholds = self.steps.thresholds[row]
        places, counts = np.unique(thresholds, return_counts=True)
        reached = np.cumsum(counts)
        base, direction = int(self.steps.low[row]), 1
        if self.steps.descending[row]:
            base, direction = base + len(thresholds), -1
        always = int((thresholds <= low).sum())
        crossed = [
            (int(at), base + direction * int(count))
            for at, count in zip(places, reached, strict=True)
            if low < at <= high
        ]
        for at, _ in crossed:
            if not _IMMEDIATES[0] <= at <= _IMMEDIATES[1]:
                raise TargetError(f"{self.layer}: threshold {at} does not fit 32 bits; set units.thresholds to digital")
        return base + direction * always, crossed

    def _free_words(self, table: Table, array: int) -> list[int]:
        """Return one free word of `result.bits` on each of four tracks of an array.

        Cells that only CLEAR reaches are free: nothing that is promised to be 0 lies there.
        """
        used = np.zeros(self._cells_per_array, np.bool_)
        for opcode in np.unique(table["opcode"]).tolist():
            rows = table[table["opcode"] == opcode]
            use = OPERANDS[Opcode(opcode)]
            words = [(name, rows[f"{name}_bits"]) for name in {*use.reads, *use.writes} if opcode != Opcode.CLEAR]
            cells = [(name, np.ones(len(rows), np.uint8)) for name in use.cells]
            for name, bits in (*words, *cells):
                first = rows[name].astype(np.int64) - array * self._cells_per_array
                here = (first >= 0) & (first < self._cells_per_array)
                for bit in range(int(bits.max(initial=0))):
                    used[first[here & (bits > bit)] + bit] = True
        free = ~used.reshape(self.geometry.tracks, self.geometry.domains)
        size = self.result.bits
        if size <= self.geometry.domains:
            windows = np.lib.stride_tricks.sliding_window_view(free, size, axis=1)
            runs: NDArray[np.bool_] = np.asarray(windows.all(axis=2))
            tracks = np.flatnonzero(runs.any(axis=1))[:_TRACKS_NEEDED]
            if len(tracks) == _TRACKS_NEEDED:
                places = array * self._cells_per_array + tracks * self.geometry.domains + runs[tracks].argmax(axis=1)
                return [int(cell) for cell in places]
        raise TargetError(
            f"{self.layer}: step functions in the array need a free word of {size} bits on {_TRACKS_NEEDED} tracks, "
            f"array {array} has fewer; set units.thresholds to digital"
        )
