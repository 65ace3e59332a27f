"""The scalar arithmetic in the bodies of structured operations, as `imc` ops on whole tensors.

The `imc` dialect computes with integers; `arith` computes with registers of N bits. Both agree as long as every result
fits its register, as a signed or as an unsigned number, and every operation that reads a register reads the number that
was meant. Where the intervals do not prove this, the conversion is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, math
from xdsl.dialects.builtin import Float32Type, f32
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.ops_elementwise import (
    AbsOp,
    AddOp,
    BinaryOp,
    CastOp,
    ClampOp,
    DivOp,
    MulOp,
    NegOp,
    ReluOp,
    RoundOp,
    SqrtOp,
    SubOp,
)
from imcflow.dialect.ops_quantise import RequantizeOp
from imcflow.dialect.types import integer_element_of, value_range
from imcflow.lowering.linalg.builder import Builder, kind_of
from imcflow.lowering.linalg.values import Activation, Affine, Constant, constant_of, fits, register_bits
from imcflow.lowering.onnx.ranges import Interval, requantised_interval

Number = Constant | Activation

_SUMS: dict[type[Operation], type[BinaryOp]] = {
    arith.AddiOp: AddOp,
    arith.SubiOp: SubOp,
    arith.MuliOp: MulOp,
    arith.AddfOp: AddOp,
    arith.SubfOp: SubOp,
    arith.MulfOp: MulOp,
    arith.DivfOp: DivOp,
}
_NUMPY: dict[type[BinaryOp], Callable[[Any, Any], Any]] = {
    AddOp: np.add,
    SubOp: np.subtract,
    MulOp: np.multiply,
    DivOp: np.divide,
}
_LARGER = (arith.MaxSIOp, arith.MaxUIOp, arith.MaximumfOp, arith.MaxnumfOp)
_SMALLER = (arith.MinSIOp, arith.MinUIOp, arith.MinimumfOp, arith.MinnumfOp)
_UNSIGNED = (arith.ExtUIOp, arith.UIToFPOp, arith.MaxUIOp, arith.MinUIOp, arith.ShRUIOp, arith.DivUIOp)
_ROUNDING: dict[type[Operation], Rounding] = {
    math.RoundEvenOp: Rounding.HALF_EVEN,
    math.FloorOp: Rounding.FLOOR,
    math.CeilOp: Rounding.CEIL,
    math.TruncOp: Rounding.TRUNCATE,
}
_LESS = {"slt", "sle", "ult", "ule", "olt", "ole"}
_GREATER = {"sgt", "sge", "ugt", "uge", "ogt", "oge"}


class ScalarArithmetic:
    """Evaluates the operations of one body.

    Args:
        build: where ops go.
        known: what the arguments of the body, and values from outside, stand for.
    """

    def __init__(self, build: Builder, known: Mapping[SSAValue, Number]) -> None:
        self._build = build
        self._known = dict(known)

    def value(self, wanted: SSAValue) -> Number:
        """Return what an SSA value stands for.

        Raises:
            ModelError: an operation is not supported, or its registers may overflow.
        """
        found = self._known.get(wanted)
        if found is not None:
            return found
        if not isinstance(wanted.owner, Operation):
            self._build.refuse("the body reads what is not defined: the initial value of an elementwise operation")
        result = self._result(wanted.owner)
        self._check_register(wanted, result)
        self._known[wanted] = result
        return result

    # ------------------------------------------------------------------------------------------------ single operations

    def _result(self, op: Operation) -> Number:
        if isinstance(op, arith.ConstantOp):
            try:
                return constant_of(op.value)
            except ValueError as error:
                self._build.refuse(str(error))
        if isinstance(op, arith.SelectOp):
            return self._select(op)
        operands = [self.value(operand) for operand in op.operands]
        self._check_reading(op, operands)
        kind = type(op)
        if kind in _SUMS:
            return self.binary(_SUMS[kind], operands[0], operands[1])
        if isinstance(op, arith.ExtSIOp | arith.ExtUIOp | arith.TruncIOp | arith.IndexCastOp):
            return operands[0]
        if isinstance(op, _LARGER):
            return self.larger(operands[0], operands[1])
        if isinstance(op, _SMALLER):
            return self.smaller(operands[0], operands[1])
        if isinstance(op, arith.ShRSIOp | arith.ShRUIOp):
            return self._shifted(operands[0], operands[1])
        if isinstance(op, arith.ShLIOp):
            return self.binary(MulOp, operands[0], Constant(1 << self._shift(operands[1])))
        if isinstance(op, arith.FloorDivSIOp | arith.DivUIOp):
            return self._quotient(operands[0], operands[1], Rounding.FLOOR)
        if isinstance(op, arith.CeilDivSIOp):
            return self._quotient(operands[0], operands[1], Rounding.CEIL)
        if isinstance(op, arith.DivSIOp):
            return self._quotient(operands[0], operands[1], Rounding.TRUNCATE)
        return self._unary(op, operands)

    def _unary(self, op: Operation, operands: list[Number]) -> Number:
        (operand,) = operands if len(operands) == 1 else (None,)
        if operand is None:
            self._build.refuse(f"{op.name} is not supported")
        if isinstance(op, arith.SIToFPOp | arith.UIToFPOp | arith.FPToSIOp | arith.FPToUIOp):
            return self._converted(op, operand)
        if isinstance(op, arith.NegfOp):
            if isinstance(operand, Constant):
                return Constant(-operand.array)
            return Activation(self._build.emit(NegOp(operand.value, f32)), None)
        if type(op) in _ROUNDING and isinstance(operand, Activation):
            return Activation(self._build.emit(RoundOp(operand.value, _ROUNDING[type(op)])), None)
        if isinstance(op, math.SqrtOp) and isinstance(operand, Activation):
            return Activation(self._build.emit(SqrtOp(operand.value)), None)
        if isinstance(op, math.AbsFOp | math.AbsIOp) and isinstance(operand, Activation):
            interval = operand.interval
            if interval is not None:
                least = 0 if interval.low <= 0 <= interval.high else min(abs(interval.low), abs(interval.high))
                interval = Interval(least, max(abs(interval.low), abs(interval.high)))
            return Activation(self._build.emit(AbsOp(operand.value, self._build.element(interval))), interval)
        self._build.refuse(f"{op.name} is not supported")

    def binary(self, op: type[BinaryOp], left: Number, right: Number) -> Number:
        """Return sum, difference, product or (of `f32`) quotient."""
        if isinstance(left, Constant) and isinstance(right, Constant):
            result = _NUMPY[op](left.array, right.array)
            return Constant(np.asarray(result, np.float32 if kind_of(left) == "float" else np.int64))
        interval: Interval | None = None
        if left.interval is not None and right.interval is not None:
            if op is AddOp:
                interval = left.interval + right.interval
            else:
                interval = left.interval - right.interval if op is SubOp else left.interval * right.interval
        if interval is not None and isinstance(right, Constant) and right.array.size == 1:
            neutral = 1 if op is MulOp else 0
            if int(right.array.flat[0]) == neutral:
                return left
        build = self._build
        lhs, rhs = build.operand(left), build.operand(right)
        result = build.emit(op(lhs, rhs, build.element(interval)))
        return Activation(result, interval, affine=None if interval is None else _affine(op, left, right))

    def larger(self, left: Number, right: Number) -> Number:
        """Return the maximum: a clamp against one number, else `left + relu(right - left)`."""
        return self._extreme(left, right, larger=True)

    def smaller(self, left: Number, right: Number) -> Number:
        """Return the minimum: a clamp against one number, else `left - relu(left - right)`."""
        return self._extreme(left, right, larger=False)

    def _extreme(self, left: Number, right: Number, *, larger: bool) -> Number:
        if isinstance(left, Constant) and isinstance(right, Constant):
            pick = np.maximum if larger else np.minimum
            return Constant(np.asarray(pick(left.array, right.array)))
        if isinstance(left, Constant):
            left, right = right, left
        assert isinstance(left, Activation)  # at least one of the two is
        if left.interval is None:
            return self._float_extreme(left, right, larger=larger)
        if isinstance(right, Constant) and right.array.size and (right.array == right.array.flat[0]).all():
            limit = int(right.array.flat[0])
            interval = left.interval
            low, high = (limit, max(limit, interval.high)) if larger else (min(limit, interval.low), limit)
            clamped = interval.clamped(low, high)
            if left.affine is not None:
                one = np.ones((), np.int64)
                return self._requantised(left.affine, one, Rounding.FLOOR, clamped, limits=(low, high))
            op = ClampOp(left.value, self._build.element(clamped), low=low, high=high)
            return Activation(self._build.emit(op), clamped)
        first, second = (right, left) if larger else (left, right)
        difference = self.binary(SubOp, first, second)
        if not isinstance(difference, Activation) or difference.interval is None:
            self._build.refuse("mixes integers and f32")
        positive = difference.interval.clamped(0, max(0, difference.interval.high))
        relu = Activation(self._build.emit(ReluOp(difference.value, self._build.element(positive))), positive)
        result = self.binary(AddOp if larger else SubOp, left, relu)
        assert isinstance(result, Activation)
        assert right.interval is not None
        pick = max if larger else min
        exact = Interval(pick(left.interval.low, right.interval.low), pick(left.interval.high, right.interval.high))
        return Activation(self._build.emit(CastOp(result.value, self._build.element(exact))), exact)

    def _float_extreme(self, left: Activation, right: Number, *, larger: bool) -> Number:
        from imcflow.dialect.ops_elementwise import ClipOp

        if not isinstance(right, Constant) or not (right.array == right.array.flat[0]).all():
            self._build.refuse("the maximum or minimum of f32 needs one constant limit")
        limit = float(right.array.flat[0])
        if larger and limit == 0.0:
            return Activation(self._build.emit(ReluOp(left.value, f32)), None)
        bound = float(np.finfo(np.float32).max)
        low, high = (limit, bound) if larger else (-bound, limit)
        return Activation(self._build.emit(ClipOp(left.value, low=low, high=high)), None)

    def _shift(self, amount: Number) -> Any:
        if not isinstance(amount, Constant) or int(amount.array.min()) < 0 or int(amount.array.max()) > 62:
            self._build.refuse("shifts must be constants of 0 to 62 bits")
        return amount.array

    def _shifted(self, value: Number, amount: Number) -> Number:
        divisor = Constant(np.asarray(1, np.int64) << self._shift(amount))
        return self._quotient(value, divisor, Rounding.FLOOR)

    def _quotient(self, value: Number, divisor: Number, mode: Rounding) -> Number:
        if not isinstance(divisor, Constant) or int(divisor.array.min()) < 1:
            self._build.refuse("divisors must be positive constants")
        if isinstance(value, Constant):
            return Constant(_divided(value.array, divisor.array, mode))
        if value.interval is None:
            self._build.refuse("divides f32 as integers")
        one, none = np.ones((), np.int64), np.zeros((), np.int64)
        interval = requantised_interval(value.interval, one, none, divisor.array)
        affine = Affine(value.value, one, none) if value.affine is None else value.affine
        return self._requantised(affine, divisor.array, mode, interval)

    def _requantised(
        self, affine: Affine, divisor: Any, mode: Rounding, interval: Interval, limits: tuple[int, int] | None = None
    ) -> Activation:
        build = self._build
        multiplier, addend, divided = (
            build.constant(_without_leading_ones(array)) for array in (affine.multiplier, affine.addend, divisor)
        )
        low, high = (None, None) if limits is None else limits
        # Passes evaluate the op at every integer of its input's type, also where the layer before it never gets.
        everything = Interval(*value_range(integer_element_of(affine.source)))
        reached = requantised_interval(everything, affine.multiplier, affine.addend, divisor)
        element = build.element(reached if limits is None else interval.union(Interval(*limits)))
        assert not isinstance(element, Float32Type)  # of an interval
        op = RequantizeOp(affine.source, multiplier, addend, divided, element, low=low, high=high, mode=mode)
        return Activation(build.emit(op), interval)

    def _converted(self, op: Operation, value: Number) -> Number:
        to_float = isinstance(op, arith.SIToFPOp | arith.UIToFPOp)
        if isinstance(value, Constant):
            return Constant(value.array.astype(np.float32) if to_float else np.trunc(value.array).astype(np.int64))
        if to_float:
            return Activation(self._build.emit(CastOp(value.value, f32)), None)
        bits = register_bits(op.results[0].type)
        assert bits is not None  # the verifier of arith has checked it
        signed = isinstance(op, arith.FPToSIOp)
        interval = Interval(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else Interval(0, (1 << bits) - 1)
        return Activation(self._build.emit(CastOp(value.value, self._build.element(interval))), interval)

    def _select(self, op: arith.SelectOp) -> Number:
        """Return `select(a < b, a, b)` and its relatives: the maximum or the minimum of two values."""
        test = op.cond.owner
        if not isinstance(test, arith.CmpiOp | arith.CmpfOp) or {test.lhs, test.rhs} != {op.lhs, op.rhs}:
            self._build.refuse("arith.select must choose between the two values that its condition compares")
        names = arith.CMPI_COMPARISON_OPERATIONS if isinstance(test, arith.CmpiOp) else arith.CMPF_COMPARISON_OPERATIONS
        name = names[test.predicate.value.data]
        if name not in _LESS | _GREATER:
            self._build.refuse(f"arith.select cannot depend on the comparison '{name}'")
        left, right = self.value(test.lhs), self.value(test.rhs)
        if isinstance(test, arith.CmpiOp) and name.startswith("u"):
            self._expect_unsigned(test, [left, right])
        else:
            self._check_reading(test, [left, right])
        takes_left = op.lhs == test.lhs
        return self.larger(left, right) if (name in _GREATER) == takes_left else self.smaller(left, right)

    # ---------------------------------------------------------------------------------------------------------- checks

    def _check_register(self, register: SSAValue, value: Number) -> None:
        bits = register_bits(register.type)
        if bits is not None and value.interval is not None:
            if not fits(value.interval, bits):
                owner = register.owner
                what = owner.name if isinstance(owner, Operation) else "an argument"
                self._build.refuse(
                    f"{what} gives {value.interval.low} ... {value.interval.high}, which may overflow i{bits}"
                )
        elif not isinstance(register.type, Float32Type):
            self._build.refuse(f"{register.type} is not supported: integers and f32 are")

    def _check_reading(self, op: Operation, operands: list[Number]) -> None:
        if isinstance(op, _UNSIGNED):
            self._expect_unsigned(op, operands)
            return
        if isinstance(op, arith.AddiOp | arith.SubiOp | arith.MuliOp | arith.ShLIOp | arith.TruncIOp):
            return  # the same bits, whichever way they are read
        for operand, number in zip(op.operands, operands, strict=True):
            bits = register_bits(operand.type)
            if bits is not None and number.interval is not None and number.interval.high >= 1 << (bits - 1):
                self._build.refuse(f"{op.name} reads i{bits} as signed, but its numbers reach {number.interval.high}")

    def _expect_unsigned(self, op: Operation, operands: list[Number]) -> None:
        for number in operands:
            if number.interval is not None and number.interval.low < 0:
                self._build.refuse(f"{op.name} reads unsigned, but its numbers go down to {number.interval.low}")


def _without_leading_ones(array: NDArray[Any]) -> NDArray[Any]:
    """Return per-channel constants as `[C, 1, 1]`, without the batch axis that broadcasts anyway."""
    while array.ndim and array.shape[0] == 1:
        array = array[0]
    return np.asarray(array)


def _affine(op: type[BinaryOp], left: Number, right: Number) -> Affine | None:
    """Return the affine function of one activation that a sum, difference or product is."""
    if isinstance(left, Constant) and op is not SubOp:
        left, right = right, left
    if not isinstance(left, Activation) or not isinstance(right, Constant):
        return None
    known = left.affine
    if known is None:
        known = Affine(left.value, np.ones((), np.int64), np.zeros((), np.int64))
    if op is MulOp:
        return Affine(known.source, known.multiplier * right.array, known.addend * right.array)
    addend = right.array if op is AddOp else -right.array
    return Affine(known.source, known.multiplier, known.addend + addend)


def _divided(numerator: Any, divisor: Any, mode: Rounding) -> Any:
    if mode is Rounding.FLOOR:
        return numerator // divisor
    if mode is Rounding.CEIL:
        return -(-numerator // divisor)
    return np.sign(numerator) * (abs(numerator) // divisor)
