"""The default pipelines, as text: what `imcflow compile` runs and `imc-opt -p` replays."""

from __future__ import annotations

from collections.abc import Mapping

from imcflow.errors import ImcflowError

AP_LEVELS = (
    "imc-factor-weights",
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

CROSSBAR_LEVELS = (
    "imc-assign-units{{target={target}}}",
    "imc-map-crossbar{{target={target}}}",
    "imc-pack-weights{{target={target} layout={layout}}}",
    "imc-verify-mapped{{target={target}}}",
    "imc-emit-program{{target={target}}}",
    "imc-verify-program",
)
"""From the quantised level to the program level of crossbar macros."""

PIPELINED_LEVELS = (
    CROSSBAR_LEVELS[0],
    "imc-defer-sums{{target={target}}}",
    CROSSBAR_LEVELS[1],
    "imc-replicate-layers{{target={target}}}",
    "imc-pipeline-layers{{target={target}}}",
    *CROSSBAR_LEVELS[3:],
)
"""The same on a fabric of crossbars, where layers stream pixels to each other, each from crossbars of its own."""

UNSIGN_ACTIVATIONS = "imc-unsign-activations"
"""Before the levels of analog macros: what is 0 enters as 0, so that columns add up small sums."""
CALIBRATE_CONVERTERS = "imc-calibrate-converters"

DEFAULT_ACTIVATION_BITS = 8

ARITHMETICS = ("onnx", "litert")
"""What quantised layers compute: what the ONNX file says, or what LiteRT's reference kernels do."""

SCHEDULING = (
    "imc-map-layers{{target={target} strategy={strategy}}}",
    "imc-overlap-layers{{target={target}}}",
    "imc-verify-scheduled{{target={target}}}",
)
"""Between `imc-emit-program` and `imc-verify-program` of a scheduled program."""


def default_pipeline(
    target: str,
    *,
    calibration: str | None = None,
    activation_bits: int | None = None,
    schedule: str | None = None,
    layout: str | None = None,
    arithmetic: str = "onnx",
    converter_calibration: str | None = None,
) -> str:
    """Return the pipeline that compiles a network for a target.

    Args:
        target: preset name or YAML file.
        calibration: `.npz` of sample inputs, for models with floating-point activations: weights that are not quantised
            become ternary, and activations become integers whose ranges are measured on these inputs.
        activation_bits: bits of the calibrated activations.
        schedule: strategy of `imc-map-layers`, to let layers overlap; None: one layer after the other.
        layout: of the weights on crossbar macros, an option of `imc-pack-weights`; default what the target can do.
        arithmetic: one of `ARITHMETICS`.
        converter_calibration: `.npz` of sample inputs, to choose the ranges of the converters of an analog target.

    Raises:
        TargetError: there is no such target, or it is wrong.
        ImcflowError: the arithmetic is unknown, a layout is for a target without macros, or converters that the target
            does not have are to be calibrated.
    """
    from imcflow.passes.crossbar_target import is_analog_target, is_crossbar_target, load_crossbar_target

    crossbar = is_crossbar_target(target)
    if layout is not None and not crossbar:
        raise ImcflowError(f"--layout {layout}: target {target} has no crossbar macros")
    levels = CROSSBAR_LEVELS if crossbar else AP_LEVELS
    if schedule is None and crossbar and load_crossbar_target(target).fabric is not None:
        if layout is not None:
            raise ImcflowError(f"--layout {layout}: target {target} gives every tile a crossbar of its own")
        levels = PIPELINED_LEVELS
    passes = quantising_passes(calibration=calibration, activation_bits=activation_bits, arithmetic=arithmetic)
    if is_analog_target(target):
        passes.append(UNSIGN_ACTIVATIONS)
    if schedule is not None:
        levels = (*levels[:-1], *SCHEDULING, levels[-1])
    options = {"target": quoted(target), "strategy": quoted(schedule or ""), "layout": quoted(layout or "auto")}
    mapped = [text.format(**options) for text in levels]
    if converter_calibration is not None:
        if not is_analog_target(target):
            raise ImcflowError(f"--calibrate-converters {converter_calibration}: target {target} has no converters")
        behind = next(number for number, text in enumerate(mapped) if text.startswith("imc-emit-program")) + 1
        mapped.insert(behind, f"{CALIBRATE_CONVERTERS}{{calibration={quoted(converter_calibration)}}}")
    return ",".join([*passes, *mapped])


def with_settings(text: str, settings: Mapping[str, str]) -> str:
    """Return a pipeline with other options.

    Args:
        text: the pipeline.
        settings: values by `PASS.OPTION`; every occurrence of the pass takes them.

    Raises:
        ImcflowError: a key is no `PASS.OPTION`, or the pipeline has no such pass.
    """
    if not settings:
        return text
    from xdsl.utils.arg_spec import parse_pipeline
    from xdsl.utils.exceptions import ArgSpecParseError

    specs = list(parse_pipeline(text))
    names = dict.fromkeys(spec.name for spec in specs)
    for key, value in settings.items():
        name, dot, option = key.partition(".")
        if not (name and dot and option):
            raise ImcflowError(f"--set {key}={value}: expected PASS.OPTION=VALUE")
        if name not in names:
            raise ImcflowError(f"--set {key}={value}: the pipeline has no pass '{name}'; it has {', '.join(names)}")
        try:
            (parsed,) = parse_pipeline(f"{name}{{{option}={value}}}")
        except (ArgSpecParseError, ValueError):
            (parsed,) = parse_pipeline(f"{name}{{{option}={quoted(value)}}}")
        for spec in specs:
            if spec.name == name:
                for same in [given for given in spec.parameters if _plain(given) == _plain(option)]:
                    del spec.parameters[same]
                spec.parameters.update(parsed.parameters)
    return ",".join(map(str, specs))


def _plain(option: str) -> str:
    return option.replace("-", "_")


def quantising_passes(
    *, calibration: str | None = None, activation_bits: int | None = None, arithmetic: str = "onnx"
) -> list[str]:
    """Return the passes from the network to the quantised level; arguments and errors as for `default_pipeline`."""
    if arithmetic not in ARITHMETICS:
        raise ImcflowError(f"arithmetic '{arithmetic}' is unknown; choose {' or '.join(ARITHMETICS)}")
    passes = ["imc-verify-network", "imc-canonicalize"]
    passes += ["imc-round-as-litert"] if arithmetic == "litert" else []
    passes += ["imc-lift-scales", "imc-split-scales"]
    if calibration is not None:
        bits = DEFAULT_ACTIVATION_BITS if activation_bits is None else activation_bits
        passes += [
            "imc-ternarize",
            f"imc-quantize-activations{{calibration={quoted(calibration)} bits={bits}}}",
            "imc-lift-scales",
        ]
    passes += ["imc-fold-sums", "imc-fold-thresholds", "imc-canonicalize{fold-scales=true}", "imc-narrow-ranges"]
    return [*passes, "imc-verify-quantised"]


def quoted(text: str) -> str:
    """Return a pass option's text, in quotes unless it is a plain word.

    Raises:
        ImcflowError: the text holds a character that the syntax of pipelines cannot express.
    """
    if any(letter in text for letter in '"\\\n\r\f\v'):
        raise ImcflowError(f"{text!r}: a pass pipeline cannot express a quotation mark, a backslash or a line end")
    word = text.replace("-", "").replace("_", "")
    return text if word.isalnum() and word.isascii() else f'"{text}"'
