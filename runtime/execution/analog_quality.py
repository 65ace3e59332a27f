"""How well analog macros compute the layers of a program: signal-to-noise ratios, and full scales fitted to data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import InputError, ProgramError
from imcflow.runtime.crossbar.columns import window_columns
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.ranges import ConverterRange, fitted_ranges
from imcflow.runtime.crossbar.step import CrossbarStep
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.program import CrossbarKernel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from imcflow.runtime.program import MacroSummary, Program

    Arrays = Mapping[str, NDArray[Any]]

LANES_PER_KERNEL = 4096
"""Output positions whose sums full scales are fitted to, spread evenly over the samples."""


@dataclass(frozen=True, slots=True)
class LayerQuality:
    """Signal-to-noise ratios of one kernel, in decibels; infinite where nothing differs.

    Attributes:
        sums_db: of its sums, if its own inputs were exact: what its converters, noise and cells lose.
        result_db: of its stored results within the network, errors of earlier layers included.
        exact_share: share of the stored results that are equal to the exact ones.
    """

    name: str
    onnx_nodes: tuple[str, ...]
    sums_db: float
    result_db: float
    exact_share: float

    def to_json(self) -> dict[str, object]:
        """A JSON object with stable keys; null stands for an infinite ratio."""
        values = asdict(self)
        for key in ("sums_db", "result_db"):
            values[key] = values[key] if math.isfinite(values[key]) else None
        return {**values, "onnx_nodes": list(self.onnx_nodes)}


@dataclass(frozen=True, slots=True)
class KernelRanges:
    """Full scales fitted for one kernel.

    Attributes:
        step: number of the kernel in the program.
        ranges: one per MULTIPLY.
    """

    step: int
    name: str
    ranges: tuple[ConverterRange, ...]

    def line(self) -> str:
        """One line for the user."""
        shares = [item.full_scale / item.largest for item in self.ranges]
        before, after = (self._ratio_db(largest=largest) for largest in (True, False))
        clipped = sum(item.clipped_share for item in self.ranges) / len(self.ranges)
        return (
            f"{self.name}: converters cover {min(shares):.0%} to {max(shares):.0%} of the possible sums, "
            f"{clipped:.2%} clipped; conversions: {db_text(before)} before, {db_text(after)} now"
        )

    def _ratio_db(self, *, largest: bool) -> float:
        error = sum(item.error_of_largest if largest else item.error for item in self.ranges)
        return _decibels(sum(item.signal for item in self.ranges), error)


def _require_images(inputs: Arrays) -> None:
    if any(np.shape(array)[:1] == (0,) for array in inputs.values()):
        raise InputError("the inputs hold no images, at least one is needed")


def exact_program(program: Program) -> Program:
    """Return the program for a digital macro of the same geometry: what ideal converters compute.

    Raises:
        ProgramError: the program's target has no macros.
    """
    return replace(program, target=replace(program.target, macro=replace(_macro(program), adc_levels=0)))


def layer_qualities(program: Program, inputs: Arrays, noise: AnalogNoise | None = None) -> list[LayerQuality]:
    """Compare a program of an analog target with its exact results, kernel by kernel.

    Args:
        program: checked.
        inputs: one array per program input.
        noise: disturbances; None: none.

    Raises:
        InputError: the inputs do not fit, or hold no images.
        ProgramError: the program's target has no macros.
    """
    macro, disturbed = _macro(program), noise or AnalogNoise()
    _require_images(inputs)
    names = {tensor: program.tensors[tensor].name for k in program.crossbar_kernels for tensor in _tensors(k)}
    exact = run_program(exact_program(program), inputs, keep=sorted(set(names.values())))
    analog = run_program(program, inputs, keep=sorted(set(names.values())), noise=disturbed)
    found: list[LayerQuality] = []
    for kernel in program.crossbar_kernels:
        source, result = (names[tensor] for tensor in _tensors(kernel))
        maps = _maps(kernel, exact[source])
        sums = [
            CrossbarStep(kernel, used, disturbed, np.dtype(np.int64), literal=False).sums(maps, 0)
            for used in (replace(macro, adc_levels=0), macro)
        ]
        found.append(
            LayerQuality(
                name=kernel.name,
                onnx_nodes=kernel.onnx_nodes,
                sums_db=ratio_db(*sums),
                result_db=ratio_db(exact[result], analog[result]),
                exact_share=float((exact[result] == analog[result]).mean()),
            )
        )
    return found


def fit_converters(program: Program, inputs: Arrays) -> list[KernelRanges]:
    """Choose the full scales of all converters of an analog program on sample inputs, with exact activations.

    Raises:
        InputError: the inputs do not fit, or hold no images.
        ProgramError: the program's target has no converters.
    """
    macro = _macro(program)
    if not macro.adc_levels:
        raise ProgramError(f"program '{program.name}': target '{program.target.name}' is digital, it has no converters")
    _require_images(inputs)
    names = {kernel.window.tensor: program.tensors[kernel.window.tensor].name for kernel in program.crossbar_kernels}
    exact = run_program(exact_program(program), inputs, keep=sorted(set(names.values())))
    found: list[KernelRanges] = []
    for number, step in enumerate(program.steps):
        if not isinstance(step, CrossbarKernel):
            continue
        maps = _maps(step, exact[names[step.window.tensor]])
        columns = window_columns(step.window, maps, np.dtype(np.int64))
        stride = max(1, -(-columns.shape[1] // LANES_PER_KERNEL))
        ranges = fitted_ranges(step, macro, np.ascontiguousarray(columns[:, ::stride]))
        found.append(KernelRanges(number, step.name, tuple(ranges)))
    return found


def with_full_scales(program: Program, fitted: list[KernelRanges]) -> Program:
    """Return the program with fitted full scales."""
    steps = list(program.steps)
    for kernel in fitted:
        step = steps[kernel.step]
        assert isinstance(step, CrossbarKernel)
        steps[kernel.step] = replace(step, instructions=scaled_instructions(step.instructions, kernel))
    return replace(program, steps=tuple(steps))


def scaled_instructions(table: NDArray[np.void], fitted: KernelRanges) -> NDArray[np.void]:
    """Return a tile instruction table with fitted full scales."""
    table = table.copy()
    for item in fitted.ranges:
        table["imm"][item.instruction] = item.full_scale
    return table


def ratio_db(exact: NDArray[Any], analog: NDArray[Any]) -> float:
    """Signal-to-noise ratio of an array, in decibels."""
    signal = exact.astype(np.float64)
    error = analog.astype(np.float64) - signal
    return _decibels(float((signal**2).sum()), float((error**2).sum()))


def quality_table(layers: list[LayerQuality]) -> list[list[str]]:
    """Return one row of text per layer: name, both ratios, share of exact results."""
    return [
        [layer.name, db_text(layer.sums_db), db_text(layer.result_db), f"{layer.exact_share:.2%}"] for layer in layers
    ]


def _decibels(signal: float, error: float) -> float:
    if not error:
        return math.inf
    return 10 * math.log10(signal / error) if signal else -math.inf


def db_text(value: float) -> str:
    """Return a signal-to-noise ratio for people."""
    return f"{value:.1f} dB" if math.isfinite(value) else "exact"


def _macro(program: Program) -> MacroSummary:
    if program.target.macro is None:
        raise ProgramError(f"program '{program.name}': target '{program.target.name}' has no macros")
    return program.target.macro


def _tensors(kernel: CrossbarKernel) -> tuple[int, int]:
    return kernel.window.tensor, kernel.output.tensor


def _maps(kernel: CrossbarKernel, array: NDArray[Any]) -> NDArray[Any]:
    window = kernel.window
    return array.reshape(len(array), window.channels, window.height, window.width)
