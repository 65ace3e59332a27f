"""ONNX's own conformance cases: each is equal to the expected tensors, or refused with the name of the node."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from imcflow.dialect.interpreter import interpret
from imcflow.errors import ModelError
from imcflow.lowering.onnx.importer import import_model

EQUAL_CASES = {
    "Abs": 1, "Add": 1, "ArgMax": 6, "AveragePool": 14, "BatchNormalization": 2, "Ceil": 2, "Clip": 2, "Concat": 6,
    "Conv": 6, "ConvInteger": 2, "DepthToSpace": 2, "DequantizeLinear": 4, "Div": 2, "Dropout": 3, "Erf": 1,
    "Flatten": 3, "Floor": 2, "Gather": 2, "Gelu": 2, "Gemm": 8, "GlobalAveragePool": 2, "GlobalMaxPool": 2,
    "Greater": 8, "GreaterOrEqual": 8, "HardSigmoid": 3, "Less": 8, "LessOrEqual": 8, "LogSoftmax": 6, "MatMul": 3,
    "MatMulInteger": 1, "MaxPool": 13, "Mul": 2, "Neg": 2, "Pad": 0, "Pow": 12, "QLinearConv": 1, "QLinearMatMul": 8,
    "QuantizeLinear": 4, "Reciprocal": 2, "ReduceMean": 6, "Relu": 1, "Reshape": 6, "Round": 1, "Sigmoid": 2,
    "Sign": 1, "Slice": 5, "Softmax": 6, "Split": 5, "Sqrt": 2, "Squeeze": 1, "Sub": 2, "Sum": 3, "Transpose": 2,
    "Unsqueeze": 6,
}  # fmt: skip
"""Op -> least number of cases that give the expected tensors; the others are refused (batch axis mixed, three spatial
axes, outputs that are not computed, integers that would wrap, float16 and float64, ...)."""

TWO_ACTIVATIONS = {
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Concat",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Sum",
    "Pow",
}


@cache
def cases_by_op() -> dict[str, list[Any]]:
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # onnx divides by zero on purpose while it generates its cases
        cases = collect_testcases(None)
    result: dict[str, list[Any]] = {}
    for case in cases:
        nodes = case.model.graph.node
        if len(nodes) == 1 and not nodes[0].domain:
            result.setdefault(nodes[0].op_type, []).append(case)
    return result


def as_arrays(values: Any) -> list[NDArray[Any]] | None:
    """Return the tensors of a data set, or None if one is a sequence or has a type that numpy lacks."""
    arrays = [np.asarray(value) for value in values if not isinstance(value, list)]
    plain = len(arrays) == len(values) and all(array.dtype.kind in "biuf" for array in arrays)
    return arrays if plain else None


def with_weights(model: ModelProto, arrays: list[NDArray[Any]]) -> tuple[ModelProto, dict[str, NDArray[Any]]]:
    """Turn the inputs after the first into weights, unless the op takes two activations of one rank."""
    op = model.graph.node[0].op_type
    same_rank = len({array.ndim for array in arrays}) == 1 and arrays[0].ndim > 0
    together = same_rank and (op in TWO_ACTIVATIONS or (op == "MatMul" and arrays[0].ndim > 2))
    kept = len(arrays) if together else 1
    names = [value.name for value in model.graph.input]
    model = copy.deepcopy(model)
    for name, array in list(zip(names, arrays, strict=True))[kept:]:
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model, dict(zip(names[:kept], arrays[:kept], strict=True))


def outcome(case: Any) -> str:
    """Return "equal", "refused" or "skipped"; fail on any difference."""
    inputs, expected = (as_arrays(values) for values in case.data_sets[0])
    if inputs is None or expected is None or not inputs:
        return "skipped"
    model, activations = with_weights(case.model, inputs)
    try:
        module = import_model(model)
    except ModelError as error:
        return "refused" if "\n" not in str(error) else "refused in several lines"
    actual = interpret(module, activations)
    for value, array in zip(model.graph.output, expected, strict=True):
        assert actual[value.name].shape == array.shape, case.name
        np.testing.assert_allclose(
            actual[value.name].astype(np.float64), array.astype(np.float64), case.rtol, 1e-6, err_msg=case.name
        )
    return "equal"


@pytest.mark.parametrize("op", sorted(EQUAL_CASES))
def test_every_case_is_equal_or_refused(op: str) -> None:
    outcomes = Counter(outcome(case) for case in cases_by_op()[op])
    assert outcomes["equal"] >= EQUAL_CASES[op], outcomes
    assert not outcomes["refused in several lines"]
