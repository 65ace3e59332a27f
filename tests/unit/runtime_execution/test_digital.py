"""Every operation of the digital unit against the reference interpreter, through a whole program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IntegerAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    f32,
    i64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from imcflow.dialect import ops_elementwise as elementwise
from imcflow.dialect import ops_network as network
from imcflow.dialect import ops_quantise as quantise
from imcflow.dialect import ops_shape as shape
from imcflow.dialect.attributes import Rounding
from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.interpreter import interpret
from imcflow.dialect.types import parse_element_type
from imcflow.errors import ProgramError
from imcflow.lowering.isa.translate import program_from_module
from imcflow.runtime.digital import known_operations, run_operation
from imcflow.runtime.digital.registry import Call
from imcflow.runtime.digital_ops import DIGITAL_OPS
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.program import ElementType

RNG = np.random.default_rng(11)
Build = Callable[..., Operation]
S4, S8, S12, S20, U1, U4 = (parse_element_type(text) for text in ("si4", "si8", "si12", "si20", "ui1", "ui4"))


def ints(spelling: str, *sizes: int) -> tuple[str, np.ndarray]:
    bits, signed = int(spelling[2:]), spelling[0] == "s"
    low = -(1 << (bits - 1)) if signed else 0
    return spelling, RNG.integers(low, low + (1 << bits), (3, *sizes))


def floats(*sizes: int) -> tuple[str, np.ndarray]:
    # Quarters hit the ties of every rounding mode.
    return "f32", (RNG.integers(-40, 41, (3, *sizes)) / 4).astype(np.float32)


def weights(low: int, high: int, *sizes: int) -> np.ndarray:
    return RNG.integers(low, high + 1, sizes)


def reals(*sizes: int) -> np.ndarray:
    return RNG.normal(size=sizes).astype(np.float32)


POSITIVE = np.abs(RNG.normal(size=5)).astype(np.float32) + np.float32(0.5)
INT_MAP, FLOAT_MAP = ints("si4", 6, 7, 8), floats(6, 7, 8)
POOL = {"kernel": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1)}
CONV: dict[str, Any] = {"strides": (2, 1), "pads": (1, 0, 2, 1), "dilations": (1, 2)}
STEPS = np.sort(RNG.integers(-30, 30, (6, 7)), axis=1)
RANDOM_STEPS = np.random.default_rng(40).integers(-50, 50, 40)
MANY_STEPS = np.sort(RNG.integers(-3000, 3000, (1, 63)), axis=1)

# (name, builder, activations, constants)
CASES: list[tuple[str, Build, Sequence[tuple[str, np.ndarray]], Sequence[np.ndarray]]] = [
    (
        "conv2d",
        lambda x, w, b: network.Conv2dOp(x, w, S20, bias=b, **CONV, pad_value=3),
        [INT_MAP],
        [weights(-9, 9, 4, 6, 3, 2), weights(-99, 99, 4)],
    ),
    ("conv2d groups", lambda x, w: network.Conv2dOp(x, w, S20, groups=3), [INT_MAP], [weights(-9, 9, 6, 2, 3, 3)]),
    (
        "conv2d float",
        lambda x, w, b: network.Conv2dOp(x, w, f32, bias=b, **CONV),
        [FLOAT_MAP],
        [reals(4, 6, 3, 2), reals(4)],
    ),
    (
        "gemm",
        lambda x, w, b: network.GemmOp(x, w, S20, bias=b),
        [ints("si8", 9)],
        [weights(-1, 1, 5, 9), weights(-99, 99, 5)],
    ),
    (
        "gemm wide",
        lambda x, w: network.GemmOp(x, w, parse_element_type("si62")),
        [ints("si30", 9)],
        [weights(-(2**25), 2**25, 5, 9)],
    ),
    (
        "matmul",
        lambda x, y: network.MatMulOp(x, y, TensorType(S20, [-1, 2, 3])),
        [ints("si4", 2, 5), ints("si4", 5, 3)],
        [],
    ),
    ("max_pool", lambda x: network.MaxPoolOp(x, S4, **POOL), [INT_MAP], []),
    (
        "max_pool ceil",
        lambda x: network.MaxPoolOp(x, f32, kernel=(3, 3), strides=(2, 2), ceil_mode=True),
        [FLOAT_MAP],
        [],
    ),
    ("sum_pool", lambda x: network.SumPoolOp(x, S8, **POOL), [INT_MAP], []),
    ("sum_pool float", lambda x: network.SumPoolOp(x, f32, **POOL), [FLOAT_MAP], []),
    ("avg_pool", lambda x: network.AvgPoolOp(x, f32, **POOL, ceil_mode=True), [FLOAT_MAP], []),
    (
        "batch_norm",
        lambda x, *p: network.BatchNormOp(x, *p),
        [floats(5, 2, 2)],
        [reals(5), reals(5), reals(5), POSITIVE],
    ),
    ("add", lambda x, y: elementwise.AddOp(x, y, S8), [ints("si4", 4, 2, 2), ints("ui4", 4, 1, 2)], []),
    ("sub", lambda x, y: elementwise.SubOp(x, y, S12), [ints("ui8", 4)], [weights(-300, 300, 4)]),
    ("mul", lambda x, y: elementwise.MulOp(x, y, S20), [ints("si8", 4), ints("si8", 4)], []),
    ("mul float", lambda x, y: elementwise.MulOp(x, y, f32), [floats(4)], [reals(4)]),
    ("div", lambda x, y: elementwise.DivOp(x, y, S12), [ints("si8", 9)], [np.array([-9, 7, 3, -2, 5, 1, -1, 11, 200])]),
    ("div float", lambda x, y: elementwise.DivOp(x, y, f32), [floats(4), floats(4)], []),
    ("pow", lambda x, y: elementwise.PowOp(x, y, f32), [floats(4)], [np.full(4, 2, np.float32)]),
    ("greater", lambda x, y: elementwise.GreaterOp(x, y), [ints("si4", 9), ints("ui4", 9)], []),
    ("greater_equal", lambda x, y: elementwise.GreaterEqualOp(x, y), [floats(9), floats(9)], []),
    ("relu", lambda x: elementwise.ReluOp(x, U4), [ints("si4", 9)], []),
    ("neg", lambda x: elementwise.NegOp(x, S8), [ints("si4", 9)], []),
    ("abs", lambda x: elementwise.AbsOp(x, parse_element_type("ui8")), [ints("si8", 40)], []),
    ("sign", lambda x: elementwise.SignOp(x, S4), [ints("ui8", 40)], []),
    ("cast", lambda x: elementwise.CastOp(x, S8), [floats(40)], []),
    ("cast to float", lambda x: elementwise.CastOp(x, f32), [ints("si40", 9)], []),
    ("clamp", lambda x: elementwise.ClampOp(x, S4, low=-3, high=5), [ints("si12", 40)], []),
    ("clip", lambda x: elementwise.ClipOp(x, low=-1.3, high=2.6), [floats(40)], []),
    ("sqrt", lambda x: elementwise.SqrtOp(x), [floats(40)], []),
    ("erf", lambda x: elementwise.ErfOp(x), [floats(40)], []),
    ("sigmoid", lambda x: elementwise.SigmoidOp(x), [floats(40)], []),
    ("softmax", lambda x: elementwise.SoftmaxOp(x, axis=1), [floats(5, 3)], []),
    ("log_softmax", lambda x: elementwise.LogSoftmaxOp(x, axis=2), [floats(5, 3)], []),
    *[(f"round {mode}", lambda x, mode=mode: elementwise.RoundOp(x, mode), [floats(40)], []) for mode in Rounding],
    *[
        (
            f"quantize {mode}",
            lambda x, s, z, mode=mode: quantise.QuantizeOp(x, s, z, low=-7, high=7, mode=mode),
            [floats(5, 2)],
            [np.array([[0.5], [1], [2], [0.25], [3]], np.float32), np.array([[1], [0], [-2], [3], [0]])],
        )
        for mode in Rounding
    ],
    (
        "quantize inside",
        lambda x, s, z: quantise.QuantizeOp(x, s, z, low=0, high=9, zero_point_inside=True),
        [floats(5)],
        [np.full(5, 0.5, np.float32), weights(-3, 3, 5)],
    ),
    ("dequantize", lambda x, s, z: quantise.DequantizeOp(x, s, z), [ints("ui8", 5)], [reals(5), weights(-3, 300, 5)]),
    ("bipolar", lambda x: quantise.BipolarOp(x), [ints("si4", 40)], []),
    (
        "threshold",
        lambda x, t, d: quantise.ThresholdOp(x, t, low=-2, descending=d),
        [ints("si4", 6, 2, 2)],
        [STEPS, np.array([0, 1, 0, 0, 1, 1])],
    ),
    ("threshold many", lambda x, t: quantise.ThresholdOp(x, t), [ints("si12", 6, 9)], [MANY_STEPS]),
    (
        "threshold many, one row",  # few integers: a table of them
        lambda x, t: quantise.ThresholdOp(x, t),
        [ints("si6", 6, 9)],
        [np.sort(RANDOM_STEPS)[None]],
    ),
    (
        "threshold many, one row, far apart",
        lambda x, t: quantise.ThresholdOp(x, t),
        [ints("si40", 6, 9)],
        [np.sort(RANDOM_STEPS * 2**35)[None]],
    ),
    ("threshold float", lambda x, t: quantise.ThresholdOp(x, t), [floats(6)], [np.sort(reals(6, 4), axis=1) * 5]),
    *[
        (
            f"requantize {mode}",
            lambda x, m, a, d, mode=mode: quantise.RequantizeOp(x, m, a, d, S8, low=-100, high=100, mode=mode),
            [ints("si8", 4, 9)],
            [np.array([[3], [-5], [1], [7]]), np.array([[0], [5], [-1], [2]]), np.array([[2], [8], [6], [5]])],
        )
        for mode in Rounding
    ],
    (
        "requantize huge",
        lambda x, m, a, d: quantise.RequantizeOp(x, m, a, d, S20),
        [ints("si40", 9)],
        [np.full(1, 2**40 - 7), np.zeros(1, np.int64), np.full(1, 2**61)],
    ),
    ("reshape", lambda x: shape.ReshapeOp(x, [7, 48]), [INT_MAP], []),
    ("transpose", lambda x: shape.TransposeOp(x, [0, 2, 3, 1]), [INT_MAP], []),
    ("concat", lambda x, y: shape.ConcatOp([x, y], axis=2), [ints("si4", 2, 3), ints("si4", 2, 5)], []),
    ("pad", lambda x: shape.PadOp(x, [0, 1, 0, 2, 0, 0, 3, 1], value=-2), [INT_MAP], []),
    ("slice", lambda x: shape.SliceOp(x, axis=2, start=1, stop=7, step=3), [INT_MAP], []),
    ("depth_to_space", lambda x: shape.DepthToSpaceOp(x, block=2, column_row_depth=False), [ints("si4", 8, 2, 3)], []),
    (
        "depth_to_space crd",
        lambda x: shape.DepthToSpaceOp(x, block=2, column_row_depth=True),
        [ints("si4", 8, 2, 3)],
        [],
    ),
    ("reduce_mean", lambda x: shape.ReduceMeanOp(x, [2, 3]), [FLOAT_MAP], []),
    ("top_k", lambda x: shape.TopKOp(x, axis=1, count=3), [ints("ui4", 9)], []),
]

TARGET = DictionaryAttr(
    {
        "name": StringAttr("test"),
        "content_hash": StringAttr("0"),
        "rows": IntegerAttr(256, i64),
        "tracks": IntegerAttr(256, i64),
        "domains": IntegerAttr(64, i64),
    }
)


def module_of(build: Build, activations: Sequence[tuple[str, np.ndarray]], constants: Sequence[np.ndarray]) -> ModuleOp:
    types = [TensorType(parse_element_type(spelling), [-1, *array.shape[1:]]) for spelling, array in activations]
    block = Block(arg_types=types)
    values: list[SSAValue] = list(block.args)
    for array in constants:
        op = float_constant(array) if array.dtype.kind == "f" else integer_constant(array)
        block.add_op(op)
        values.append(op.result)
    op = build(*values)
    block.add_ops([op, ReturnOp(op.results[0])])
    names = ArrayAttr([DictionaryAttr({"imc.name": StringAttr(f"x{i}")}) for i in range(len(types))])
    outputs = ArrayAttr([DictionaryAttr({"imc.name": StringAttr("y")})])
    function = FuncOp(
        "main", FunctionType.from_lists(types, [op.results[0].type]), Region(block), arg_attrs=names, res_attrs=outputs
    )
    module = ModuleOp([function], attributes={"imc.target": TARGET})
    module.verify()
    return module


@pytest.mark.parametrize(("name", "build", "activations", "constants"), CASES, ids=[case[0] for case in CASES])
def test_operation_equals_the_reference_interpreter(
    name: str, build: Build, activations: Sequence[tuple[str, np.ndarray]], constants: Sequence[np.ndarray]
) -> None:
    module = module_of(build, activations, constants)
    inputs = {f"x{i}": array for i, (_, array) in enumerate(activations)}
    expected = interpret(module, inputs)["y"]
    program = program_from_module(module)
    for memory in (2**29, 2**14):  # one chunk, and image by image
        result = run_program(program, inputs, memory_bytes=memory)["y"]
        assert np.array_equal(result, expected, equal_nan=expected.dtype.kind == "f"), name


def test_every_operation_of_the_loader_is_computed_and_tested() -> None:
    assert known_operations() == set(DIGITAL_OPS)
    assert {case[0].split()[0] for case in CASES} == set(DIGITAL_OPS)


def test_bounds_that_cross_never_wrap_an_integer():
    """numpy's clip then gives the upper bound, which an unsigned tensor does not hold."""
    values = np.array([[-7, 0, 5]], np.int8)
    call = Call([values], {"low": 0, "high": -5}, ElementType(8, False), np.dtype(np.uint8), values.shape)
    with pytest.raises(ProgramError, match="'clamp' gives a value outside 0 "):
        run_operation("clamp", call)
