"""Import of an ONNX model into the network level of the `imc` dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.locations import node_location
from imcflow.dialect.types import is_float
from imcflow.errors import ImcflowError, ModelError
from imcflow.lowering.onnx.builder import DECLARE_INPUTS, NetworkBuilder
from imcflow.lowering.onnx.casts import integer_limits
from imcflow.lowering.onnx.node import Node, node_name
from imcflow.lowering.onnx.ports import GraphInput, file_batch, graph_inputs
from imcflow.lowering.onnx.registry import ENTRIES, HARMLESS_ATTRIBUTES, STANDARD_DOMAINS
from imcflow.lowering.onnx.source import Source, from_model, initialisers, read_bytes, read_file
from imcflow.lowering.onnx.tensors import Activation, Constant, Tensor, Unavailable

if TYPE_CHECKING:
    from onnx import ModelProto

FAMILIES = (
    "linear",
    "pooling",
    "elementwise",
    "activations",
    "normalisation",
    "casts",
    "shape_constants",
    "shape_views",
    "shape_moves",
    "quantised_qdq",
    "quantised_operators",
    "quantised_qonnx",
    "quantised_finn",
    "quantised_pulp",
)
"""Modules that register ops, in the order of the documentation."""


OLDEST_OPSET, NEWEST_OPSET = 7, 28
"""Versions of the standard operators whose definitions the importer follows."""


def load_families() -> None:
    """Import the modules that register ops."""
    for family in FAMILIES:
        import_module(f"imcflow.lowering.onnx.{family}")


def import_model(model: str | Path | ModelProto, *, input_types: Mapping[str, str] | None = None) -> ModuleOp:
    """Return the network-level module of an ONNX model.

    Args:
        model: a file (.onnx, or ONNX text .onnxtxt), or a model in memory.
        input_types: ONNX input name -> `siN` or `uiN` (`{"x": "si8"}`): the integers that an input holds whose ONNX
            type is float or wider. The runtime checks them.

    Raises:
        ModelError: if the file is damaged, or the network uses something unsupported; names node, op and reason.
    """
    source = read_file(Path(model)) if isinstance(model, str | Path) else from_model(model)
    return _import(source, input_types or {})


def import_bytes(data: bytes, name: str) -> ModuleOp:
    """Return the network-level module of the bytes of an .onnx or .onnxtxt file: the front end of `imc-opt`.

    Args:
        data: content of the file.
        name: of the file, for messages and to find external weights beside it.
    """
    return _import(read_bytes(data, name, Path(name).parent), {})


def _import(source: Source, input_types: Mapping[str, str]) -> ModuleOp:
    try:
        return _import_graph(source, input_types)
    except ImcflowError as error:
        # Names in a file may hold anything, line breaks too; a message is one line.
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in error.message)
        raise (error if text == error.message else ModelError(text)) from None


def _import_graph(source: Source, input_types: Mapping[str, str]) -> ModuleOp:
    load_families()
    graph = source.model.graph
    tensors: dict[str, Tensor] = {name: Constant(array) for name, array in initialisers(source).items()}
    inputs = graph_inputs(source, input_types)
    block = Block(arg_types=[port.type for port in inputs])
    builder = NetworkBuilder(block, file_batch(source, inputs))
    for port, argument in zip(inputs, block.args, strict=True):
        tensors[port.name] = Activation(argument, port.dtype)
    opsets = _opsets(source)
    for proto in graph.node:
        missing = [name for name in proto.input if name and name not in tensors]
        if missing:
            raise ModelError(
                f"node '{node_name(proto)}' ({proto.op_type}): input '{missing[0]}' is defined nowhere before it"
            )
        inputs_of_node = [tensors[name] if name else None for name in proto.input]
        node = Node(proto, inputs_of_node, opsets.get("" if proto.domain in STANDARD_DOMAINS else proto.domain, 1))
        for name, tensor in _import_node(node, builder).items():
            if name in tensors:
                raise node.error(f"defines '{name}', which is already defined")
            tensors[name] = tensor
    return _module(source, builder, inputs, tensors)


def _opsets(source: Source) -> dict[str, int]:
    """Return domain -> version; quantised dialects may be missing, the standard domain is ''.

    Raises:
        ModelError: if the standard operators have no version, or an unknown one.
    """
    opsets = {
        "" if entry.domain in STANDARD_DOMAINS else entry.domain: entry.version for entry in source.model.opset_import
    }
    version = opsets.get("")
    if version is None:
        raise ModelError(f"{source.name}: the model declares no opset of the standard operators")
    if not OLDEST_OPSET <= version <= NEWEST_OPSET:
        raise ModelError(f"{source.name}: opset {version} is outside {OLDEST_OPSET} ... {NEWEST_OPSET}")
    return opsets


def _import_node(node: Node, builder: NetworkBuilder) -> dict[str, Tensor]:
    """Import one node and return its outputs by name."""
    entry = ENTRIES.get((node.domain, node.op))
    if entry is None:
        raise node.error("this op is not supported; docs/supported-ops.md lists what is")
    for name in node.attribute_names:
        if name not in entry.attributes and name not in HARMLESS_ATTRIBUTES:
            raise node.error(f"attribute '{name}' is unknown and may change the result")
    builder.start(node)
    try:
        # Constants are computed as IEEE says, infinities and undefined numbers included: nothing to warn about.
        with np.errstate(all="ignore"):
            result = entry.importer(node, builder)
    except ImcflowError:
        raise
    except (VerifyException, ValueError, LookupError, TypeError, ArithmeticError, MemoryError) as error:
        raise node.error(str(error) or type(error).__name__) from error
    outputs = list(result) if isinstance(result, Sequence) else [result]
    for tensor in outputs:
        _refuse_wrapping(node, builder, tensor)
    missing = Unavailable("an optional output that is not computed")
    outputs += [missing] * (len(node.outputs) - len(outputs))
    return {name: tensor for name, tensor in zip(node.outputs, outputs, strict=False) if name}


def _refuse_wrapping(node: Node, builder: NetworkBuilder, tensor: Tensor) -> None:
    """Refuse a result that ONNX may compute modulo 2**bits: the import is exact and would give other integers."""
    if not isinstance(tensor, Activation) or not tensor.source_is_integer or is_float(tensor.value):
        return
    inside, limits = builder.interval(tensor.value), integer_limits(tensor.dtype)
    if limits is not None and (inside.low < limits.low or inside.high > limits.high):
        range_text = f"{inside.low} ... {inside.high}"
        raise node.error(f"its integers may be {range_text}, which would wrap in {tensor.dtype}; {DECLARE_INPUTS}")


def _module(
    source: Source, builder: NetworkBuilder, inputs: Sequence[GraphInput], tensors: Mapping[str, Tensor]
) -> ModuleOp:
    outputs = [_output(source, value.name, tensors) for value in source.model.graph.output]
    values = [tensor.value for tensor in outputs]
    terminator = ReturnOp(*values)
    builder.block.add_op(terminator)
    builder.finish()
    names = [value.name for value in source.model.graph.output]
    result_attributes = [_port(name, tensor.dtype) for name, tensor in zip(names, outputs, strict=True)]
    function = FuncOp(
        "main",
        ([port.type for port in inputs], [operand.type for operand in terminator.operands]),
        Region(builder.block),
        arg_attrs=ArrayAttr([_port(port.name, port.dtype) for port in inputs]),
        res_attrs=ArrayAttr(result_attributes),
    )
    function.location = node_location(source.model.graph.name or "main")
    attributes = {"imc.level": StringAttr("network"), "imc.source": StringAttr(source.sha256)}
    module = ModuleOp([function], attributes=attributes, sym_name=StringAttr(_network_name(source)))
    try:
        module.verify()
    except VerifyException as error:
        raise ModelError(f"{source.name}: {error}") from error
    return module


def _network_name(source: Source) -> str:
    """The name of the network in reports: of its file, else of its graph."""
    return Path(source.name).stem if Path(source.name).suffix else source.model.graph.name or "main"


def _port(name: str, dtype: str) -> DictionaryAttr:
    return DictionaryAttr({"imc.name": StringAttr(name), "imc.dtype": StringAttr(dtype)})


def _output(source: Source, name: str, tensors: Mapping[str, Tensor]) -> Activation:
    tensor = tensors.get(name)
    if isinstance(tensor, Activation):
        return tensor
    if isinstance(tensor, Unavailable):
        raise ModelError(f"{source.name}: output '{name}' is {tensor.reason}")
    reason = "is computed nowhere" if tensor is None else "does not depend on any input"
    raise ModelError(f"{source.name}: output '{name}' {reason}")
