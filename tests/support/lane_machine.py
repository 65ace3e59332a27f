"""The instruction set on integer lanes, one instruction after the other: the oracle of emission tests.

A cell holds one bit per lane; nothing here knows about searches, writes or shifts. Reading a cell that was never
written, a false promise of zero or two words on one track are errors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from imcflow.runtime.isa import OPERANDS, Flag, Opcode


class LaneMachine:
    """One kernel's arrays: `bits[cell]` is an int64 row of lanes, -1 where undefined."""

    def __init__(self, windows: list[Any], domains: int, tracks: int, arrays: int = 1, steps: Any = None) -> None:
        self.windows = windows  # per port: int64 [elements, lanes]
        self.domains = domains
        self.steps = steps  # (thresholds, low, descending)
        self.bits = np.full((arrays * tracks * domains, windows[0].shape[1]), -1, dtype=np.int64)
        self.outputs: dict[tuple[int, int], Any] = {}

    def read(self, cell: int, bits: int, signed: bool) -> Any:
        word = self.bits[cell : cell + bits]
        assert np.all(word >= 0), f"cells {cell}..{cell + bits} are read before they are written"
        value = (word << np.arange(bits)[:, None]).sum(axis=0)
        return value - (word[-1] << bits) if signed else value

    def write(self, cell: int, bits: int, value: Any) -> None:
        assert cell // self.domains == (cell + bits - 1) // self.domains, "a word leaves its track"
        lanes = np.broadcast_to(np.asarray(value, dtype=np.int64), self.bits.shape[1:])
        self.bits[cell : cell + bits] = lanes[None, :] >> np.arange(bits)[:, None] & 1

    def run(self, table: Any) -> None:
        for row in table:
            self.step(**{name: int(row[name]) for name in table.dtype.names})

    def step(self, **f: int) -> None:
        opcode, flags = Opcode(f["opcode"]), Flag(f["flags"])
        use = OPERANDS[opcode]
        assert flags & ~use.flags == Flag(0), f"{opcode.name} has no flag {flags}"
        words = {*use.reads, *use.writes, *use.cells}
        named = words | {f"{name}_bits" for name in words - set(use.cells)} | set(use.immediates)
        for name in set(f) - named - {"opcode", "flags"}:
            assert f[name] == 0, f"{opcode.name} leaves {name}={f[name]}"
        tracks = [f[name] // self.domains for name in words]
        assert len(set(tracks)) == len(tracks), f"{opcode.name}: two words on one track"

        def word(name: str, signed: Flag) -> Any:
            return self.read(f[name], f[f"{name}_bits"], signed in flags) if name in use.reads else None

        a, b, r = word("a", Flag.A_SIGNED), word("b", Flag.B_SIGNED), word("r", Flag.R_SIGNED)
        if Flag.R_IS_ZERO in flags:
            assert np.all(self.read(f["r"], f["r_bits"], False) == 0), "R is not zero"
        if opcode in (Opcode.STORE, Opcode.STORE_STEP):
            assert (f["port"], f["imm"]) not in self.outputs, "stored twice"
            self.outputs[f["port"], f["imm"]] = a if opcode is Opcode.STORE else self.look_up(a, f["imm2"])
            return
        if opcode is Opcode.CLEAR:
            for index in range(f["imm"]):
                self.write(f["r"] + index * self.domains, f["r_bits"], 0)
            return
        result: Any
        match opcode:
            case Opcode.LOAD:
                result = self.windows[f["port"]][f["imm"]]
            case Opcode.SET:
                result = f["imm"]
            case Opcode.COPY | Opcode.MOVE:
                result = a
            case Opcode.ADD:
                result = a + b
            case Opcode.SUB:
                result = a - b
            case Opcode.NEG:
                result = -a
            case Opcode.ADD_INTO:
                result = r + a
            case Opcode.SUB_FROM:
                result = r - a
            case Opcode.MAX_INTO:
                signed = Flag.R_SIGNED in flags
                result = np.maximum(r, self.read(f["a"], f["a_bits"], signed))
            case Opcode.RELU:
                result = np.maximum(self.read(f["r"], f["r_bits"], True), 0)
            case Opcode.STEP:
                result = np.where(a >= f["imm"], f["imm2"], r)
        self.write(f["r"], f["r_bits"], result)
        for name in use.cells:
            if Flag.C_IS_ZERO in flags and name == "c":
                assert np.all(self.bits[f["c"]] == 0) or opcode in CARRY_KNOWN, "C is not zero"
            self.bits[f[name]] = 0

    def look_up(self, value: Any, row: int) -> Any:
        thresholds, low, descending = self.steps
        count = (value[:, None] >= thresholds[row]).sum(axis=1)
        return low[row] + (thresholds.shape[1] - count if descending[row] else count)


CARRY_KNOWN = ()
"""The carry out is not modelled: the loader's proof of C_IS_ZERO is tested in `tests/unit/runtime`."""
