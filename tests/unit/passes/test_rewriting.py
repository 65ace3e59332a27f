"""Locations survive pattern rewriting, whichever way a pattern creates its ops."""

from __future__ import annotations

from xdsl.context import Context
from xdsl.dialects import test as xdsl_test
from xdsl.dialects.arith import AddiOp, Arith, ConstantOp, MuliOp
from xdsl.dialects.builtin import Builtin, ModuleOp, NameLoc, UnknownLoc
from xdsl.ir import Operation
from xdsl.parser import Parser
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern
from xdsl.rewriter import InsertPoint

from imcflow.dialect.locations import node_location, node_names
from imcflow.passes.rewriting import rewrite_module

SOURCE = """
%a, %b = "test.op"() : () -> (i32, i32) loc("input")
%c = arith.muli %a, %b : i32 loc("conv1")
"test.op"(%c) : (i32) -> () loc("output")
"""


def parse(text: str) -> ModuleOp:
    context = Context()
    for dialect in (Builtin, Arith, xdsl_test.Test):
        context.load_dialect(dialect)
    return Parser(context, text).parse_module()


def names(module: ModuleOp, kind: type[Operation]) -> list[tuple[str, ...]]:
    return [node_names(op) for op in module.walk() if isinstance(op, kind)]


class MulToTwoAdds(RewritePattern):
    """Creates one op that replaces the matched one and one that does not."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MuliOp, rewriter: PatternRewriter) -> None:
        first = AddiOp(op.lhs, op.rhs)
        rewriter.replace(op, [first, AddiOp(first, op.rhs)])


def test_every_created_op_gets_the_location_of_the_matched_op():
    module = parse(SOURCE)
    assert rewrite_module(module, [MulToTwoAdds()])
    assert names(module, AddiOp) == [("conv1",), ("conv1",)]


class InsertThenReplace(RewritePattern):
    """Inserts through `insert`, replaces with an existing result."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MuliOp, rewriter: PatternRewriter) -> None:
        constant = rewriter.insert(ConstantOp.from_int_and_width(1, 32), InsertPoint.before(op))
        addition = rewriter.insert(AddiOp(op.lhs, constant), InsertPoint.before(op))
        rewriter.replace(op, [], [addition.result])


def test_inserted_ops_get_the_location():
    module = parse(SOURCE)
    rewrite_module(module, [InsertThenReplace()])
    assert names(module, AddiOp) == [("conv1",)]
    assert names(module, ConstantOp) == [("conv1",)]


class ReplaceWithOwnLocation(RewritePattern):
    """Sets a location itself."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MuliOp, rewriter: PatternRewriter) -> None:
        addition = AddiOp(op.lhs, op.rhs)
        addition.location = node_location("mine")
        rewriter.replace(op, addition)


def test_a_location_set_by_the_pattern_stays():
    module = parse(SOURCE)
    rewrite_module(module, [ReplaceWithOwnLocation()])
    assert names(module, AddiOp) == [("mine",)]


class ReplaceProducerOfOperand(RewritePattern):
    """Matches the user and replaces its producer: the new op belongs to the producer, where it has a location."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: xdsl_test.TestOp, rewriter: PatternRewriter) -> None:
        if not op.operands or not isinstance(producer := op.operands[0].owner, MuliOp):
            return
        rewriter.replace(producer, AddiOp(producer.lhs, producer.rhs))


def test_an_op_created_from_its_user_has_a_location():
    module = parse(SOURCE)
    rewrite_module(module, [ReplaceProducerOfOperand()])
    assert names(module, AddiOp) == [("conv1",)]


def test_an_op_without_location_gives_none():
    module = parse(SOURCE.replace(' loc("conv1")', ""))
    rewrite_module(module, [MulToTwoAdds()])
    locations = [op.location for op in module.walk() if isinstance(op, AddiOp)]
    assert all(isinstance(location, UnknownLoc) for location in locations)
    assert len(locations) == 2


def test_nothing_to_do_is_reported():
    module = parse(SOURCE)
    assert rewrite_module(module, [MulToTwoAdds()])
    assert not rewrite_module(module, [MulToTwoAdds()])
    assert any(isinstance(op.location, NameLoc) for op in module.walk())
