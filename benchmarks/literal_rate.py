"""Rate of the literal interpreter, and of the fastest loop that touches planes at all.

One row-bit operation is one access of one cell of one row: a compared cell of a search is one, a cell written into
tagged rows is two (its old bit is kept elsewhere), a cell written into every row is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p

import numpy as np

from imcflow.runtime.execution.board import CompiledRanges, call_table, write_call
from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype
from imcflow.runtime.kernels.emitter import I64, PTR, FunctionWriter, Value, const, vector_type
from imcflow.runtime.kernels.layout import USUAL_WORDS, WORD_COUNTS, Context, Counter, Handler
from imcflow.runtime.kernels.module import KernelKey, kernel_address
from imcflow.runtime.microcode import Kind, Macro, expand
from imcflow.runtime.native_code import NativeCode

OPERAND_BITS, RESULT_BITS = 8, 12
LITERAL_WORDS, LITERAL_RESIDENT = WORD_COUNTS[-1], 8  # 2048 lanes, 8 words: 24 KiB, inside the first-level cache
PEAK_WORDS, PEAK_PLANES = USUAL_WORDS, 240  # 512 lanes, 15 KiB
INSTRUCTIONS = 4000
LOOPS = 400


def literal_rate() -> float:
    """Return row-bit operations per CPU second of in-place additions, every pass executed through memory."""
    rng = np.random.default_rng(3)
    table = np.zeros(INSTRUCTIONS, instruction_dtype())
    words = np.stack([rng.permutation(LITERAL_RESIDENT)[:2] for _ in range(INSTRUCTIONS)])
    table["opcode"] = Handler.ADD_INTO
    table["flags"] = Flag.C_IS_ZERO
    table["a"], table["r"] = 2 + RESULT_BITS * words[:, 0], 2 + RESULT_BITS * words[:, 1]
    table["a_bits"], table["r_bits"], table["c"] = OPERAND_BITS, RESULT_BITS, 1
    workspace = Workspace()
    state = workspace.fresh((2 + RESULT_BITS * LITERAL_RESIDENT) * 8 * LITERAL_WORDS + 1024)
    context, counters = np.zeros(Context.SIZE, np.int64), np.zeros(Counter.SIZE, np.int64)
    arguments = (address(state), address(state), address(table), len(table), address(context), address(counters))
    blocks, calls = 20, call_table(1)
    write_call(calls[0], kernel_address(KernelKey("micro", LITERAL_WORDS)), 0, *arguments)
    CompiledRanges(1, 1, calls).run_here()
    start = time.process_time()
    CompiledRanges(blocks, blocks, calls).run_here()
    spent = time.process_time() - start
    macro = Macro(Opcode.ADD_INTO, Flag.C_IS_ZERO, a_bits=OPERAND_BITS, r_bits=RESULT_BITS)
    weight = {Kind.SEARCH: 1, Kind.SEARCH_OR: 1, Kind.WRITE: 2, Kind.WRITE_ALL: 1}
    accesses = sum(
        weight[micro.kind] * len(micro.cells) for step in expand(macro, or_latch=False) for micro in step.micros
    )
    return accesses * INSTRUCTIONS * blocks * 64 * LITERAL_WORDS / spent


def peak_rate() -> float:
    """Return row-bit operations per CPU second of the loop of `peak_loop`."""
    run = peak_loop()
    run(LOOPS)
    start = time.process_time()
    run(50 * LOOPS)
    spent = time.process_time() - start
    return 4 * (PEAK_PLANES // 3) * 50 * LOOPS * 64 * PEAK_WORDS / spent


def peak_loop() -> Callable[[int], None]:
    """Return a function that sweeps so often over planes of its own: three loads, one logic step, one store each."""
    f = FunctionWriter("peak", (I64, PTR))
    repeats, state = f.arguments
    plane, size = vector_type(PEAK_WORDS, I64), 8 * PEAK_WORDS

    def sweep(_: Value, carried: list[Value]) -> list[Value]:
        def body(at: Value, _: list[Value]) -> list[Value]:
            here = f.offset(state, at)
            a, b, c = (f.load(plane, f.offset(here, size * i), align=size) for i in range(3))
            f.store(f.mux(a, b, c), f.offset(here, 2 * size), align=size)
            return []

        f.loop(const(I64, 0), const(I64, size * PEAK_PLANES), [], body, step=3 * size)
        return carried

    f.loop(const(I64, 0), repeats, [], sweep)
    f.ret()
    code = NativeCode.of(f.text())
    function = CFUNCTYPE(None, c_int64, c_void_p)(code.address("peak"))
    memory = Workspace().fresh(size * (PEAK_PLANES + 4))

    def run(sweeps: int) -> None:
        function(sweeps, address(memory))

    _modules.append(code)
    return run


_modules: list[NativeCode] = []
