"""Where quantisers go: the tensors that must be integers, and those that must share a scale."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from xdsl.ir import Block, Operation, SSAValue

from imcflow.dialect.ops_elementwise import AbsOp, AddOp, ClipOp, ReluOp, SigmoidOp, SoftmaxOp, SubOp
from imcflow.dialect.ops_network import AvgPoolOp, Conv2dOp, GemmOp, MaxPoolOp
from imcflow.dialect.ops_shape import (
    ConcatOp,
    DepthToSpaceOp,
    PadOp,
    ReduceMeanOp,
    ReshapeOp,
    SliceOp,
    TransposeOp,
)
from imcflow.dialect.types import is_float, shape_of
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.forms import direct_form
from imcflow.passes.network.weights import weight_form

MOVEMENT = (ReshapeOp, TransposeOp, SliceOp, ConcatOp, PadOp, DepthToSpaceOp, MaxPoolOp)
"""Ops through which a quantiser moves towards the input: they only move or select elements."""

NEVER_NEGATIVE = (ReluOp, AbsOp, SigmoidOp, SoftmaxOp)


@dataclass(eq=False)
class Site:
    """A real tensor that is to become integers for some of its readers.

    Attributes:
        value: the tensor.
        is_summand: whether the integers are added to others rather than read by a layer.
        readers: ops that are to read the integers.
        never_negative: whether the network proves that.
    """

    value: SSAValue
    is_summand: bool
    readers: set[Operation] = field(default_factory=set[Operation])
    never_negative: bool = False


Key = tuple[SSAValue, bool]
"""A tensor may become integers twice: finer ones to be added, coarser ones for a layer."""


def find_sites(block: Block, max_weight_bits: int, *, integer_sums: bool) -> list[list[Site]]:
    """Return groups of tensors; the tensors of a group share one scale.

    Integers are needed by the linear layers with integer weights, and on the way to them by means and by additions of
    two tensors, whose summands share a scale. Concatenated tensors share one too.
    """
    sites: dict[Key, Site] = {}
    groups = _Groups()
    for reader in _readers(block, max_weight_bits, integer_sums=integer_sums):
        is_sum = is_residual_sum(reader)
        firsts: list[Key] = []
        for operand in _data_operands(reader):
            # A sum reads its summands where they stand: what they are made of is also read without being rounded.
            found = [(operand, reader)] if is_sum else _roots(operand, reader)
            keys = [(root, is_sum) for root, _ in found]
            for key, (root, user) in zip(keys, found, strict=True):
                site = sites.setdefault(key, Site(root, is_sum, never_negative=is_never_negative(root)))
                site.readers.add(user)
                groups.join(keys[0], key)
            firsts.append(keys[0])
        for key in firsts[1:]:
            groups.join(firsts[0], key)
    result: dict[Key, list[Site]] = {}
    for key, site in sites.items():
        if direct_form(site.value) is None:
            result.setdefault(groups.find(key), []).append(site)
    return list(result.values())


def _readers(block: Block, max_weight_bits: int, *, integer_sums: bool) -> list[Operation]:
    """Return the ops that need integers, in program order."""
    needed: set[SSAValue] = set()
    readers: list[Operation] = []
    for op in reversed(list(block.ops)):
        if not op.results or not is_float(op.results[0]) or constant_value(op.results[0]) is not None:
            continue
        result = op.results[0]
        is_layer = (
            isinstance(op, Conv2dOp | GemmOp)
            and is_float(op.input)
            and not isinstance(weight_form(op.weights, max_weight_bits), str)
        )
        is_between = result in needed and (_is_mean(op) or (integer_sums and is_residual_sum(op)))
        if is_layer or is_between:
            readers.insert(0, op)
        if is_layer or result in needed:
            needed.update(op.operands)
    return readers


def _is_mean(op: Operation) -> bool:
    return isinstance(op, AvgPoolOp | ReduceMeanOp)


def is_residual_sum(op: Operation) -> bool:
    """Return whether `op` adds two activations of one shape."""
    return (
        isinstance(op, AddOp | SubOp)
        and constant_value(op.lhs) is None
        and constant_value(op.rhs) is None
        and shape_of(op.lhs) == shape_of(op.rhs)
    )


def _data_operands(op: Operation) -> Iterable[SSAValue]:
    return op.operands if isinstance(op, AddOp | SubOp) else op.operands[:1]


def _roots(value: SSAValue, user: Operation) -> list[tuple[SSAValue, Operation]]:
    """Return the tensors that `value` is made of by movement, each with the op that reads it."""
    owner = value.owner
    if isinstance(owner, MOVEMENT) and direct_form(value) is None:
        return [root for operand in owner.operands for root in _roots(operand, owner)]
    return [(value, user)]


def is_never_negative(value: SSAValue) -> bool:
    """Return whether the op that defines `value` cannot give negative numbers."""
    op = value.owner
    if isinstance(op, NEVER_NEGATIVE):
        return True
    if isinstance(op, ClipOp):
        return op.low.value.data >= 0
    return isinstance(op, (*MOVEMENT, AvgPoolOp, ReduceMeanOp)) and all(map(is_never_negative, op.operands))


class _Groups:
    def __init__(self) -> None:
        self._parent: dict[Key, Key] = {}

    def find(self, key: Key) -> Key:
        while (parent := self._parent.get(key, key)) != key:
            key = parent
        return key

    def join(self, left: Key, right: Key) -> None:
        left, right = self.find(left), self.find(right)
        if left != right:
            self._parent[right] = left
