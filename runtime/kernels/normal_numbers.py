"""Standard normal numbers inside a kernel: the formulas of `imcflow.runtime.crossbar.noise`, which is the oracle."""

from __future__ import annotations

from imcflow.runtime.crossbar.noise import (
    FIRST_PIECE,
    KEY_FACTORS,
    KEY_SHIFTS,
    KEY_STEP,
    LANE_STEP,
    MIX_FACTORS,
    MIX_SHIFTS,
    PIECE_SHIFT,
)
from imcflow.runtime.kernels.emitter import FLOAT, I1, I32, I64, PTR, FunctionWriter, Value, const, vector_type

_LANES = 8
GATHER = (
    f"declare <{_LANES} x float> @llvm.masked.gather.v{_LANES}f32.v{_LANES}p0(<{_LANES} x ptr>, i32, "
    f"<{_LANES} x i1>, <{_LANES} x float>)\n"
)


class NormalNumbers:
    """Writes draws into a function.

    Args:
        f: the function.
        quantiles: pointer to the pieces of the quantile function.
    """

    def __init__(self, f: FunctionWriter, quantiles: Value) -> None:
        self._f, self._quantiles = f, quantiles

    def draw(self, key: Value, row: Value, lane: Value, count: int) -> Value:
        """Return the float numbers of `count` (1 or 8) lanes from `lane` on, in a row of a tile with a key."""
        f = self._f
        state = f.add(key, f.mul(f.add(row, 1), const(I64, _signed(KEY_STEP, 64))))
        for shift, factor in zip(KEY_SHIFTS, (*KEY_FACTORS, 1), strict=True):
            state = f.xor(state, f.lshr(state, shift))
            if factor != 1:
                state = f.mul(state, const(I64, _signed(factor, 64)))
        words = I32 if count == 1 else vector_type(count, I32)
        lanes = self._spread(f.convert("trunc", lane, I32), count)
        if count > 1:
            lanes = f.add(lanes, Value(words, "<" + ", ".join(f"i32 {index}" for index in range(count)) + ">"))
        word = f.mul(lanes, const(words, _signed(LANE_STEP, 32)))
        word = self._mixed(f.add(word, self._spread(f.convert("trunc", state, I32), count)))
        high = f.convert("trunc", f.lshr(state, 32), I32)
        return self._normal(self._mixed(f.xor(word, self._spread(high, count))), count)

    def _spread(self, value: Value, count: int) -> Value:
        return value if count == 1 else self._f.splat(value, count)

    def _mixed(self, word: Value) -> Value:
        f = self._f
        for shift, factor in zip(MIX_SHIFTS, (*MIX_FACTORS, 1), strict=True):
            word = f.xor(word, f.lshr(word, shift))
            if factor != 1:
                word = f.mul(word, const(word.type, _signed(factor, 32)))
        return word

    def _normal(self, word: Value, count: int) -> Value:
        f = self._f
        number = FLOAT if count == 1 else vector_type(count, FLOAT)
        tail = f.convert("sitofp", f.lshr(word, 1), number)
        half = Value(number, "0.5" if count == 1 else "<" + ", ".join(["float 0.5"] * count) + ">")
        bits = f.convert("bitcast", f.fadd(tail, half), word.type)
        piece = f.sub(f.lshr(bits, PIECE_SHIFT), FIRST_PIECE)
        position = f.convert("sitofp", f.and_(bits, (1 << PIECE_SHIFT) - 1), number)
        start, slope = (self._piece(piece, part, count) for part in range(2))
        value = f.fadd(start, f.fmul(position, slope))
        # A set bit 0 flips the sign.
        flip = f.shl(word, 31)
        return f.convert("bitcast", f.xor(f.convert("bitcast", value, word.type), flip), number)

    def _piece(self, piece: Value, part: int, count: int) -> Value:
        """Load entry `part` of pieces of the quantile function."""
        f = self._f
        table = f.offset(self._quantiles, 4 * part)
        if count == 1:
            return f.load(FLOAT, f.offset(table, f.mul(f.convert("zext", piece, I64), 8)), align=4)
        wide = f.convert("zext", piece, vector_type(count, I64))
        pointers = f.emit(vector_type(count, PTR), f"getelementptr i64, {table}, {wide}")
        mask = Value(vector_type(count, I1), "<" + ", ".join(["i1 1"] * count) + ">")
        nothing = Value(vector_type(count, FLOAT), "zeroinitializer")
        name = f"llvm.masked.gather.v{count}f32.v{count}p0"
        return f.call(vector_type(count, FLOAT), name, pointers, const(I32, 4), mask, nothing)


def _signed(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number
