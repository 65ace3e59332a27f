"""Straight-line editing of the one block of a network: insert before an op, replace it, sweep what is dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, SSAValue

from imcflow.errors import ModelError

OpT = TypeVar("OpT", bound=Operation)


class Editor:
    """Inserts ops before `anchor`; those without a source location get its."""

    def __init__(self, anchor: Operation) -> None:
        self.anchor = anchor

    def add(self, op: OpT) -> OpT:
        """Insert `op` before the anchor and return it."""
        if isinstance(op.location, UnknownLoc):
            op.location = self.anchor.location
        _block_of(self.anchor).insert_op_before(op, self.anchor)
        return op

    def value(self, op: Operation) -> SSAValue:
        """Insert `op` before the anchor and return its result."""
        return self.add(op).results[0]

    def replace(self, value: SSAValue) -> None:
        """Replace the result of the anchor by `value` and erase the anchor."""
        result = self.anchor.results[0]
        if value.name_hint is None:
            value.name_hint = result.name_hint
        result.replace_all_uses_with(value)
        self.anchor.detach()
        self.anchor.erase()


def copy_op(op: OpT, operands: Sequence[SSAValue], result_type: Attribute) -> OpT:
    """Return a copy of `op`, in no block, with other operands and another result type, at the same location."""
    return type(op).create(
        operands=operands,
        result_types=[result_type],
        properties=op.properties,
        attributes=op.attributes,
        location=op.location,
    )


def _block_of(op: Operation) -> Block:
    block = op.parent_block()
    if block is None:
        raise ValueError(f"{op.name} is in no block")
    return block


def functions(module: ModuleOp) -> list[FuncOp]:
    """Return the functions with a body."""
    return [op for op in module.ops if isinstance(op, FuncOp) and not op.is_declaration]


def network_block(module: ModuleOp) -> Block:
    """Return the block of the module's only function.

    Raises:
        ModelError: if there is not exactly one function with one block.
    """
    found = functions(module)
    if len(found) != 1 or len(found[0].body.blocks) != 1:
        raise ModelError(f"a network is one function of one block; the module holds {len(found)} functions")
    return found[0].body.block


def erase_dead(block: Block) -> None:
    """Erase the ops whose results nobody reads; every op of a network but the terminator is pure."""
    for op in reversed(list(block.ops)):
        if op.results and not isinstance(op, ReturnOp) and not any(result.uses for result in op.results):
            op.detach()
            op.erase()


def retype_function(module: ModuleOp) -> None:
    """Bring the signature of each function up to date with its arguments and what it returns."""
    for function in functions(module):
        function.update_function_type()
