"""The pass `imc-emit-program`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, BytesAttr, DenseArrayBase, DictionaryAttr, ModuleOp, i8, i64
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_ap import InstructionsAttr
from imcflow.dialect.base import integers
from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApKernelOp, ApLinearOp, ApMaxPoolOp, WindowedOp, region
from imcflow.dialect.ops_crossbar import CrossbarKernelOp, CrossbarLinearOp
from imcflow.dialect.types import integer_element_of, is_signed, shape_of
from imcflow.errors import ImcflowError
from imcflow.passes.imc_reduce_arithmetic import loaded_bits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xdsl.ir import Attribute

    from imcflow.passes.ap_target import ApTarget
    from imcflow.passes.emission.steps import StepTable
    from imcflow.runtime.program import TargetSummary

TARGET_ATTRIBUTE = "imc.target"
"""Attribute of the module that names the target of a program-level module."""


@dataclass(frozen=True)
class ImcEmitProgram(ModulePass):
    """Turn placed layers into kernels: ops with an instruction table.

    Every step of a placement becomes one macro instruction (two where an operand is shifted); step functions become
    step tables, in which channels that store minus their sum are turned round. Partial sums on several arrays are added
    by recursive halving: each array receives those of a share of the outputs, adds them, and stores its share.
    Ops of the digital unit stay as they are.

    Layers of crossbar macros become `imc.crossbar_kernel`: tile operations, and the weights in the order of the tiles.

    Precondition: every `imc.ap_linear` has placements.
    Postcondition: program level: kernels and ops of the digital unit; the module names its target.

    Before:
        %y = imc.ap_linear %x {placements = [#imc.placement<...>], programs = [#imc.add_sub<...>]} : ...
    After:
        %y = imc.ap_kernel %x {arrays = 1 : i64, instructions = #imc.instructions<"LOAD r_bits 4", ...>} : ...

    Effect on cost: none; carries known to be 0 are promised, which saves one write each.

    Options:
        target: preset name or YAML file.
    """

    name = "imc-emit-program"

    target: str = "rtm-ap-256"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace layers by kernels in place."""
        from imcflow.passes.ap_target import load_ap_target
        from imcflow.passes.crossbar_target import is_crossbar_target

        if is_crossbar_target(self.target):
            self._emit_crossbar(op)
            return
        target = load_ap_target(self.target)
        op.attributes[TARGET_ATTRIBUTE] = target_attribute(target.summary)
        for layer in list(op.walk()):
            try:
                if isinstance(layer, ApLinearOp):
                    _replace(layer, _linear_kernel(layer, target))
                elif isinstance(layer, ApMaxPoolOp):
                    _replace(layer, _pool_kernel(layer, target))
            except ImcflowError as error:
                raise PassFailedException(error.message) from error

    def _emit_crossbar(self, op: ModuleOp) -> None:
        from imcflow.passes.crossbar.emit import crossbar_kernel, crossbar_steps
        from imcflow.passes.crossbar_target import load_crossbar_target

        target = load_crossbar_target(self.target)
        op.attributes[TARGET_ATTRIBUTE] = target_attribute(target.summary)
        for layer in list(op.walk()):
            if not isinstance(layer, CrossbarLinearOp):
                continue
            try:
                kernel, steps = crossbar_kernel(layer, target.macro), crossbar_steps(layer)
            except ImcflowError as error:
                raise PassFailedException(error.message) from error
            if steps is not None:
                kernel.properties |= step_properties(steps)
            _replace(layer, kernel)


def target_attribute(summary: TargetSummary) -> DictionaryAttr:
    """Return the summary of a target as it is kept on a program-level module."""
    from dataclasses import asdict

    fields: dict[str, object] = asdict(summary)
    fields["macro"] = None if summary.macro is None else summary.macro.fields()
    if summary.ports == 1:  # as in the file: one port is what there is unless a header says more
        del fields["ports"]
    return _dictionary(fields)


def _dictionary(values: dict[str, object]) -> DictionaryAttr:
    from xdsl.dialects.builtin import BoolAttr, IntegerAttr, StringAttr

    entries: dict[str, Attribute] = {}
    for key, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool):
            entries[key] = BoolAttr.from_bool(value)
        elif isinstance(value, int):
            entries[key] = IntegerAttr(value, i64)
        elif isinstance(value, dict):
            entries[key] = _dictionary(cast(dict[str, object], value))
        elif value is not None:
            entries[key] = StringAttr(str(value))
    return DictionaryAttr(entries)


def _linear_kernel(layer: ApLinearOp, target: ApTarget) -> ApKernelOp:
    import numpy as np

    from imcflow.dialect.placement import StepFlag, StepKind
    from imcflow.passes.emission.array_steps import ArraySteps
    from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
    from imcflow.passes.emission.partial_sums import emit_partial_sums
    from imcflow.passes.emission.steps import step_table
    from imcflow.runtime.program import ElementType

    if layer.placements is None:
        raise ImcflowError(f"{describe(layer)} has no placements; run imc-allocate-tracks first")
    channels, element = shape_of(layer.result)[1], integer_element_of(layer.result)
    negated = np.zeros(channels, dtype=np.bool_)
    arrays = kernel_arrays(layer, target)
    together = layer.partial_sums.value.data
    tables: list[NDArray[np.void]] = []
    parts: list[tuple[int, int, str]] = []
    first, position = 0, 0
    placed = [(program.program(), placement.placement()) for program, placement in layer.placed_programs()]
    for number in range(0, len(placed), together):
        points = [
            EmissionPoint(
                array=array % arrays,
                port_elements=layer.elements // len(layer.inputs) if len(layer.inputs) > 1 else 0,
                first_output=first,
                loaded_bits=loaded_bits(layer),
                stored_bits=element.width.data,
                stored_signed=is_signed(element),
                step_rows=layer.thresholds is not None,
            )
            for array in range(number, number + together)
        ]
        programs, placements = zip(*placed[number : number + together], strict=True)
        last = first + programs[0].output_count - 1
        named = f"output channels {first} to {last}"
        if together == 1:
            placement = placements[0]
            emitted = [emit_instructions(programs[0], placement, describe(layer), points[0])]
            texts = [named]
            turned = (placement.kind == StepKind.STORE) & ((placement.flags & StepFlag.NEGATED) > 0)
            negated[first + placement.index[turned]] = True
        else:
            emitted = emit_partial_sums(programs, placements, describe(layer), points)
            texts = [f"{named}, partial sum {index} of {together}" for index in range(1, together + 1)]
            texts += [f"{named}, addition of partial sums", f"{named}, stores"]
        for table, text in zip(emitted, texts, strict=True):
            parts.append((position, position + len(table), text))
            position += len(table)
        tables += emitted
        first = last + 1
    table = np.concatenate(tables)
    properties: dict[str, Attribute | None] = {}
    if layer.thresholds is not None:
        thresholds = constant_array(layer.thresholds)
        descending = None if layer.descending is None else constant_array(layer.descending)
        if thresholds is None or (layer.descending is not None and descending is None):
            raise ImcflowError(f"{describe(layer)}: thresholds must be constant")
        steps = step_table(thresholds, descending, layer.low.value.data, channels).negated(negated)
        if target.units.thresholds == "ap":
            expansion = ArraySteps(
                steps, target.geometry, ElementType(element.width.data, is_signed(element)), describe(layer)
            )
            table, start = expansion.expand(table)
            parts = [(int(start[begin]), int(start[end]), text) for begin, end, text in parts]
        else:
            properties |= step_properties(steps)
    properties["source_map"] = ArrayAttr([region(begin, end, text) for begin, end, text in parts])
    return _kernel(layer, table, arrays, properties)


def kernel_arrays(layer: ApLinearOp, target: ApTarget) -> int:
    """Return the arrays that a row block of a layer uses: one per program, or as many as the target gives it.

    Raises:
        ImcflowError: fewer than the partial sums of one part need.
    """
    together, limit = layer.partial_sums.value.data, target.summary.array_count or len(layer.programs)
    if together > limit:
        raise ImcflowError(f"{describe(layer)}: {together} partial sums, a row block has {limit} arrays")
    return min(len(layer.programs), limit // together * together)


def _pool_kernel(layer: ApMaxPoolOp, target: ApTarget) -> ApKernelOp:
    from imcflow.passes.emission.pool import max_pool_instructions

    element = integer_element_of(layer.inputs[0])
    height, width = layer.kernel_size
    channels = layer.map_shape[0]
    table = max_pool_instructions(channels, height * width, element.width.data, is_signed(element), target.geometry)
    source_map = ArrayAttr([region(0, len(table), f"channels 0 to {channels - 1}")])
    return _kernel(layer, table, 1, {"source_map": source_map})


def step_properties(steps: StepTable) -> dict[str, Attribute]:
    """Return a step table as properties of `imc.ap_kernel`."""
    return {
        "step_thresholds": _dense64(steps.thresholds),
        "step_low": integers(steps.low.tolist()),
        "step_descending": DenseArrayBase(i8, BytesAttr(bytes(map(int, steps.descending)))),
    }


def _dense64(array: NDArray[np.int64]) -> Attribute:
    from xdsl.dialects.builtin import BytesAttr, DenseIntOrFPElementsAttr, TensorType

    return DenseIntOrFPElementsAttr(TensorType(i64, array.shape), BytesAttr(array.astype("<i8").tobytes()))


def _kernel(
    layer: WindowedOp, table: NDArray[np.void], arrays: int, properties: dict[str, Attribute | None]
) -> ApKernelOp:
    geometry = {name: layer.properties[name] for name in ("kernel", "strides", "pads", "dilations", "pad_value")}
    return ApKernelOp(
        list(layer.inputs),
        InstructionsAttr.of(table),
        layer.result.type,
        arrays=arrays,
        properties={**geometry, **properties},
    )


def _replace(layer: WindowedOp, kernel: ApKernelOp | CrossbarKernelOp) -> None:
    from xdsl.rewriter import InsertPoint, Rewriter

    kernel.location = layer.location
    Rewriter.insert_op(kernel, InsertPoint.before(layer))
    layer.results[0].replace_all_uses_with(kernel.results[0])
    kernel.results[0].name_hint = layer.results[0].name_hint
    layer.detach()
    layer.erase()
