"""Counters from the stream equal a literal walk through every bit step, array by array."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.runtime.assembler import Geometry, assemble
from imcflow.runtime.counters import count_kernel, count_program
from imcflow.runtime.counts import UNIT_WEIGHTS, CycleWeights
from imcflow.runtime.isa import INSTRUCTION_FIELDS, Flag, Opcode
from imcflow.runtime.microcode import Kind, Macro, Role, expand
from imcflow.runtime.program import ApKernel, ApOutput, Program, TargetSummary


@dataclasses.dataclass
class Walk:
    """Ports and clocks of a machine that executes a stream literally."""

    target: TargetSummary
    ports: dict[int, int] = dataclasses.field(default_factory=dict)
    clocks: dict[int, int] = dataclasses.field(default_factory=dict)
    searches: int = 0
    writes: int = 0
    searched_cells: int = 0
    written_cells: int = 0
    cleared_cells: int = 0
    shifts: int = 0
    shift_cycles: int = 0

    def align(self, cells: list[int], words: Iterable[int]) -> int:
        """Move the tracks of all cells, of which `words` are the lowest of their word; return the cycles."""
        longest = 0
        section = self.target.domains // self.target.ports
        ports = {word // self.target.domains: word % self.target.domains // section * section for word in words}
        for cell in cells:
            track, domain = divmod(cell, self.target.domains)
            domain -= ports[track]
            distance = abs(domain - self.ports.get(track, 0))
            self.ports[track] = domain
            self.shifts += distance
            longest = max(longest, distance)
        self.shift_cycles += longest
        return longest

    def run(self, fields: dict[str, int]) -> None:
        macro = Macro(
            Opcode(fields["opcode"]),
            Flag(fields["flags"]),
            **{name: fields[name] for name in ("a_bits", "b_bits", "r_bits", "a", "b", "r", "c", "imm", "imm2")},
        )
        cycles = 0
        if macro.opcode in (Opcode.LOAD, Opcode.STORE, Opcode.STORE_STEP, Opcode.MOVE):
            for bit in range(max(macro.a_bits, macro.r_bits)):
                words = ((macro.a, macro.a_bits), (macro.r, macro.r_bits))
                used = [cell for cell, bits in words if bits]
                cycles += 1 + self.align([cell + bit for cell in used], used)
        for step in expand(macro, or_latch=self.target.or_latch, domains=self.target.domains):
            lowest = {Role.A: macro.a, Role.B: macro.b, Role.C: macro.c, Role.R: macro.r}
            places = [
                (cell, lowest[role] + number * self.target.domains)
                for role, cells in step.cells.items()
                for number, cell in enumerate(cells)
            ]
            cycles += self.align([cell for cell, _ in places], [word for _, word in places])
            for micro in step.micros:
                touched = sum(len(step.cells[role]) for role, _ in micro.cells)
                if micro.is_search:
                    self.searches += 1
                    self.searched_cells += touched
                else:
                    self.writes += 1
                    self.written_cells += touched
                    self.cleared_cells += touched * (micro.kind is Kind.WRITE_ALL)
                cycles += 1
        per_array = self.target.tracks * self.target.domains
        arrays = {macro.r // per_array if macro.r_bits else macro.a // per_array}
        if macro.opcode is Opcode.MOVE:
            arrays.add(macro.a // per_array)
        start = max(self.clocks.get(array, 0) for array in arrays)
        for array in arrays:
            self.clocks[array] = start + cycles

    def makespan(self) -> int:
        """Rewind every array and return when the last one ends."""
        return max(
            clock
            + max(
                (position for track, position in self.ports.items() if track // self.target.tracks == array), default=0
            )
            for array, clock in self.clocks.items()
        )


def walked(kernel: ApKernel, target: TargetSummary) -> Walk:
    walk = Walk(target)
    names = [name for name, _ in INSTRUCTION_FIELDS]
    for values in kernel.instructions.tolist():
        walk.run(dict(zip(names, values, strict=True)))
    return walk


def assert_equal_to_walk(kernel: ApKernel, target: TargetSummary) -> None:
    walk = walked(kernel, target)
    counted = count_kernel(kernel, target)
    for name in ("searches", "writes", "searched_cells", "written_cells", "cleared_cells", "shifts", "shift_cycles"):
        assert getattr(counted.totals, name) == getattr(walk, name), name
    assert counted.rewind_shifts == sum(walk.ports.values())
    assert counted.rewind_shift_cycles == max(walk.ports.values())
    assert counted.makespan_cycles == walk.makespan()
    assert sum(counts.cycles for counts in counted.by_opcode.values()) == counted.totals.cycles
    assert sum(counts.cycles for counts in counted.by_array) == counted.totals.cycles


@pytest.mark.parametrize("or_latch", [False, True])
def test_the_sample_is_counted_as_it_executes(program: Program, or_latch: bool) -> None:
    assert_equal_to_walk(program.kernels[0], dataclasses.replace(program.target, or_latch=or_latch))


TARGET = TargetSummary("t", "", rows=8, tracks=8, domains=16)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One instruction on random places of two arrays; values and causality do not matter to the counters."""
    opcode = draw(st.sampled_from([opcode for opcode in Opcode if opcode is not Opcode.MOVE]))
    array = draw(st.integers(0, 1))
    tracks = draw(st.permutations(range(TARGET.tracks)))

    def word(index: int, bits: int) -> str:
        return f"{array}/{tracks[index]}:{draw(st.integers(0, TARGET.domains - bits))}+{bits}"

    def cell(index: int) -> str:
        return f"{array}/{tracks[index]}:{draw(st.integers(0, TARGET.domains - 1))}"

    r_bits, a_bits, b_bits = (draw(st.integers(1, 12)) for _ in range(3))
    a_sign, b_sign = (draw(st.sampled_from("us")) for _ in range(2))
    zeros = draw(st.sampled_from(["", "rzero", "czero", "rzero czero"]))
    a, b, c = f"a={word(1, a_bits)}{a_sign}", f"b={word(2, b_bits)}{b_sign}", f"c={cell(3)}"
    r = f"r={word(0, r_bits)}"
    if opcode is Opcode.CLEAR:
        first = draw(st.integers(0, TARGET.tracks - 1))
        low = draw(st.integers(0, TARGET.domains - r_bits))
        return f"clear r={array}/{first}:{low}+{r_bits} words={draw(st.integers(1, TARGET.tracks - first))}"
    at = draw(
        st.integers(-(1 << a_bits - 1), (1 << a_bits - 1) - 1) if a_sign == "s" else st.integers(0, 2**a_bits - 1)
    )
    return {
        Opcode.LOAD: f"load {r} in=0 element=0",
        Opcode.STORE: f"store {a} out=0 element=0",
        Opcode.STORE_STEP: f"store_step {a} out=0 element=0 row=0",
        Opcode.SET: f"set {r} value=5",
        Opcode.COPY: f"copy {r} {a} {zeros.replace('czero', '')}",
        Opcode.ADD: f"add {r} {a} {b} {c} {zeros}",
        Opcode.SUB: f"sub {r} {a} {b} {c} {zeros}",
        Opcode.NEG: f"neg {r} {a} {c} {zeros}",
        Opcode.ADD_INTO: f"add_into {r} {a} {c} {zeros.replace('rzero', '')}",
        Opcode.SUB_FROM: f"sub_from {r} {a} {c} {zeros.replace('rzero', '')}",
        Opcode.MAX_INTO: f"max_into {r}{a_sign} a={word(1, r_bits)} {c} b={cell(4)}",
        Opcode.RELU: f"relu {r}",
        Opcode.STEP: f"step {r} {a} {c} b={cell(4)} at={at} value=3",
    }[opcode]


