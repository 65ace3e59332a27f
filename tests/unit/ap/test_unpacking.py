"""The packed and the SSA form of a program are the same program."""

from __future__ import annotations

import contextlib
import io

from ap_layers import layers
from hypothesis import given
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region
from xdsl.parser import Parser
from xdsl.printer import Printer

from imcflow.api import make_context
from imcflow.dialect.attributes_ap import AddSubAttr, PlacementAttr
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.dialect.types import batched, integer_type
from imcflow.passes.allocation.allocate import CapacityError
from imcflow.passes.imc_pack import ImcPack
from imcflow.passes.imc_unpack import ImcUnpack


def module_of(layer) -> ModuleOp:
    inputs = batched((len(layer.inputs.low),), integer_type(8, signed=True))
    outputs = batched((len(layer.matrix),), integer_type(30, signed=True))
    block = Block(arg_types=[inputs])
    op = ApLinearOp(
        [block.args[0]],
        [AddSubAttr.of(layer.program)],
        outputs,
        geometry={},
        channel_low=layer.inputs.low.tolist(),
        channel_high=layer.inputs.high.tolist(),
    )
    block.add_ops([op, ReturnOp(op.result)])
    return ModuleOp([FuncOp("main", FunctionType.from_lists([inputs], [outputs]), Region(block))])


@given(layers.filter(lambda layer: layer.program.lift is None))  # offsets have no SSA form: FileCheck shows the error
def test_packing_is_the_inverse_of_unpacking(layer):
    context, module = make_context(), module_of(layer)
    before = str(module)
    ImcUnpack().apply(context, module)
    module.verify()
    text = str(module)
    assert "imc.ap_linear" not in text
    again = Parser(make_context(), text).parse_module()
    ImcPack().apply(context, again)
    again.verify()
    assert str(again) == before


@given(layers)
def test_packed_attributes_print_and_parse(layer):
    attributes = [AddSubAttr.of(layer.program)]
    with contextlib.suppress(CapacityError):
        attributes.append(PlacementAttr.of(layer.placement()))
    for attribute in attributes:
        stream = io.StringIO()
        Printer(stream).print_attribute(attribute)
        assert Parser(make_context(), stream.getvalue()).parse_attribute() == attribute
