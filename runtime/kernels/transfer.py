"""Movements between tensors and planes: gather and transpose for LOAD, transpose and threshold for STORE.

LOAD reads byte planes of a padded image whose rows are laid out so that neighbouring lanes are neighbouring bytes
(`imcflow.runtime.execution.windows`): a block is a few runs of bytes, each copied with one wide load.
"""

from __future__ import annotations

from imcflow.runtime.isa import Flag
from imcflow.runtime.kernels.emitter import I1, I8, I16, I32, I64, PTR, Value, const, element_bits, vector_type
from imcflow.runtime.kernels.interpreter import Emit, Interpreter
from imcflow.runtime.kernels.layout import RUN_BYTES, Context, Handler, InputSlot, OutputSlot

_BYTES = vector_type(RUN_BYTES, I8)


def _load(m: Interpreter) -> None:
    f = m.f
    port = m.record(Context.INPUTS, InputSlot.SIZE)
    offsets = m.slot(port, InputSlot.OFFSETS, PTR)
    element = f.load(I64, f.offset(offsets, f.mul(m.field("imm"), 8)), align=8)
    image = f.offset(m.slot(port, InputSlot.IMAGE, PTR), element)
    byte_stride = m.slot(port, InputSlot.BYTE_STRIDE)
    run_index = f.offset(m.slot(port, InputSlot.RUN_INDEX, PTR), f.mul(m.block, 8))
    first_run, last_run = f.load(I64, run_index, align=8), f.load(I64, f.offset(run_index, 8), align=8)
    runs = m.slot(port, InputSlot.RUNS, PTR)
    r, r_bits = m.field("r"), m.field("r_bits")

    def byte_plane(index: Value, _: list[Value]) -> list[Value]:
        source = f.offset(image, f.mul(index, byte_stride))

        def copy_run(run: Value, _: list[Value]) -> list[Value]:
            record = f.offset(runs, f.mul(run, 16))
            data = f.load(_BYTES, f.offset(source, f.load(I64, record, align=8)), align=1)
            f.store(data, f.offset(m.scratch, f.load(I64, f.offset(record, 8), align=8)), align=1)
            return []

        f.loop(first_run, last_run, [], copy_run)
        first_bit = f.mul(index, 8)
        bits = f.smin(f.sub(r_bits, first_bit), 8)

        def part(at: Value, _: list[Value]) -> list[Value]:
            """Transpose the lanes of up to eight words; `at` is where they begin in a plane, in bytes."""
            lanes = f.offset(m.scratch, f.mul(at, 8))
            lane_bytes = [f.load(_BYTES, f.offset(lanes, 64 * word), align=1) for word in range(m.part_words)]

            def transpose(bit: Value, masks: list[Value]) -> list[Value]:
                plane = f.offset(m.cell(f.add(r, f.add(first_bit, bit))), at)
                for word, data in enumerate(lane_bytes):
                    ones = f.icmp("ne", f.and_(data, masks[0]), 0)
                    f.store(f.convert("bitcast", ones, I64), f.offset(plane, 8 * word), align=8)
                return [f.add(masks[0], masks[0])]

            f.loop(const(I64, 0), bits, [const(_BYTES, 1)], transpose)
            return []

        m.for_parts(part)
        return []

    f.loop(const(I64, 0), f.lshr(f.add(r_bits, 7), 3), [], byte_plane)


def _lane_values(m: Interpreter, group: Value, lane_type: str) -> Value:
    """Gather the integers of `group`, as many lanes as `lane_type` has elements, from the planes of A."""
    f = m.f
    count, width = int(lane_type[1:].split(" ")[0]), element_bits(lane_type)
    mask_type, mask_bytes = f"i{count}", count // 8
    a, a_bits = m.field("a"), m.field("a_bits")

    def body(bit: Value, carried: list[Value]) -> list[Value]:
        value, weight = carried
        source = f.offset(m.cell(f.add(a, bit)), f.mul(group, mask_bytes))
        ones = f.convert("bitcast", f.load(mask_type, source, align=mask_bytes), vector_type(count, "i1"))
        return [f.or_(value, f.select(ones, weight, const(lane_type, 0))), f.add(weight, weight)]

    value, _ = f.loop(const(I64, 0), a_bits, [const(lane_type, 0), const(lane_type, 1)], body)
    unused = f.sub(const(I64, width), a_bits)
    shift = f.select(m.flag(Flag.A_SIGNED), unused, const(I64, 0))
    shifts = f.splat(f.convert("trunc", shift, f"i{width}"), count)
    return f.ashr(f.shl(value, shifts), shifts)


