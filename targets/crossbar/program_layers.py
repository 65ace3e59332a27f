"""The layers of a compiled program as loop nests, for the closed-form model and its conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.runtime.crossbar.residency import kernel_residencies
from imcflow.runtime.program import CrossbarKernel, tensors_read, tensors_written
from imcflow.targets.crossbar.layers import Layer
from imcflow.targets.crossbar.stream_work import kernel_work

if TYPE_CHECKING:
    from imcflow.runtime.program import Program
    from imcflow.targets.crossbar.stream_work import KernelWork


def program_layers(program: Program, *, images: int = 1) -> tuple[Layer, ...]:
    """Return one layer per crossbar kernel, in order; `sources` look through the digital operations between them.

    Weights that lie in several tiles (slices, differential columns) count as that many output channels, because so many
    columns compute them.

    Args:
        program: a checked program of a crossbar target.
        images: size of the batch.
    """
    residencies = kernel_residencies(program.crossbar_kernels)
    works = {
        kernel.name: kernel_work(kernel, residency)
        for kernel, residency in zip(program.crossbar_kernels, residencies, strict=True)
    }
    origins: dict[int, tuple[str, ...]] = {}
    layers: list[Layer] = []
    for step in program.steps:
        read = tuple(dict.fromkeys(name for number in tensors_read(step) for name in origins.get(number, ())))
        if isinstance(step, CrossbarKernel):
            layers.append(_layer(step, works[step.name], read, images))
            read = (step.name,)
        for number in tensors_written(step):
            origins[number] = read
    return tuple(layers)


def _layer(kernel: CrossbarKernel, work: KernelWork, sources: tuple[str, ...], images: int) -> Layer:
    window, output, groups = kernel.window, kernel.output, work.groups
    return Layer(
        kernel.name,
        B=images,
        G=groups,
        K=output.channels // groups * work.weight_parts,
        C=window.channels // groups,
        OX=output.width,
        OY=output.height,
        FX=window.kernel[1],
        FY=window.kernel[0],
        stride_x=window.strides[1],
        stride_y=window.strides[0],
        dilation_x=window.dilations[1],
        dilation_y=window.dilations[0],
        input_x=window.width,
        input_y=window.height,
        weight_bits=kernel.weight_bits,
        activation_bits=window.bits,
        output_bits=output.bits,
        partial_sum_bits=max(16, output.bits),
        sources=sources,
    )
