"""Random valid instruction streams over every opcode, for comparing executors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from imcflow.runtime.isa import Flag, Opcode, instruction_dtype
from imcflow.runtime.program import ApKernel, ApOutput, Window

TRACKS, DOMAINS, ARRAYS = 256, 64, 2


@dataclass
class Word:
    array: int
    cell: int
    bits: int


@dataclass
class StreamBuilder:
    """Emits instructions; every word lives on its own track, every cell is written before it is read."""

    rng: np.random.Generator
    rows: list[dict[str, int]] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    next_track: list[int] = field(default_factory=lambda: [0] * ARRAYS)

    def emit(self, opcode: Opcode, **fields: int) -> None:
        self.rows.append({"opcode": int(opcode), **fields})

    def fresh(self, array: int, bits: int) -> Word:
        """A word on a new track whose cells hold nothing yet."""
        track = self.next_track[array]
        self.next_track[array] += 1
        domain = int(self.rng.integers(0, DOMAINS - bits + 1))
        return Word(array, (array * TRACKS + track) * DOMAINS + domain, bits)

    def pick(self, array: int) -> Word:
        here = [word for word in self.words if word.array == array]
        return here[int(self.rng.integers(len(here)))]

    def flag(self, flag: Flag) -> int:
        return int(flag) if self.rng.integers(2) else 0

    def carry(self, array: int) -> tuple[int, int]:
        """A carry cell and the flags to use it with."""
        word = self.fresh(array, 1)
        self.words.append(word)
        if self.rng.integers(2):
            return word.cell, 0
        self.emit(Opcode.SET, r=word.cell, r_bits=1)
        return word.cell, int(Flag.C_IS_ZERO)

    def result(self, array: int) -> tuple[Word, int]:
        """A result word and the flags to write it with."""
        word = self.fresh(array, int(self.rng.integers(1, 20)))
        self.words.append(word)
        if self.rng.integers(2):
            return word, 0
        self.emit(Opcode.CLEAR, r=word.cell, r_bits=word.bits, imm=1)
        return word, int(Flag.R_IS_ZERO)

    def random_instruction(self, opcode: Opcode, array: int) -> None:
        a, b = self.pick(array), self.pick(array)
        if opcode in (Opcode.ADD, Opcode.SUB):
            (r, r_flag), (c, c_flag) = self.result(array), self.carry(array)
            flags = r_flag | c_flag | self.flag(Flag.A_SIGNED) | self.flag(Flag.B_SIGNED)
            widths = {"a_bits": a.bits, "b_bits": b.bits, "r_bits": r.bits}
            self.emit(opcode, flags=flags, a=a.cell, b=b.cell, r=r.cell, c=c, **widths)
        elif opcode is Opcode.NEG:
            (r, r_flag), (c, c_flag) = self.result(array), self.carry(array)
            flags = r_flag | c_flag | self.flag(Flag.A_SIGNED)
            self.emit(opcode, flags=flags, a=a.cell, a_bits=a.bits, r=r.cell, r_bits=r.bits, c=c)
        elif opcode is Opcode.COPY:
            r, r_flag = self.result(array)
            flags = r_flag | self.flag(Flag.A_SIGNED)
            self.emit(opcode, flags=flags, a=a.cell, a_bits=a.bits, r=r.cell, r_bits=r.bits)
        elif opcode in (Opcode.ADD_INTO, Opcode.SUB_FROM):
            if a is b:
                return
            c, c_flag = self.carry(array)
            flags = c_flag | self.flag(Flag.A_SIGNED)
            self.emit(opcode, flags=flags, a=a.cell, a_bits=a.bits, r=b.cell, r_bits=b.bits, c=c)
        elif opcode is Opcode.MAX_INTO:
            if a is b:
                return
            bits = min(a.bits, b.bits)
            (c, _), (d, _) = self.carry(array), self.carry(array)
            self.emit(opcode, flags=self.flag(Flag.R_SIGNED), a=a.cell, r=b.cell, a_bits=bits, r_bits=bits, c=c, b=d)
        elif opcode is Opcode.RELU:
            self.emit(opcode, r=a.cell, r_bits=a.bits)
        elif opcode is Opcode.SET:
            self.emit(opcode, r=a.cell, r_bits=a.bits, imm=int(self.rng.integers(-(2**31), 2**31)))
        elif opcode is Opcode.CLEAR:
            first = self.fresh(array, a.bits)
            count = int(self.rng.integers(1, 4))
            self.next_track[array] += count - 1
            self.words += [Word(array, first.cell + DOMAINS * i, a.bits) for i in range(count)]
            self.emit(opcode, r=first.cell, r_bits=a.bits, imm=count)
        elif opcode is Opcode.STEP:
            if a is b:
                return
            signed = self.flag(Flag.A_SIGNED)
            low, high = (-(1 << (a.bits - 1)), 1 << (a.bits - 1)) if signed else (0, 1 << a.bits)
            (c, _), (d, _) = self.carry(array), self.carry(array)
            threshold = int(self.rng.integers(max(low, -(2**31)), min(high, 2**31)))
            fields = {"imm": threshold, "imm2": int(self.rng.integers(-(2**31), 2**31))}
            self.emit(opcode, flags=signed, a=a.cell, a_bits=a.bits, r=b.cell, r_bits=b.bits, c=c, b=d, **fields)
        elif opcode is Opcode.MOVE:
            r = self.fresh(1 - array, a.bits)
            self.words.append(r)
            self.emit(opcode, a=a.cell, a_bits=a.bits, r=r.cell, r_bits=a.bits)


def random_window(rng: np.random.Generator, height: int, width: int, kernel: tuple[int, int], bits: int) -> Window:
    """A window with `height` x `width` output positions."""
    strides = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    dilations = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    reach = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    pads = [int(pad) for pad in rng.integers(0, 3, 4)]
    sizes = []
    for axis, positions in enumerate((height, width)):
        size = (positions - 1) * strides[axis] + reach[axis] - pads[axis] - pads[axis + 2]
        if size < 1:
            pads[axis] = pads[axis + 2] = 0
            size = (positions - 1) * strides[axis] + reach[axis]
        sizes.append(size + int(rng.integers(0, strides[axis])))
    signed = bool(rng.integers(2))
    low = -(1 << (bits - 1)) if signed else 0
    pad_value = low + int(rng.integers(0, 1 << bits))
    channels = int(rng.integers(1, 4))
    return Window(
        0,
        channels,
        sizes[0],
        sizes[1],
        kernel,
        strides,
        (pads[0], pads[1], pads[2], pads[3]),
        dilations,
        pad_value,
        bits,
        signed,
    )


StreamMaker = Callable[[int], tuple[ApKernel, list[np.ndarray]]]


@pytest.fixture(scope="session")
def random_stream() -> StreamMaker:
    """A function from a seed to a kernel and int64 input tensors [images, channels, height, width]."""

    def make(seed: int) -> tuple[ApKernel, list[np.ndarray]]:
        rng = np.random.default_rng(seed)
        height, width, images = (int(size) for size in rng.integers(1, 20, 3))
        kernel_size = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        windows = [random_window(rng, height, width, kernel_size, int(rng.integers(1, 14))) for _ in range(2)]
        tensors = []
        for window in windows:
            low = -(1 << (window.bits - 1)) if window.signed else 0
            shape = (images, window.channels, window.height, window.width)
            tensors.append(rng.integers(low, low + (1 << window.bits), shape, dtype=np.int64))
        builder = StreamBuilder(rng)
        for port, window in enumerate(windows):
            for array in range(ARRAYS):
                for _ in range(3):
                    word = builder.fresh(array, window.bits)
                    builder.words.append(word)
                    element = int(rng.integers(window.elements))
                    builder.emit(Opcode.LOAD, r=word.cell, r_bits=word.bits, port=port, imm=element)
        opcodes = [op for op in Opcode if op not in (Opcode.LOAD, Opcode.STORE, Opcode.STORE_STEP)]
        for _ in range(25):
            builder.random_instruction(opcodes[int(rng.integers(len(opcodes)))], int(rng.integers(ARRAYS)))
        table_rows, levels = 4, int(rng.integers(1, 16))
        ports = [(8, True), (4, False), (16, True), (16, False), (32, True), (62, True), (62, False)]
        counts = [0] * len(ports)
        for word in builder.words:
            for signed in (False, True):
                fitting = [
                    i for i, (bits, port_signed) in enumerate(ports) if bits >= word.bits and signed == port_signed
                ]
                if not fitting:
                    continue
                port = fitting[int(rng.integers(len(fitting)))]
                flags = int(Flag.A_SIGNED) if signed else 0
                fields = {"a": word.cell, "a_bits": word.bits, "flags": flags, "port": port, "imm": counts[port]}
                builder.emit(Opcode.STORE, **fields)
                counts[port] += 1
                fields |= {"port": 0, "imm": counts[0], "imm2": int(rng.integers(table_rows))}
                builder.emit(Opcode.STORE_STEP, **fields)
                counts[0] += 1
        table = np.zeros(len(builder.rows), instruction_dtype())
        for row, fields in zip(table, builder.rows, strict=True):
            for name, value in fields.items():
                row[name] = value
        spread = int(rng.choice([20, 3000, 2**40]))
        kernel = ApKernel(
            name=f"random{seed}",
            onnx_nodes=(),
            inputs=tuple(windows),
            outputs=tuple(
                ApOutput(0, max(1, count), height, width, bits, signed)
                for count, (bits, signed) in zip(counts, ports, strict=True)
            ),
            instructions=table,
            step_thresholds=np.sort(rng.integers(-spread, spread, (table_rows, levels), dtype=np.int64), axis=1),
            step_low=rng.integers(-100, 100, table_rows, dtype=np.int64),
            step_descending=rng.integers(0, 2, table_rows).astype(np.bool_),
            array_count=ARRAYS,
        )
        return kernel, tensors

    return make
