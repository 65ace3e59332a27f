"""Interpretation of a whole module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, IntegerType, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, SSAValue

from imcflow.dialect.interpreter.evaluate import evaluate_op
from imcflow.dialect.interpreter.registry import Array
from imcflow.dialect.locations import node_names
from imcflow.dialect.ops_network import ConstantOp
from imcflow.dialect.types import element_type_of, shape_of, value_range
from imcflow.errors import InputError, ModelError

NAME_ATTRIBUTE = "imc.name"
"""Attribute of the arguments and results of the function: the name of the ONNX tensor."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """The result of one op.

    Attributes:
        position: index of the op in the function, counted without constants.
        op: the op.
        nodes: names of its source nodes.
        value: int64 or float32 array, batch first.
    """

    position: int
    op: Operation
    nodes: tuple[str, ...]
    value: Array

    @property
    def key(self) -> str:
        """`position:node`, or `position:op name` for an op without source node."""
        return f"{self.position}:{self.nodes[-1] if self.nodes else self.op.name}"


def main_function(module: ModuleOp) -> FuncOp:
    """Return the only function of a module.

    Raises:
        ModelError: if there is none, or more than one.
    """
    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    if len(functions) != 1:
        raise ModelError(f"the module holds {len(functions)} functions, expected one")
    return functions[0]


def port_names(attributes: ArrayAttr[DictionaryAttr] | None, count: int, default: str) -> list[str]:
    """Return the ONNX names of arguments or results; `<default><index>` where none is given."""
    names = [f"{default}{index}" for index in range(count)]
    for index, entry in enumerate(attributes.data if attributes is not None else ()):
        name: Attribute | None = entry.data.get(NAME_ATTRIBUTE)
        if isinstance(name, StringAttr):
            names[index] = name.data
    return names


def interpret(module: ModuleOp, inputs: Mapping[str, NDArray[Any]], *, record: bool = False) -> dict[str, NDArray[Any]]:
    """Run the function of a module on arrays.

    Args:
        module: network or quantised level, one function.
        inputs: by ONNX name, any numeric type, batch first. Integer tensors take integral numbers only.
        record: also return the result of every op other than a constant, under `Recorded.key`.

    Returns:
        int64 (for integer tensors) or float32 arrays by ONNX name.

    Raises:
        InputError: if an input is missing or superfluous, or does not fit its declared shape or type.
        ModelError: if a value does not fit the declared type of an op's result; the message names the node.
    """
    function = main_function(module)
    block = function.body.block
    values = _arguments(function, block, inputs)
    results: dict[str, NDArray[Any]] = {}
    for recorded in _evaluate(block, values):
        if record:
            results[recorded.key] = recorded.value
    terminator = block.last_op
    if not isinstance(terminator, ReturnOp):
        raise ModelError("the function does not end in func.return")
    names = port_names(function.res_attrs, len(terminator.operands), "output")
    outputs = {name: values[value] for name, value in zip(names, terminator.operands, strict=True)}
    return {**results, **outputs}


def trace(module: ModuleOp, inputs: Mapping[str, NDArray[Any]]) -> Iterator[Recorded]:
    """Yield the result of every op other than a constant, in order; arguments and errors as for `interpret`."""
    function = main_function(module)
    yield from _evaluate(function.body.block, _arguments(function, function.body.block, inputs))


def _evaluate(block: Block, values: dict[SSAValue, Array]) -> Iterator[Recorded]:
    position = 0
    uses = Counter(operand for op in block.ops for operand in op.operands)
    for op in block.ops:
        if isinstance(op, ReturnOp):
            continue
        values[op.results[0]] = evaluate_op(op, [values[operand] for operand in op.operands])
        uses.subtract(op.operands)
        for operand in set(op.operands):
            if not uses[operand]:  # whole test sets pass through here: keep only what is still read
                del values[operand]
        if not isinstance(op, ConstantOp):
            yield Recorded(position, op, node_names(op), values[op.results[0]])
            position += 1


def _arguments(function: FuncOp, block: Block, inputs: Mapping[str, NDArray[Any]]) -> dict[SSAValue, Array]:
    names = port_names(function.arg_attrs, len(block.args), "input")
    unknown = sorted(set(inputs) - set(names))
    if unknown:
        raise InputError(f"input '{unknown[0]}' does not exist; the model takes {', '.join(names)}")
    values: dict[SSAValue, Array] = {}
    batch: int | None = None
    for name, argument in zip(names, block.args, strict=True):
        if name not in inputs:
            raise InputError(f"input '{name}' is missing")
        array = _argument(name, argument, np.asarray(inputs[name]))
        if batch is not None and array.shape[0] != batch:
            raise InputError(f"input '{name}' has a batch of {array.shape[0]}, others have {batch}")
        batch = array.shape[0]
        values[argument] = array
    return values


def _argument(name: str, argument: SSAValue, array: NDArray[Any]) -> Array:
    expected = shape_of(argument)
    if array.dtype.kind not in "biuf":
        raise InputError(f"input '{name}' has elements of type {array.dtype}, expected numbers")
    if array.ndim != len(expected) or array.shape[1:] != expected[1:]:
        sizes = ", ".join("batch" if size < 0 else str(size) for size in expected)
        raise InputError(f"input '{name}' has shape {list(array.shape)}, expected [{sizes}]")
    element = element_type_of(argument)
    if not isinstance(element, IntegerType):
        return array.astype(np.float32)
    if array.dtype.kind == "f" and not np.array_equal(array, np.trunc(array)):
        raise InputError(f"input '{name}' holds numbers with fractions, expected integers of type {element}")
    low, high = value_range(element)
    if array.size and (array.min() < low or array.max() > high):
        raise InputError(f"input '{name}' holds {array.min()} ... {array.max()}, but {element} is {low} ... {high}")
    return array.astype(np.int64)