@st.composite
def streams(draw: st.DrawFn) -> str:
    result: list[str] = []
    for line in draw(st.lists(lines(), min_size=1, max_size=12)):
        result.append(line)
        if draw(st.booleans()):
            source = draw(st.integers(0, 1))
            track = draw(st.integers(0, TARGET.tracks - 2))
            result.append(f"move r={1 - source}/{track + 1}:3+5 a={source}/{track}:{draw(st.integers(0, 11))}+5")
    return "\n".join(result)


@given(streams(), st.booleans(), st.sampled_from([1, 2, 4, 16]))
def test_random_streams_are_counted_as_they_execute(text: str, or_latch: bool, ports: int) -> None:
    kernel = kernel_of(text)
    assert_equal_to_walk(kernel, dataclasses.replace(TARGET, or_latch=or_latch, ports=ports))


def test_a_word_uses_the_port_of_the_section_it_begins_in() -> None:
    # Two ports over domains 0 and 8 of 16: the first word is under its port, the third crosses its section.
    text = "clear r=0:8+1 words=1\nclear r=1:2+1 words=1\nclear r=2:6+4 words=1\n"
    two = count_kernel(kernel_of(text), dataclasses.replace(TARGET, ports=2))
    assert (two.totals.shifts, two.totals.shift_cycles) == (0 + 2 + (6 + 3), 2 + 9)
    assert count_kernel(kernel_of(text), TARGET).totals.shifts == 8 + 2 + 9


