"""The earlier digital model of the survey (Houshmand, Sun, Verhelst, arXiv 2305.18335), energy per MAC only.

Sheet 2.8. It scales the gate capacitance with the node and knows Booth coding and rows that share a multiplier. The
macro model of this package (`peak`) is the newer one; this is here to compare figures of the survey.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from imcflow.errors import TargetError

INVERTER_CAPACITANCE_FF = {5: 0.24, 22: 0.32, 28: 0.30, 65: 0.78}
"""C_inv fitted per node in the survey."""


def inverter_capacitance_ff(technology_nm: float) -> float:
    """C_inv on the line through the fitted nodes, 0.00946 node + 0.126 fF."""
    return 0.00946 * technology_nm + 0.126


def gate_capacitance_ff(technology_nm: float) -> float:
    """C_gate of the survey's stored runs, 0.020 node + 0.196 fF (5, 22, 28 nm: 0.296, 0.636, 0.756)."""
    return 0.020 * technology_nm + 0.196


@dataclass(frozen=True, slots=True)
class SurveyDesign:
    """A digital design of the survey.

    Args:
        tree_inputs: K, a power of two or not (the depth is log2 K).
        weight_bits: Q before Booth coding.
        activation_bits, bits_per_cycle: B_i, P.
        rows_per_multiplier: 1 when every weight has a multiplier of its own.
        booth: Booth coding: one more weight bit, half the total.
    """

    tree_inputs: int
    weight_bits: int
    activation_bits: int
    bits_per_cycle: int = 1
    rows_per_multiplier: int = 1
    booth: bool = False

    def __post_init__(self) -> None:
        for key in ("tree_inputs", "weight_bits", "activation_bits", "bits_per_cycle", "rows_per_multiplier"):
            if getattr(self, key) < 1:
                raise TargetError(f"survey design: {key} is {getattr(self, key)}, but must be at least 1")

    def energy_fj_per_mac(self, gate_ff: float, inverter_ff: float, supply_v: float) -> float:
        """E_add + E_mul + E_wl + E_bl, halved for a Booth-coded design, fJ."""
        q, k = self.weight_bits + (1 if self.booth else 0), self.tree_inputs
        passes = self.activation_bits / self.bits_per_cycle
        adders = (q * k + k - 2 - (q + math.log2(k) - 1)) / k
        add = 5 * gate_ff * supply_v**2 * adders * passes
        multiply = gate_ff * supply_v**2 * q * passes
        lines = 0.0
        if self.rows_per_multiplier > 1:
            lines = inverter_ff * supply_v**2 * q * (1 + self.rows_per_multiplier)
        total = add + multiply + lines
        return total / 2 if self.booth else total
