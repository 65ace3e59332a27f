"""The Python API: compile a model, load a program.

The commands of `imcflow` are thin layers over this module. A compilation is a pass pipeline in text form, the same
that `imc-opt -p` takes: import, passes, translation to a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imcflow.collection import seldom_collecting
from imcflow.compiled import CompiledProgram
from imcflow.errors import ImcflowError, ModelError

if TYPE_CHECKING:
    from onnx import ModelProto
    from xdsl.context import Context
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.passes import ModulePass

    from imcflow.tools.progress import OnProgress

DEFAULT_TARGET = "rtm-ap-256"
CONVERT_LINALG = "convert-linalg-to-imc"
_BYTE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class CompileOptions:
    """How to compile.

    Attributes:
        target: preset name or YAML file.
        input_types: integer type (`si8`, `ui4`) of inputs whose type the model leaves open, by name.
        calibration: `.npz` of sample inputs, for models with floating-point activations.
        activation_bits: bits of the calibrated activations.
        layout: of the weights on crossbar macros, see `imc-pack-weights`; default what the target can do.
        arithmetic: what quantised layers compute: "onnx", the float32 of the file, or "litert", the integers of
            LiteRT's reference kernels, for int8 networks that were converted from a `.tflite` file.
        converter_calibration: `.npz` of sample inputs, to choose the ranges of the converters of an analog target.
        pipeline: pass pipeline to run instead of the default one.
        schedule: strategy that lets layers overlap (see `imc-map-layers`); None: one layer after the other.
        settings: other values for options of the pipeline's passes, by `PASS.OPTION`.
    """

    target: str = DEFAULT_TARGET
    input_types: Mapping[str, str] = field(default_factory=dict[str, str])
    calibration: Path | None = None
    activation_bits: int | None = None
    layout: str | None = None
    arithmetic: str = "onnx"
    converter_calibration: Path | None = None
    pipeline: str | None = None
    schedule: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


def compile(
    model: str | Path | ModelProto | ModuleOp,
    target: str = DEFAULT_TARGET,
    *,
    input_types: Mapping[str, str] | None = None,
    calibration: str | Path | None = None,
    activation_bits: int | None = None,
    layout: str | None = None,
    arithmetic: str = "onnx",
    converter_calibration: str | Path | None = None,
    pipeline: str | None = None,
    schedule: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> CompiledProgram:
    """Compile a network for a target.

    Args:
        model: an `.onnx` or `.mlir` file; or, from a compiler in the same process, an ONNX model or an xDSL module (of
            the dialect or of linalg on tensors), which stays as it is.
        target: preset name or YAML file.
        input_types: integer type of inputs that the model leaves open, such as `{"x": "si8"}`.
        calibration: `.npz` of sample inputs; needed for models with floating-point activations.
        activation_bits: bits of the calibrated activations.
        layout: of the weights on crossbar macros: `slice` or `tile` (packed), or `stacked`, `spread`, `reload` to
            compare with; default packed as the target can.
        arithmetic: what quantised layers compute, "onnx" or "litert"; see `CompileOptions`.
        converter_calibration: `.npz` of sample inputs, to choose the ranges of the converters of an analog target.
        pipeline: pass pipeline to run instead of the default one.
        schedule: let layers overlap: "forward", "backward", "middle-out", "beam" or "layerwise"; None: they do not.
        settings: other values for options of the pipeline's passes, such as `{"imc-unroll.arrays-per-layer": 4}`; the
            options are those of the page on passes.

    Raises:
        ModelError: the model cannot be compiled; the message names node, op and reason.
        TargetError: the target is unknown, wrong or too small.
    """
    options = CompileOptions(
        target=target,
        input_types=dict(input_types or {}),
        calibration=None if calibration is None else Path(calibration),
        activation_bits=activation_bits,
        layout=layout,
        arithmetic=arithmetic,
        converter_calibration=None if converter_calibration is None else Path(converter_calibration),
        pipeline=pipeline,
        schedule=schedule,
        settings={key: _pipeline_value(value) for key, value in (settings or {}).items()},
    )
    if isinstance(model, str | Path):
        return compile_model(Path(model), options)
    return _compile_in_memory(model, options)


def load(path: str | Path) -> CompiledProgram:
    """Read a program file; everything in it is checked first.

    Raises:
        ProgramError: the file is missing, damaged or of another version; the message names the field.
    """
    from imcflow.runtime.loader import load_program

    return CompiledProgram(load_program(Path(path)))


def pipeline_text(options: CompileOptions, model: Path | None = None) -> str:
    """Return the pass pipeline of a compilation; `imc-opt -p` replays it.

    Args:
        options: target, calibration, pipeline.
        model: the file to compile; a function of linalg operations is converted first.

    Raises:
        ImcflowError: calibration data without a number of bits, or the other way round; an unknown target or
            arithmetic.
    """
    from imcflow.passes.pipelines import default_pipeline, with_settings

    if options.pipeline is not None:
        return with_settings(options.pipeline, options.settings)
    if (options.calibration is None) != (options.activation_bits is None):
        raise ImcflowError("--calibrate IN.npz and --activation-bits N come together")
    text = default_pipeline(
        options.target,
        calibration=None if options.calibration is None else str(options.calibration),
        activation_bits=options.activation_bits,
        schedule=options.schedule,
        layout=options.layout,
        arithmetic=options.arithmetic,
        converter_calibration=None if options.converter_calibration is None else str(options.converter_calibration),
    )
    text = with_settings(text, options.settings)
    return f"{CONVERT_LINALG},{text}" if model is not None and _is_linalg(model) else text


def _pipeline_value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_linalg(model: Path) -> bool:
    return model.suffix == ".mlir" and model.is_file() and b"linalg." in model.read_bytes()


def import_file(model: Path, input_types: Mapping[str, str]) -> ModuleOp:
    """Return the module of an `.onnx` file (network level) or of an `.mlir` file (any level).

    Raises:
        ModelError: the file is missing or has another ending, or the importer refuses it.
    """
    if not model.is_file():
        raise ModelError(f"{model}: no such file")
    if model.suffix == ".onnx":
        from imcflow.lowering.onnx.importer import import_model

        return import_model(model, input_types=input_types)
    if model.suffix != ".mlir":
        raise ModelError(f"{model}: the file name must end in .onnx or .mlir")
    if input_types:
        raise ModelError(f"{model}: --input is for ONNX models; an .mlir file states its types")
    from xdsl.parser import Parser

    try:
        text = model.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{model}: not a text file ({error.reason})") from error
    return Parser(make_context(), text, name=str(model)).parse_module()


def compile_model(
    model: Path,
    options: CompileOptions,
    *,
    dump_ir: Path | None = None,
    time_passes: bool = False,
    on_progress: OnProgress | None = None,
) -> CompiledProgram:
    """Import `model`, run the pass pipeline and translate the result to a program.

    Args:
        model: `.onnx` or `.mlir` file.
        options: target, input types, calibration, pipeline.
        dump_ir: folder for the IR after every pass, numbered.
        time_passes: print time and peak memory of the import, every pass and the translation on stderr.
        on_progress: called before every pass.

    Raises:
        ImcflowError: the model, the target or an option is wrong.
    """
    text = pipeline_text(options, model)
    return _compile(
        lambda: import_file(model, options.input_types),
        text,
        dump_ir=dump_ir,
        time_passes=time_passes,
        on_progress=on_progress,
    )


def _compile_in_memory(model: ModelProto | ModuleOp, options: CompileOptions) -> CompiledProgram:
    from xdsl.dialects.builtin import ModuleOp

    text = pipeline_text(options)
    if not isinstance(model, ModuleOp):
        from imcflow.lowering.onnx.importer import import_model

        source = model
        return _compile(lambda: import_model(source, input_types=options.input_types), text)
    if options.input_types:
        raise ModelError("input_types are for ONNX models; a module states its types")
    if options.pipeline is None and any(op.name.startswith("linalg.") for op in model.walk()):
        text = f"{CONVERT_LINALG},{text}"
    return _compile(model.clone, text)


def _compile(
    import_: Callable[[], ModuleOp],
    text: str,
    *,
    dump_ir: Path | None = None,
    time_passes: bool = False,
    on_progress: OnProgress | None = None,
) -> CompiledProgram:
    """Import, run a pass pipeline, translate the result to a program."""
    from imcflow.lowering.isa.translate import program_from_module
    from imcflow.tools.stage_clock import StageClock

    with seldom_collecting():
        clock = StageClock(time_passes)
        module = import_()
        clock.finish("import")
        run_pipeline(module, text, dump_ir=dump_ir, time_passes=time_passes, on_progress=on_progress)
        clock.start()
        program = program_from_module(module)
        clock.finish("translation")
        return CompiledProgram(program, compile_notes(module))


def run_pipeline(
    module: ModuleOp,
    text: str,
    *,
    dump_ir: Path | None = None,
    time_passes: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    """Run a pass pipeline in text form on `module`, in place.

    Raises:
        ImcflowError: a pass is unknown, or refuses the module; the message names node and reason.
    """
    from xdsl.passes import PassPipeline
    from xdsl.universe import Universe
    from xdsl.utils.exceptions import DiagnosticException

    from imcflow.tools.pass_observer import PassObserver, VerifyEach
    from imcflow.tools.user_errors import one_line
    from imcflow.universe import IMC_UNIVERSE

    observer = PassObserver(verify_each=VerifyEach.ENDS, dump_directory=dump_ir, time_passes=time_passes)
    passes: tuple[ModulePass, ...] = ()
    finished = 0

    def between(previous: ModulePass | None, current: ModuleOp, following: ModulePass | None) -> None:
        nonlocal finished
        observer(previous, current, following)
        if on_progress is not None and following is not None:
            on_progress(finished, len(passes), following.name)
        finished += 1

    available = {**Universe.get_multiverse().all_passes, **IMC_UNIVERSE.all_passes}
    try:
        passes = _passes(available, text)
        PassPipeline(passes, between).apply(make_context(), module)
    except DiagnosticException as error:
        raise ModelError(one_line(error)) from error


def _passes(available: Mapping[str, Callable[[], type[ModulePass]]], text: str) -> tuple[ModulePass, ...]:
    """Return the passes of a pipeline; an error names the pass with its options."""
    from xdsl.utils.arg_spec import parse_pipeline
    from xdsl.utils.exceptions import ArgSpecParseError

    passes: list[ModulePass] = []
    try:
        specs = list(parse_pipeline(text))
    except (ValueError, ArgSpecParseError) as error:
        raise ImcflowError(f"pipeline: {error}") from error
    for spec in specs:
        if spec.name not in available:
            raise ImcflowError(f"pipeline: there is no pass '{spec.name}'")
        try:
            passes.append(available[spec.name]().from_pass_spec(spec))
        except (ValueError, ArgSpecParseError) as error:
            raise ImcflowError(f"pipeline: {spec}: {error}") from error
    return tuple(passes)


def make_context() -> Context:
    """Return an xDSL context that knows every installed dialect."""
    from xdsl.context import Context
    from xdsl.universe import Universe

    from imcflow.universe import IMC_UNIVERSE

    context = Context()
    for name, factory in {**Universe.get_multiverse().all_dialects, **IMC_UNIVERSE.all_dialects}.items():
        context.register_dialect(name, factory)
    return context


def compile_notes(module: ModuleOp) -> list[str]:
    """Return what the passes have to say to the user, as they left it in the module's attribute `imc.notes`."""
    from xdsl.dialects.builtin import ArrayAttr, StringAttr
    from xdsl.utils.hints import isa

    notes = module.attributes.get("imc.notes")
    return [note.data for note in notes] if isa(notes, ArrayAttr[StringAttr]) else []


