"""Unit cells of the macro model: one gate, and the adders, registers and multipliers made of it.

Source of every number and formula: sheet `imc_cost_model.md` 3.1 (Sun, Houshmand, Verhelst, ICCAD 2023,
arXiv 2405.14978, released implementation): 28 nm, one NAND2 gate as the unit.

Energies are in fJ per event, areas in um2, delays in ns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_FA_NAND_GATES = 3
_FA_XOR_GATES = 2


@dataclass(frozen=True, slots=True)
class UnitCells:
    """One technology, described by its NAND2 gate (the NOR multiplier is counted as the same gate).

    Args:
        gate_area_um2: A_ND2.
        gate_delay_ns: delay of one NAND2.
        gate_capacitance_ff: C_ND2; every energy of the digital parts is proportional to it.
        xor_area_ratio, xor_delay_ratio, xor_capacitance_ratio: XOR2 relative to NAND2.
        flip_flop_area_ratio, flip_flop_capacitance_ratio: DFF relative to NAND2 (its delay is 0).
        line_capacitance_ratio: word line and bit line per cell, relative to NAND2.
    """

    gate_area_um2: float = 0.614
    gate_delay_ns: float = 0.0478
    gate_capacitance_ff: float = 0.7
    xor_area_ratio: float = 2.4
    xor_delay_ratio: float = 2.4
    xor_capacitance_ratio: float = 1.5
    flip_flop_area_ratio: float = 6.0
    flip_flop_capacitance_ratio: float = 3.0
    line_capacitance_ratio: float = 0.5

    @property
    def full_adder_area_um2(self) -> float:
        """A_FA = 3 ND2 + 2 XOR2 (4.789 um2 at 28 nm)."""
        return self.gate_area_um2 * (_FA_NAND_GATES + _FA_XOR_GATES * self.xor_area_ratio)

    @property
    def flip_flop_area_um2(self) -> float:
        """A_FF (3.684 um2 at 28 nm)."""
        return self.gate_area_um2 * self.flip_flop_area_ratio

    @property
    def line_capacitance_ff(self) -> float:
        """C_WL = C_BL per cell (0.35 fF at 28 nm)."""
        return self.gate_capacitance_ff * self.line_capacitance_ratio

    def full_adder_energy_fj(self, supply_v: float) -> float:
        """E_FA = 4.2 V^2: a one-bit adder with both inputs active (3.402 fJ at 0.9 V)."""
        gates = _FA_NAND_GATES + _FA_XOR_GATES * self.xor_capacitance_ratio
        return gates * self.gate_capacitance_ff * supply_v**2

    def half_adder_energy_fj(self, supply_v: float) -> float:
        """E_HA = 2.1 V^2: one input constant, so that only the two XOR gates toggle (1.701 fJ at 0.9 V)."""
        return _FA_XOR_GATES * self.xor_capacitance_ratio * self.gate_capacitance_ff * supply_v**2

    def flip_flop_energy_fj(self, supply_v: float) -> float:
        """E_FF = 2.1 V^2 per written bit (1.701 fJ at 0.9 V)."""
        return self.flip_flop_capacitance_ratio * self.gate_capacitance_ff * supply_v**2

    def multiplier_energy_fj(self, supply_v: float) -> float:
        """E_mul = C_ND2 V^2 / 2 per one-bit product: the weight side of the NOR is static (0.2835 fJ at 0.9 V)."""
        return 0.5 * self.gate_capacitance_ff * supply_v**2

    def line_energy_fj(self, supply_v: float) -> float:
        """C_BL V^2 (= C_WL V^2) of one cell on a bit line or word line."""
        return self.line_capacitance_ff * supply_v**2

    @property
    def sum_delay_ns(self) -> float:
        """t_sum = 2 XOR: input to sum of a full adder (0.22944 ns)."""
        return 2 * self.gate_delay_ns * self.xor_delay_ratio

    @property
    def carry_start_delay_ns(self) -> float:
        """t_ico = XOR + 2 ND2: input to carry out (0.21032 ns)."""
        return self.gate_delay_ns * (self.xor_delay_ratio + 2)

    @property
    def carry_delay_ns(self) -> float:
        """t_cc = 2 ND2: carry in to carry out (0.0956 ns)."""
        return 2 * self.gate_delay_ns


CELLS_28NM = UnitCells()


def cells_at_node(technology_nm: float) -> UnitCells:
    """The 28 nm cells with the gate capacitance of another node, `C_ND2 = 0.019 node + 0.168` fF (sheet 2.8, A).

    Area and delay stay those of 28 nm; results at other nodes are extrapolations and must be reported as such.

    Raises:
        ValueError: the node is not positive.
    """
    if technology_nm <= 0:
        raise ValueError(f"technology_nm is {technology_nm}, but a node is positive")
    return UnitCells(gate_capacitance_ff=0.019 * technology_nm + 0.168)


def cells_scaled_linearly(technology_nm: float) -> UnitCells:
    """The 28 nm cells with area and capacitance scaled by node / 28, delays unscaled (chip validation, sheet 2.8).

    Raises:
        ValueError: the node is not positive.
    """
    if technology_nm <= 0:
        raise ValueError(f"technology_nm is {technology_nm}, but a node is positive")
    scale = technology_nm / 28.0
    return replace(
        CELLS_28NM,
        gate_area_um2=CELLS_28NM.gate_area_um2 * scale,
        gate_capacitance_ff=CELLS_28NM.gate_capacitance_ff * scale,
    )
