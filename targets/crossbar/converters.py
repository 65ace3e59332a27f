"""Converters of analog macros: energy, area and delay of ADC and DAC (sheet 2.3, constants k0..k6).

The constants are those of the released validation: k1..k4 fitted there by hand on AIMC1-3, k0 scanned over
published chips, k5 and k6 from the ADC survey used by the authors.
"""

from __future__ import annotations

_K0_FF = 50.0
_K1 = -0.0369
_K2 = 1.206
_K3_NS_PER_ROW = 0.00653
_K4_NS = 0.640
_K5_FF = 100.0
_K6_FF = 0.001


def adc_energy_fj(adc_bits: float, supply_v: float) -> float:
    """E_ADC = (k5 A + k6 4^A) V^2, fJ per conversion; A may be fractional."""
    return (_K5_FF * adc_bits + _K6_FF * 4.0**adc_bits) * supply_v**2


def adc_area_um2(adc_bits: float) -> float:
    """A_ADC = 10^(k1 A + k2) 2^A, um2 per ADC; a one-bit converter is a sense amplifier and counts nothing."""
    if adc_bits <= 1:
        return 0.0
    return 10 ** (_K1 * adc_bits + _K2) * 2.0**adc_bits


def adc_delay_ns(adc_bits: float, rows: int) -> float:
    """t_ADC = A (k3 R + k4), ns; the k3 term is the settling of a bit line with `rows` cells."""
    return adc_bits * (_K3_NS_PER_ROW * rows + _K4_NS)


def dac_energy_fj(bits_per_cycle: int, supply_v: float) -> float:
    """E_DAC = k0 b V^2, fJ per row and cycle; one bit per cycle needs no DAC. Area and delay of a DAC are 0."""
    if bits_per_cycle == 1:
        return 0.0
    return _K0_FF * bits_per_cycle * supply_v**2
