"""The pass `imc-assign-units`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.passes import ModulePass

from imcflow.dialect.attributes import Unit
from imcflow.dialect.constants import constant_array
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import ConstantOp, Conv2dOp, GemmOp, MaxPoolOp, SumPoolOp
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.types import is_float, shape_of
from imcflow.passes.units import SEPARATE, activation_bits, bind, has_small_constant_weights

if TYPE_CHECKING:
    from xdsl.ir import Operation

    from imcflow.runtime.program import MacroSummary
    from imcflow.targets.ap import ApUnits


@dataclass(frozen=True)
class ImcAssignUnits(ModulePass):
    """Bind every op to a unit of the target.

    On the associative processor run convolutions and matrix products with constant integer weights; maximum pooling,
    sum pooling and the addition of two tensors run where the target says. Everything else, floating point above all,
    runs on the digital unit. Step functions behind a layer are looked up by the digital unit while the layer's sums
    are stored.

    Crossbar macros run convolutions and matrix products with constant integer weights whose activations have at most as
    many bits as the macros take.

    Precondition: quantised level.
    Postcondition: every op of the function but constants and the return has the attribute `imc.unit`.

    Before:
        %y = imc.gemm %x, %w : (tensor<?x64xui4>, tensor<10x64xsi2>) -> tensor<?x10xsi11>
    After:
        %y = imc.gemm %x, %w {imc.unit = #imc<unit ap>} : (tensor<?x64xui4>, tensor<10x64xsi2>) -> tensor<?x10xsi11>

    Effect on cost: decides what the arrays and what the digital unit pay.

    Options:
        target: preset name or YAML file.
        separate_steps: keep step functions apart from the layers before them, so that the sums are stored and a run can
            return them; slower, for looking inside.
    """

    name = "imc-assign-units"

    target: str = "rtm-ap-256"
    separate_steps: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set the attribute on every op."""
        from imcflow.passes.ap_target import load_ap_target
        from imcflow.passes.crossbar_target import is_crossbar_target, load_crossbar_target

        crossbar = is_crossbar_target(self.target)
        macro = load_crossbar_target(self.target).macro if crossbar else None
        units = None if crossbar else load_ap_target(self.target).units
        for candidate in op.walk():
            if isinstance(candidate, ModuleOp | FuncOp | ReturnOp | ConstantOp):
                continue
            if macro is not None:
                bind(candidate, crossbar_unit_for(candidate, macro))
            elif units is not None:
                bind(candidate, unit_for(candidate, units))
            if self.separate_steps and isinstance(candidate, ThresholdOp):
                candidate.attributes[SEPARATE] = UnitAttr()


def unit_for(op: Operation, units: ApUnits) -> Unit:
    """Return the unit that executes an op on a target with these preferences."""
    if any(is_float(value) for value in (*op.operands, *op.results)):
        return Unit.DIGITAL
    if isinstance(op, Conv2dOp | GemmOp):
        return Unit.AP if has_small_constant_weights(op) else Unit.DIGITAL
    if isinstance(op, MaxPoolOp):
        return Unit(units.max_pool)
    if isinstance(op, SumPoolOp):
        return Unit(units.residual_add)
    if isinstance(op, AddOp) and shape_of(op.lhs) == shape_of(op.rhs) and len(shape_of(op.lhs)) in (2, 4):
        constant = constant_array(op.lhs) is not None or constant_array(op.rhs) is not None
        return Unit.DIGITAL if constant else Unit(units.residual_add)
    return Unit.DIGITAL


def crossbar_unit_for(op: Operation, macro: MacroSummary) -> Unit:
    """Return the unit that executes an op on a target with these macros."""
    if not isinstance(op, Conv2dOp | GemmOp) or any(is_float(value) for value in (*op.operands, *op.results)):
        return Unit.DIGITAL
    pads = [op.pad_value.value.data] if isinstance(op, Conv2dOp) and any(op.pads.iter_values()) else []
    fits = activation_bits(op.input, *pads) <= macro.activation_bits
    return Unit.CROSSBAR if fits and has_small_constant_weights(op) else Unit.DIGITAL