def _step_values(m: Interpreter, values: Value) -> Value:
    """Map integers through the kernel's step table, row `imm2`."""
    f = m.f
    count, width = int(values.type[1:].split(" ")[0]), element_bits(values.type)
    row = m.field("imm2")
    levels = m.slot(m.context, Context.LEVELS)
    thresholds = f.offset(m.slot(m.context, Context.THRESHOLDS, PTR), f.mul(f.mul(row, levels), 8))

    def body(level: Value, reached: list[Value]) -> list[Value]:
        threshold = f.load(I64, f.offset(thresholds, f.mul(level, 8)), align=8)
        wide = f.splat(f.convert("trunc", threshold, f"i{width}"), count)
        above = f.convert("sext", f.icmp("sge", values, wide), values.type)
        return [f.sub(reached[0], above)]

    reached = f.loop(const(I64, 0), levels, [const(values.type, 0)], body)[0]

    def table(slot: Context) -> Value:
        return f.splat(f.convert("trunc", _step_entry(m, slot), f"i{width}"), count)

    return f.add(table(Context.STEP_BASE), f.mul(reached, table(Context.STEP_SIGN)))


def _store(lane_type: str, *, through_steps: bool) -> Emit:
    def emit(m: Interpreter) -> None:
        f = m.f
        count, width = int(lane_type[1:].split(" ")[0]), element_bits(lane_type)
        port = m.record(Context.OUTPUTS, OutputSlot.SIZE)
        element_bytes = m.slot(port, OutputSlot.ELEMENT_BYTES)
        first = _first_lane(m, element_bytes)

        def group(index: Value, _: list[Value]) -> list[Value]:
            values = _lane_values(m, index, lane_type)
            if through_steps:
                values = _step_values(m, values)
            target = f.offset(first, f.mul(f.mul(index, count), element_bytes))
            for element in (I8, I16, I32, I64):
                size = element_bits(element)

                def store(element: str = element) -> None:
                    operation = "sext" if element_bits(element) > width else "trunc"
                    f.store(f.convert(operation, values, vector_type(count, element)), target, align=1)

                f.if_(f.icmp("eq", element_bytes, size // 8), store)
            return []

        f.loop(const(I64, 0), const(I64, m.lanes // count), [], group)

    return emit


def _store_bytes(m: Interpreter) -> None:
    """STORE of a word of at most 8 bits into one-byte elements, 64 lanes per instruction."""
    f = m.f
    a, a_bits = m.cell(m.field("a")), m.field("a_bits")
    target = _first_lane(m, const(I64, 1))
    top = f.sub(a_bits, 1)
    # The top bit of a two's complement word stands for every bit above it, too.
    extension = f.select(m.flag(Flag.A_SIGNED), f.shl(const(I64, -1), top), const(I64, 0))
    extensions = f.splat(f.convert("trunc", extension, I8), RUN_BYTES)

    def lanes(cell_offset: Value, word: Value) -> Value:
        mask = f.load(I64, f.offset(f.offset(a, cell_offset), f.mul(word, 8)), align=8)
        return f.convert("bitcast", mask, vector_type(RUN_BYTES, I1))

    def group(word: Value, _: list[Value]) -> list[Value]:
        def body(bit: Value, carried: list[Value]) -> list[Value]:
            values, weights = carried
            ones = lanes(f.mul(bit, m.plane_bytes), word)
            return [f.or_(values, f.select(ones, weights, const(_BYTES, 0))), f.add(weights, weights)]

        values = f.loop(const(I64, 0), a_bits, [const(_BYTES, 0), const(_BYTES, 1)], body)[0]
        signs = f.select(lanes(f.mul(top, m.plane_bytes), word), extensions, const(_BYTES, 0))
        f.store(f.or_(values, signs), f.offset(target, f.mul(word, 64)), align=1)
        return []

    f.loop(const(I64, 0), const(I64, m.words), [], group)


def _first_lane(m: Interpreter, element_bytes: Value) -> Value:
    """Return the pointer to the block's first lane in the output channel that the row stores to."""
    f = m.f
    port = m.record(Context.OUTPUTS, OutputSlot.SIZE)
    row = f.offset(m.slot(port, OutputSlot.BASE, PTR), f.mul(m.field("imm"), m.slot(port, OutputSlot.ROW_STRIDE)))
    return f.offset(row, f.mul(f.mul(m.block, m.lanes), element_bytes))


def _store_step_bits(levels: int) -> Emit:
    """STORE_STEP for `levels` = 2**n - 1 thresholds and one-byte results, 64 lanes per instruction.

    A comparison x >= T walks the planes from the least significant bit: where t is 0 the result so far is kept if x is
    0 and becomes true if x is 1, where t is 1 it is kept if x is 1 and becomes false if x is 0: the majority of x, the
    result so far, and not t. The results of ascending thresholds are a thermometer, whose level is read by a tree.
    """

    def emit(m: Interpreter) -> None:
        f = m.f
        a, a_bits = m.cell(m.field("a")), m.field("a_bits")
        top = f.sub(a_bits, 1)
        masks = m.slot(m.context, Context.STEP_MASKS, PTR)
        masks = f.offset(masks, f.mul(m.field("r"), m.slot(m.context, Context.STEP_MASK_STRIDE)))
        base, sign = _step_entry(m, Context.STEP_BASE), _step_entry(m, Context.STEP_SIGN)
        bases = f.splat(f.convert("trunc", base, I8), RUN_BYTES)
        signs = f.splat(f.convert("trunc", f.ashr(sign, 1), I8), RUN_BYTES)
        target = _first_lane(m, const(I64, 1))
        part_bytes = 8 * m.part_words

        def everywhere(row: Value, level: int) -> Value:
            byte = f.load(I8, f.offset(row, level), align=1)
            return f.convert("bitcast", f.splat(byte, part_bytes), m.part)

        def part(at: Value, _: list[Value]) -> list[Value]:
            def compare(bit: Value, reached: list[Value]) -> list[Value]:
                row = f.offset(masks, f.mul(f.add(bit, 1), levels))
                plane = f.offset(f.offset(a, f.mul(bit, m.plane_bytes)), at)
                x = f.load(m.part, plane, align=part_bytes)
                x = f.xor(x, m.spread(m.sign_bit(bit, top, Flag.A_SIGNED), m.part))
                return [f.mux(f.xor(x, state), everywhere(row, level), x) for level, state in enumerate(reached)]

            first = [everywhere(masks, level) for level in range(levels)]
            count = _thermometer_bits(m, f.loop(const(I64, 0), a_bits, first, compare))
            for bit, plane in enumerate(count):
                f.store(plane, f.offset(m.scratch, bit * part_bytes), align=1)
            lanes = f.offset(target, f.mul(at, 8))
            for word in range(m.part_words):
                values = const(_BYTES, 0)
                for bit in range(len(count)):
                    mask = f.load(I64, f.offset(m.scratch, bit * part_bytes + 8 * word), align=1)
                    ones = f.convert("bitcast", mask, vector_type(RUN_BYTES, I1))
                    values = f.or_(values, f.select(ones, const(_BYTES, 1 << bit), const(_BYTES, 0)))
                # (v ^ s) - s is v or -v.
                values = f.add(bases, f.sub(f.xor(values, signs), signs))
                f.store(values, f.offset(lanes, 64 * word), align=1)
            return []

        m.for_parts(part)

    return emit


def _thermometer_bits(m: Interpreter, reached: list[Value]) -> list[Value]:
    """Return the binary digits, least significant first, of the number of leading ones among 2**n - 1 planes."""
    if len(reached) == 1:
        return reached
    middle = len(reached) // 2
    pivot = reached[middle]
    below, above = reached[:middle], reached[middle + 1 :]
    halves = [m.f.mux(pivot, high, low) for low, high in zip(below, above, strict=True)]
    return [*_thermometer_bits(m, halves), pivot]


def _step_entry(m: Interpreter, slot: Context) -> Value:
    """Load a per-row entry of the kernel's step table."""
    return m.f.load(I64, m.f.offset(m.slot(m.context, slot, PTR), m.f.mul(m.field("imm2"), 8)), align=8)


_LANES_32, _LANES_64 = vector_type(16, I32), vector_type(8, I64)

TRANSFER_HANDLERS: dict[Handler, Emit] = {
    Handler.LOAD: _load,
    Handler.STORE_8: _store_bytes,
    Handler.STORE_32: _store(_LANES_32, through_steps=False),
    Handler.STORE_64: _store(_LANES_64, through_steps=False),
    Handler.STORE_STEP_32: _store(_LANES_32, through_steps=True),
    Handler.STORE_STEP_64: _store(_LANES_64, through_steps=True),
    Handler.STORE_STEP_3: _store_step_bits(3),
    Handler.STORE_STEP_15: _store_step_bits(15),
}
