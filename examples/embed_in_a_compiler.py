"""Use imcflow as the back end of another compiler: a module of linalg on tensors, built in memory, runs on hardware.

    python examples/embed_in_a_compiler.py [TARGET]

The other compiler is played by a few lines of xDSL that emit one ternary layer, as `linalg.generic`. imcflow converts
it, compiles it for the target (default: the associative processor), and runs the instruction stream on random inputs.
The same passes are in `xdsl-opt` once imcflow is installed: `xdsl-opt layer.mlir -p convert-linalg-to-imc`.
"""

from __future__ import annotations

import sys

import numpy as np
from xdsl.builder import ImplicitBuilder
from xdsl.dialects import arith, func
from xdsl.dialects.builtin import (
    AffineMapAttr,
    BytesAttr,
    DenseIntOrFPElementsAttr,
    ModuleOp,
    TensorType,
    i8,
    i32,
)
from xdsl.dialects.linalg.attrs import IteratorTypeAttr
from xdsl.dialects.linalg.ops import GenericOp, YieldOp
from xdsl.ir import Block, Region
from xdsl.ir.affine import AffineMap

import imcflow

INPUTS, OUTPUTS = 64, 10


def layer(weights: np.ndarray) -> ModuleOp:
    """Return `y[n, m] = sum_k x[n, k] * weights[k, m]` on `i8`, summed in `i32`."""
    maps = [
        AffineMap.from_callable(f) for f in (lambda n, m, k: (n, k), lambda n, m, k: (k, m), lambda n, m, k: (n, m))
    ]
    kinds = [IteratorTypeAttr.parallel(), IteratorTypeAttr.parallel(), IteratorTypeAttr.reduction()]
    given, result = TensorType(i8, [1, INPUTS]), TensorType(i32, [1, OUTPUTS])
    table = DenseIntOrFPElementsAttr(TensorType(i8, weights.shape), BytesAttr(weights.astype(np.int8).tobytes()))
    zeros = DenseIntOrFPElementsAttr(result, BytesAttr(bytes(4 * OUTPUTS)))

    body = Region(Block(arg_types=[i8, i8, i32]))
    with ImplicitBuilder(body) as (left, right, accumulator):
        product = arith.MuliOp(arith.ExtSIOp(left, i32), arith.ExtSIOp(right, i32))
        YieldOp(arith.AddiOp(accumulator, product))

    main = func.FuncOp("main", ([given], [result]))
    with ImplicitBuilder(main.body) as (inputs,):
        matrix, start = arith.ConstantOp(table), arith.ConstantOp(zeros)
        operands, attributes = [inputs, matrix.result], [AffineMapAttr(affine) for affine in maps]
        func.ReturnOp(GenericOp(operands, [start.result], body, attributes, kinds, [result]))
    return ModuleOp([main])


def main() -> None:
    """Compile, run and compare."""
    target = sys.argv[1] if len(sys.argv) > 1 else "rtm-ap-256"
    generator = np.random.default_rng(0)
    weights = generator.choice([-1, 0, 1], size=(INPUTS, OUTPUTS), p=[0.1, 0.8, 0.1])
    program = imcflow.compile(layer(weights), target=target)
    inputs = generator.integers(-128, 128, (1000, INPUTS)).astype(np.int8)
    sums = program.run({"input": inputs})["output"]
    same = np.array_equal(sums, inputs.astype(np.int64) @ weights)
    print(program.summary_text())
    print(f"{sums.size:,} sums of {len(inputs):,} inputs, {'all equal' if same else 'NOT EQUAL'} to numpy's")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
