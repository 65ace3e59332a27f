"""Layers and edges of a module at the network or quantised level.

Convolutions, matrix products and gemms are layers. Element-wise ops run with the tiles that write or read; an addition
of two branches joins the layer that ends the longer one, as the other operand at its outputs. Poolings are windows on
edges. What turns positions around (reshape, transpose, slice, ...) makes its reader wait for the whole tensor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp

from imcflow.dialect.locations import node_names
from imcflow.dialect.ops_elementwise import BinaryOp
from imcflow.dialect.ops_network import ConstantOp, Conv2dOp, GemmOp, MatMulOp, PoolOp
from imcflow.dialect.ops_shape import ConcatOp
from imcflow.dialect.types import shape_of
from imcflow.errors import ImcflowError
from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer, Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xdsl.ir import Operation, SSAValue

_WHOLE = frozenset(
    {
        "imc.reshape",
        "imc.transpose",
        "imc.pad",
        "imc.slice",
        "imc.depth_to_space",
        "imc.reduce_mean",
        "imc.softmax",
        "imc.log_softmax",
        "imc.top_k",
    }
)


@dataclass(frozen=True)
class ModuleGraph:
    """The layers of a module.

    Attributes:
        graph: layers and edges.
        ops: the op of each layer.
    """

    graph: Graph
    ops: tuple[Operation, ...]


def module_graph(module: ModuleOp) -> ModuleGraph:
    """Find the layers of the module's function.

    Raises:
        ImcflowError: there is not one function, or it has no layers.
    """
    functions = [op for op in module.ops if isinstance(op, FuncOp)]
    if len(functions) != 1:
        raise ImcflowError(f"the module holds {len(functions)} functions, expected one")
    reading = _Reading()
    for op in functions[0].body.block.ops:
        reading.read(op)
    if not reading.layers:
        raise ImcflowError("the module holds no convolution and no matrix product to map")
    name = module.sym_name.data if module.sym_name is not None else functions[0].sym_name.data
    return ModuleGraph(Graph(name, tuple(reading.layers)), tuple(reading.ops))


class _Reading:
    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.ops: list[Operation] = []
        self.edges: dict[SSAValue, tuple[Edge, ...]] = {}

    def of(self, value: SSAValue) -> tuple[Edge, ...]:
        """Edges to what a value consists of; none for inputs and constants."""
        return self.edges.get(value, ())

    def read(self, op: Operation) -> None:
        if isinstance(op, ConstantOp) or not op.results:
            return
        if isinstance(op, Conv2dOp):
            self._add(op, self._convolution(op))
        elif isinstance(op, GemmOp):
            outputs, inputs = shape_of(op.weights)
            edges = tuple(Edge.whole(edge.producer) for edge in self.of(op.input))
            self._add(op, Layer("", outputs, inputs, edges=edges))
        elif isinstance(op, MatMulOp):
            self._add(op, self._product(op))
        elif isinstance(op, PoolOp):
            self.edges[op.result] = self._pooled(op)
        elif isinstance(op, ConcatOp) and op.axis.value.data == 1:
            self.edges[op.result] = self._joined(op)
        elif isinstance(op, BinaryOp):
            self.edges[op.results[0]] = self._combined(op)
        else:
            edges = tuple(edge for operand in op.operands for edge in self.of(operand))
            if op.name in _WHOLE:
                edges = tuple(Edge.whole(edge.producer) for edge in edges)
            for result in op.results:
                self.edges[result] = edges

    def _add(self, op: Operation, layer: Layer) -> None:
        names = node_names(op)
        base = names[-1] if names else op.name.removeprefix("imc.")
        taken = {known.name for known in self.layers}
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}#{number}"
        self.layers.append(replace(layer, name=name))
        self.ops.append(op)
        self.edges[op.results[0]] = (Edge(len(self.layers) - 1),)

    def _convolution(self, op: Conv2dOp) -> Layer:
        shape, (outputs, per_group, kernel_rows, kernel_columns) = shape_of(op.result), shape_of(op.weights)
        rows, columns = _axes((kernel_rows, kernel_columns), op.strides, op.pads, op.dilations)
        groups = op.groups.value.data
        depthwise = per_group == 1 and groups == outputs
        edges = self.of(op.input)
        if groups > 1 and not depthwise:
            edges = tuple(replace(edge, all_channels=True) for edge in edges)
        return Layer("", outputs, per_group, shape[2], shape[3], rows, columns, channelwise=depthwise, edges=edges)

    def _product(self, op: MatMulOp) -> Layer:
        """Rows of the left operand are rows of the result; the right operand is needed as a whole."""
        result, left = shape_of(op.result), shape_of(op.lhs)
        heads = 1
        for size in result[1:-2]:
            heads *= size
        edges = [replace(edge, all_channels=True, all_columns=True) for edge in self.of(op.lhs)]
        edges += [Edge.whole(edge.producer) for edge in self.of(op.rhs)]
        rows = result[len(result) - 2] if len(result) > 2 else 1
        if len(result) != 3:
            edges = [Edge.whole(edge.producer) for edge in edges]
        return Layer("", result[len(result) - 1], left[len(left) - 1], max(1, rows), heads, edges=tuple(edges))

    def _pooled(self, op: PoolOp) -> tuple[Edge, ...]:
        shape, source = shape_of(op.result), shape_of(op.input)
        kernel = _integers(op.kernel)
        if shape[2:] == (1, 1) and tuple(kernel) == tuple(source[2:]):
            return tuple(replace(edge, all_rows=True, all_columns=True) for edge in self.of(op.input))
        rows, columns = _axes((kernel[0], kernel[1]), op.strides, op.pads, op.dilations)
        pool = Pool(rows, columns, shape[2], shape[3])
        return tuple(replace(edge, pools=(pool, *edge.pools)) for edge in self.of(op.input))

    def _joined(self, op: ConcatOp) -> tuple[Edge, ...]:
        edges: list[Edge] = []
        offset = 0
        for operand in op.inputs:
            edges += [replace(edge, channel_offset=edge.channel_offset + offset) for edge in self.of(operand)]
            offset += shape_of(operand)[1]
        return tuple(edges)

    def _combined(self, op: BinaryOp) -> tuple[Edge, ...]:
        left, right = self.of(op.lhs), self.of(op.rhs)
        if not left or not right:
            return left or right
        ahead, other = (left, right) if left[0].producer >= right[0].producer else (right, left)
        last = ahead[0].producer
        plain = len(ahead) == 1 and ahead[0] == Edge(last) and shape_of(op.lhs) == shape_of(op.rhs)
        if not plain or any(edge.producer >= last for edge in other):
            return tuple(dict.fromkeys((*ahead, *other)))
        layer = self.layers[last]
        joined = tuple(replace(edge, at_output=True) for edge in other)
        self.layers[last] = replace(layer, edges=tuple(dict.fromkeys((*layer.edges, *joined))))
        return ahead


def _integers(attribute: object) -> list[int]:
    from xdsl.dialects.builtin import DenseArrayBase

    assert isinstance(attribute, DenseArrayBase)
    return [int(value) for value in attribute.iter_values()]


def _axes(kernel: Sequence[int], strides: object, pads: object, dilations: object) -> tuple[Axis, Axis]:
    (down, across), (dilate_down, dilate_across) = _integers(strides), _integers(dilations)
    top, left, _, _ = _integers(pads)
    return Axis(kernel[0], down, dilate_down, top), Axis(kernel[1], across, dilate_across, left)
