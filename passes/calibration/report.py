"""What quantisation after training cost, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FloatAttr, IntegerAttr, ModuleOp, StringAttr, f64, i64
from xdsl.ir import Attribute

from imcflow.passes.network.notes import add_notes

WEIGHTS_ATTRIBUTE = "imc.weight_report"
ACTIVATIONS_ATTRIBUTE = "imc.activation_report"


@dataclass(frozen=True)
class WeightReport:
    """One layer whose weights were replaced.

    Attributes:
        layer: source node.
        kind: what was done.
        bits: of the signed integer weights.
        zero_share: share of zero weights.
        relative_error: norm of the difference over the norm of the weights.
    """

    layer: str
    kind: str
    bits: int
    zero_share: float
    relative_error: float

    def line(self) -> str:
        """Return one line for the user."""
        return (
            f"{self.layer}: weights quantised ({self.kind}, {self.bits} bits, {self.zero_share:.0%} zero), "
            f"relative error {self.relative_error:.4f}"
        )


@dataclass(frozen=True)
class ActivationReport:
    """One tensor that became integers.

    Attributes:
        tensor: source node that computes it.
        bits, signed: of the integers.
        scale: real distance between neighbouring integers.
        zero_point: integer that stands for 0.
        clipped_share: share of the calibration values beyond the range.
        sqnr_db: signal to quantisation noise on the calibration values, in decibels.
    """

    tensor: str
    bits: int
    signed: bool
    scale: float
    zero_point: int
    clipped_share: float
    sqnr_db: float

    def line(self) -> str:
        """Return one line for the user."""
        kind = f"{'si' if self.signed else 'ui'}{self.bits}"
        return (
            f"{self.tensor}: activations quantised to {kind}, scale {self.scale:.6g}, zero point {self.zero_point}, "
            f"{self.clipped_share:.2%} clipped, SQNR {self.sqnr_db:.1f} dB"
        )


def attach(module: ModuleOp, name: str, reports: Sequence[WeightReport | ActivationReport]) -> None:
    """Leave the reports on the module: as data under the attribute `name`, and as notes for the user."""
    if not reports:
        return
    entries = [DictionaryAttr({key: _attribute(value) for key, value in asdict(report).items()}) for report in reports]
    module.attributes[name] = ArrayAttr(entries)
    add_notes(module, [report.line() for report in reports])


def _attribute(value: str | int | float) -> Attribute:
    if isinstance(value, str):
        return StringAttr(value)
    return FloatAttr(value, f64) if isinstance(value, float) else IntegerAttr(int(value), i64)
