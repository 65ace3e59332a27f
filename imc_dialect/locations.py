"""ONNX node names as op locations: they name the op in errors, in the source map and in cost reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xdsl.dialects.builtin import ArrayAttr, FusedLoc, LocationAttr, NameLoc, NoneAttr, StringAttr, UnknownLoc
from xdsl.ir import Attribute, Operation
from xdsl.utils.hints import isa


def node_location(name: str) -> NameLoc:
    """Return the location of the source node called `name`."""
    return NameLoc(StringAttr(name), NoneAttr())


def _names(location: Attribute | None) -> Iterator[str]:
    if isinstance(location, NameLoc):
        yield location.desc.data
    elif isinstance(location, FusedLoc) and isa(location.locations, ArrayAttr):
        for part in location.locations:
            yield from _names(part)


def node_names(op: Operation) -> tuple[str, ...]:
    """Return the names of the source nodes that `op` comes from, in order, without repetition."""
    return tuple(dict.fromkeys(_names(op.location)))


def fused_location(ops: Iterable[Operation]) -> LocationAttr:
    """Return the location of an op that replaces several: all their source nodes, in order."""
    names = tuple(dict.fromkeys(name for op in ops for name in node_names(op)))
    if not names:
        return UnknownLoc()
    if len(names) == 1:
        return node_location(names[0])
    return FusedLoc(ArrayAttr([node_location(name) for name in names]), NoneAttr())


def describe(op: Operation) -> str:
    """Return how messages name an op: its source nodes if known, else its own name."""
    names = node_names(op)
    return f"node '{', '.join(names)}' ({op.name})" if names else op.name