def parse_settings(texts: Iterable[str]) -> dict[str, str]:
    """Return `PASS.OPTION=VALUE` options as a dictionary.

    Raises:
        ImcflowError: an option has no equals sign, or is set twice to different values.
    """
    settings: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ImcflowError(f"--set {text}: expected PASS.OPTION=VALUE")
        if settings.get(key, value) != value:
            raise ImcflowError(f"--set {text}: {key} is set to {settings[key]} already")
        settings[key] = value
    return settings


def parse_input_types(texts: Iterable[str]) -> dict[str, str]:
    """Return `NAME:TYPE` options as a dictionary; the last colon separates.

    Raises:
        ImcflowError: an option has no name, no colon or no integer type, or names an input twice with different types.
    """
    from imcflow.runtime.program import element_type

    types: dict[str, str] = {}
    for text in texts:
        name, colon, spelling = text.rpartition(":")
        if not colon or not name:
            raise ImcflowError(f"--input {text}: write NAME:TYPE, such as x:si8")
        try:
            element_type(spelling)
        except ValueError as error:
            raise ImcflowError(f"--input {text}: {error}") from error
        if types.get(name, spelling) != spelling:
            raise ImcflowError(f"--input {text}: input '{name}' has type {types[name]} already")
        types[name] = spelling
    return types


def parse_bytes(text: str) -> int:
    """Return a size such as `512M` or `2G` in bytes.

    Raises:
        ImcflowError: the text is not a positive number with K, M or G.
    """
    unit = text[-1:].upper()
    digits = text[:-1] if unit in ("K", "M", "G") else text
    if not digits.isascii() or not digits.isdigit() or int(digits) < 1:
        raise ImcflowError(f"--memory {text}: write a number with K, M or G, such as 512M")
    return int(digits) * _BYTE_UNITS[unit if digits != text else ""]
