"""The default pipelines, as text: what `imcflow compile` runs and `imc-opt -p` replays."""

from __future__ import annotations

AP_LEVELS = (
    "imc-assign-units{{target={target}}}",
    "imc-unroll{{target={target}}}",
    "imc-reduce-arithmetic{{target={target}}}",
    "imc-infer-widths",
    "imc-allocate-tracks{{target={target}}}",
    "imc-verify-mapped{{target={target}}}",
    "imc-emit-program{{target={target}}}",
    "imc-verify-program",
)
"""From the quantised level to the program level of an associative processor."""


def default_pipeline(target: str, *, calibration: str | None = None, activation_bits: int | None = None) -> str:
    """Return the pipeline that compiles a network for a target.

    Args:
        target: preset name or YAML file.
        calibration: `.npz` of sample inputs, for models with floating-point activations.
        activation_bits: bits of the calibrated activations.
    """
    passes = ["imc-lift-scales"]
    if calibration is not None:
        passes.append("imc-ternarize")
        passes.append(f"imc-quantize-activations{{calibration={quoted(calibration)} bits={activation_bits}}}")
    passes += ["imc-fold-thresholds", "imc-narrow-ranges", "imc-verify-quantised"]
    passes += [text.format(target=quoted(target)) for text in AP_LEVELS]
    return ",".join(passes)


def quoted(text: str) -> str:
    """Return a pass option's text, in quotes unless it is a plain word."""
    plain = text.replace("-", "").replace("_", "").isalnum()
    return text if plain else f'"{text}"'