def kernel_of(text: str) -> ApKernel:
    return ApKernel(
        name="k",
        onnx_nodes=(),
        inputs=(),
        outputs=(ApOutput(tensor=0, channels=1, height=1, width=1, bits=8, signed=False),),
        instructions=assemble(text, Geometry.of(TARGET)),
        step_thresholds=np.zeros((0, 0), np.int64),
        step_low=np.zeros(0, np.int64),
        step_descending=np.zeros(0, np.bool_),
        array_count=2,
    )


def test_a_sum_costs_what_the_sheet_says() -> None:
    # acc += unsigned A, w = 6, m = 4: 8m + 4(w - m) + 1 = 41; signed: 8w + 1 = 49 (ap_ternary_flow, 2.4).
    unsigned = count_kernel(kernel_of("add_into r=0:0+6 a=1:0+4u c=2:0"), TARGET).totals
    signed = count_kernel(kernel_of("add_into r=0:0+6 a=1:0+4s c=2:0"), TARGET).totals
    assert unsigned.searches + unsigned.writes == 41
    assert signed.searches + signed.writes == 49
    # All three tracks start aligned; five steps follow the first, in which R and, for three of them, A move.
    assert (unsigned.shifts, unsigned.shift_cycles) == (5 + 3, 5)


def test_moves_make_arrays_wait() -> None:
    text = """
    set r=0:0+10 value=1
    set r=1/0:0+4 value=1
    move r=1/1:0+10 a=0:0+10
    set r=1/2:0+3 value=1
    set r=2:0+6 value=1
    """
    counted = count_kernel(kernel_of(text), TARGET)
    # Array 0: 10 writes + 9 shifts; its port then returns for the MOVE (9 + 9 shifts, 10 bits): 19 + 28 = 47.
    # Array 1 waits for it, then 3 writes + 2 shifts = 52; rewinding takes 9 more.
    assert counted.busy_cycles == (47 + 11, 7 + 28 + 5)
    assert counted.makespan_cycles == max(58, 52) + 9
    slow_moves = count_kernel(kernel_of(text), TARGET, CycleWeights(move=10.0))
    assert slow_moves.makespan_cycles == 67 + 90


def test_overlapped_shifts_hide_behind_the_work() -> None:
    kernel = kernel_of("set r=0:0+10 value=1")
    assert count_kernel(kernel, TARGET).busy_cycles[0] == 19
    assert count_kernel(kernel, TARGET, dataclasses.replace(UNIT_WEIGHTS, shifts_overlap=True)).busy_cycles[0] == 10


def test_sums_by_region_by_opcode_and_over_row_blocks(program: Program) -> None:
    counted = count_program(program)
    kernel = counted.kernels[0]
    assert kernel.by_region[0][1] + kernel.by_region[1][1] == kernel.totals
    assert sum(kernel.by_opcode.values(), start=type(kernel.totals)()) == kernel.totals
    assert kernel.by_opcode["LOAD"].load_bits == 16
    assert kernel.totals.store_bits == 8 + 8 + 5
    assert kernel.totals.step_lookups == 1
    assert (kernel.row_blocks(1), kernel.row_blocks(16), kernel.row_blocks(17)) == (1, 1, 2)
    assert counted.totals(17).searches == 2 * kernel.totals.searches
    assert [op.operations for op in counted.digital] == [0, 24, 3]


@pytest.mark.parametrize("or_latch", [False, True])
def test_execution_in_micro_fidelity_performs_exactly_these_passes(program: Program, or_latch: bool) -> None:
    from imcflow.runtime.execution.run import ProgramRun
    from imcflow.runtime.kernels.layout import Counter

    program = dataclasses.replace(program, target=dataclasses.replace(program.target, or_latch=or_latch))
    images = 33
    random = np.random.default_rng(0)
    run = ProgramRun(program, fidelity="count", block_words=1)
    run(
        {
            "input": random.integers(0, 16, (images, 2, 4, 4)).astype(np.float32),
            "bias": random.integers(-8, 8, (images, 1, 2, 2)).astype(np.int8),
        }
    )
    totals = count_program(program).totals(images)
    # 33 images are 132 lanes: three row blocks of the target's 64 rows, and as many blocks of one word.
    assert totals.searches == 3 * count_program(program).totals().searches
    assert run.counters[Counter.SEARCHES] == totals.searches
    assert run.counters[Counter.WRITES] == totals.writes


def test_the_most_written_cell_is_a_carry() -> None:
    text = "add_into r=0:0+6 a=1:0+4u c=2:0\n" * 3 + "add_into r=0:0+6 a=1:0+4u c=3:0\n"
    assert count_kernel(kernel_of(text), TARGET).worst_cell_writes == 3 * 7


def test_an_empty_stream_costs_nothing() -> None:
    counted = count_kernel(kernel_of(""), TARGET)
    assert (counted.totals.cycles, counted.makespan_cycles, counted.rewind_shifts) == (0, 0.0, 0)
