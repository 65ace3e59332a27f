"""What the loader demands of a dataflow: indices, capacities, windows, causality."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.json_fields import shown
from imcflow.runtime.limits import MAX_ELEMENTS, MAX_GEOMETRY
from imcflow.runtime.pipeline.dataflow import HOST, INPUT_CORE, Channel, Core, Dataflow, map_of
from imcflow.runtime.pipeline.isa import CoreBody, decode_stream
from imcflow.runtime.pipeline.reading import Reading
from imcflow.runtime.pipeline.steps import host_steps, step_readings
from imcflow.runtime.program import CrossbarKernel, DigitalOp, tensors_read, tensors_written

if TYPE_CHECKING:
    from imcflow.runtime.program import Program

MAX_COPIES = 1 << 20
MAX_TICKS = 1 << 30


def check_dataflow(program: Program) -> None:
    """Check the cores of a program whose tensors and steps have been checked; nothing to do without any.

    Raises:
        ProgramError: names core, channel or step, and the rule that is broken.
    """
    dataflow = program.dataflow
    if dataflow is None:
        return
    if not dataflow.cores:
        raise ProgramError("dataflow: has no cores")
    if len(program.inputs) != 1:
        raise ProgramError(f"dataflow: streams one input, the program has {len(program.inputs)}")
    bodies = [decode_stream(core.instructions, core_label(number, core)) for number, core in enumerate(dataflow.cores)]
    _check_sites(dataflow, program)
    for number, channel in enumerate(dataflow.channels):
        _check_channel(program, dataflow, number, channel)
    _check_ends(dataflow, bodies)
    computed = _check_steps(program, dataflow, bodies)
    before, after = host_steps(program, bodies)
    _check_sent(program, dataflow, bodies, computed, before)
    _check_host(program, dataflow, before, after)


def core_label(number: int, core: Core) -> str:
    """Return how errors name a core."""
    return f"dataflow: core {number} {shown(core.name)}"


def channel_label(number: int) -> str:
    """Return how errors name a channel."""
    return f"dataflow: channel {number}"


def _check_sites(dataflow: Dataflow, program: Program) -> None:
    macros = 0 if program.target.macro is None else program.target.macro.macros
    if dataflow.sites * dataflow.crossbars_per_site > macros:
        total = dataflow.sites * dataflow.crossbars_per_site
        raise ProgramError(f"dataflow: {total} crossbars on {dataflow.sites} sites, the target has {macros} macros")
    owner: dict[int, int] = {}
    for number, core in enumerate(dataflow.cores):
        where = core_label(number, core)
        if not 1 <= core.copies <= MAX_COPIES or not 1 <= core.ticks <= MAX_TICKS:
            raise ProgramError(f"{where}: {core.copies} copies of {core.ticks} ticks, needs at least 1 of each")
        for site in core.sites:
            if not 0 <= site < dataflow.sites:
                raise ProgramError(f"{where}: site {site} does not exist; there are {dataflow.sites}")
            if site in owner:
                raise ProgramError(f"{where}: site {site} is taken by core {owner[site]}")
            owner[site] = number
        wanted = 0 if number == INPUT_CORE else core.crossbars * core.copies
        room = len(core.sites) * dataflow.crossbars_per_site
        if wanted > room:
            raise ProgramError(f"{where}: needs {wanted} crossbars, its {len(core.sites)} sites have {room}")


def _check_channel(program: Program, dataflow: Dataflow, number: int, channel: Channel) -> None:
    where, cores = channel_label(number), len(dataflow.cores)
    if not 0 <= channel.tensor < len(program.tensors):
        raise ProgramError(f"{where}: tensor {channel.tensor} does not exist; there are {len(program.tensors)}")
    tensor = program.tensors[channel.tensor]
    if len(tensor.shape) not in (1, 3):
        raise ProgramError(f"{where}: tensor {shown(tensor.name)} of shape {list(tensor.shape)} has no pixels")
    if not 0 <= channel.producer < cores:
        raise ProgramError(f"{where}: producer {channel.producer} does not exist; there are {cores} cores")
    if channel.consumer != HOST and not channel.producer < channel.consumer < cores:
        raise ProgramError(
            f"{where}: consumer {channel.consumer} is neither the host ({HOST}) nor a core after {channel.producer}"
        )
    if channel.consumer == HOST:
        if channel.slots or channel.link_ticks:
            raise ProgramError(f"{where}: leads to the host, so slots and link_ticks must be 0")
        return
    if channel.slots < 1 or channel.slots * tensor.shape[0] > MAX_ELEMENTS:
        raise ProgramError(
            f"{where}: {channel.slots} slots of {tensor.shape[0]} values; needs 1 to {MAX_ELEMENTS} values"
        )
    for size, stride, pad in zip(channel.size, channel.strides, channel.pads, strict=True):
        if not 1 <= size <= MAX_GEOMETRY or not 1 <= stride <= MAX_GEOMETRY or not 0 <= pad < size:
            raise ProgramError(f"{where}: window of size {size}, stride {stride}, padding {pad} covers no pixel")
    if not 0 <= channel.link_ticks <= MAX_TICKS:
        raise ProgramError(f"{where}: link_ticks {channel.link_ticks} is outside 0 to {MAX_TICKS}")


def _check_ends(dataflow: Dataflow, bodies: list[CoreBody]) -> None:
    """Every channel is sent by its producer and received by its consumer, and by no other core."""
    for number, (core, body) in enumerate(zip(dataflow.cores, bodies, strict=True)):
        where = core_label(number, core)
        for verb, named, field in (("sends", body.sends, "producer"), ("receives", body.receives, "consumer")):
            for channel in named:
                if channel >= len(dataflow.channels):
                    raise ProgramError(f"{where}: {verb} channel {channel}, there are {len(dataflow.channels)}")
                owner = getattr(dataflow.channels[channel], field)
                if owner != number:
                    raise ProgramError(f"{where}: {verb} channel {channel}, whose {field} is {owner}")
    for number, channel in enumerate(dataflow.channels):
        if number not in bodies[channel.producer].sends:
            raise ProgramError(f"{channel_label(number)}: core {channel.producer} never sends it")
        if channel.consumer != HOST and number not in bodies[channel.consumer].receives:
            raise ProgramError(f"{channel_label(number)}: core {channel.consumer} never receives it")


def _check_steps(program: Program, dataflow: Dataflow, bodies: list[CoreBody]) -> list[set[int]]:
    """Return the tensors that each core computes."""
    owner: dict[int, int] = {}
    computed: list[set[int]] = []
    for number, (core, body) in enumerate(zip(dataflow.cores, bodies, strict=True)):
        where = core_label(number, core)
        if number == INPUT_CORE and (body.steps or body.receives):
            raise ProgramError(f"{where}: the input unit receives and computes nothing")
        if number != INPUT_CORE and not body.receives:
            raise ProgramError(f"{where}: receives nothing")
        local: set[int] = set()
        extents = (body.fast, body.slow) if dataflow.columns_first else (body.slow, body.fast)
        crossbars = 0
        for position, index in enumerate(body.steps):
            if index >= len(program.steps):
                raise ProgramError(f"{where}: computes step {index}, there are {len(program.steps)}")
            if index in owner or (position and index <= body.steps[position - 1]):
                raise ProgramError(f"{where}: step {index} is computed twice or out of order")
            owner[index] = number
            _check_step(program, dataflow, body, index, local, where)
            for tensor in tensors_written(program.steps[index]):
                if map_of(program.tensors[tensor]) != extents:
                    raise ProgramError(f"{where}: step {index} gives a map other than {extents[0]} x {extents[1]}")
                local.add(tensor)
            crossbars += _check_macros(dataflow, core, program, index, where)
        if number != INPUT_CORE and crossbars != core.crossbars:
            raise ProgramError(f"{where}: crossbars is {core.crossbars}, its steps hold weights in {crossbars}")
        computed.append(local)
    return computed


def _check_step(program: Program, dataflow: Dataflow, body: CoreBody, index: int, local: set[int], where: str) -> None:
    step = program.steps[index]
    readings = step_readings(program, step)
    if readings is None:
        raise ProgramError(f"{where}: step {index} {shown(step.name)} cannot be computed pixel by pixel")
    for tensor, reading in readings:
        if tensor in local:
            if not reading.is_pixel:
                raise ProgramError(f"{where}: step {index} reads a window of tensor {tensor}, which stays in the core")
        elif received_channel(dataflow, body, tensor, reading) is None:
            raise ProgramError(f"{where}: step {index} reads tensor {tensor}, no channel brings it with that window")


def received_channel(dataflow: Dataflow, body: CoreBody, tensor: int, reading: Reading) -> int | None:
    """Return the channel through which a core receives a tensor with a window, or None."""
    for number in body.receives:
        channel = dataflow.channels[number]
        window = (channel.size, channel.strides, channel.pads)
        if channel.tensor == tensor and window == (reading.size, reading.strides, reading.pads):
            return number
    return None


def _check_macros(dataflow: Dataflow, core: Core, program: Program, index: int, where: str) -> int:
    """Return how many macros hold the weights of a step; all of them belong to the core."""
    step = program.steps[index]
    if not isinstance(step, CrossbarKernel):
        return 0
    loads = step.instructions[step.instructions["opcode"] == TileOpcode.LOAD]
    macros = np.unique(loads["macro"])
    for macro in macros.tolist():
        if macro // dataflow.crossbars_per_site not in core.sites:
            raise ProgramError(f"{where}: step {index} loads macro {macro}, which is at none of the core's sites")
    planes = len(np.unique(loads[["macro", "slot"]]))
    if planes != len(macros):
        raise ProgramError(f"{where}: step {index} loads several slots of a macro, which cannot work at once")
    return len(macros)


def _check_sent(
    program: Program, dataflow: Dataflow, bodies: list[CoreBody], computed: list[set[int]], before: list[int]
) -> None:
    given = {port.tensor for port in program.inputs}
    given.update(tensor for number in before for tensor in tensors_written(program.steps[number]))
    for number, channel in enumerate(dataflow.channels):
        body = bodies[channel.producer]
        extents = (body.fast, body.slow) if dataflow.columns_first else (body.slow, body.fast)
        known = given if channel.producer == INPUT_CORE else computed[channel.producer]
        if channel.tensor not in known:
            raise ProgramError(
                f"{channel_label(number)}: core {channel.producer} does not have tensor {channel.tensor}"
            )
        source = map_of(program.tensors[channel.tensor])
        if source != extents:
            raise ProgramError(
                f"{channel_label(number)}: tensor {channel.tensor} has a map of {source[0]} x {source[1]}, "
                f"its producer loops over {extents[0]} x {extents[1]}"
            )
        if channel.consumer == HOST:
            continue
        reader = bodies[channel.consumer]
        target = (reader.fast, reader.slow) if dataflow.columns_first else (reader.slow, reader.fast)
        for extent, outputs, size, stride, pad in zip(
            source, target, channel.size, channel.strides, channel.pads, strict=True
        ):
            if (outputs - 1) * stride - pad >= extent:
                raise ProgramError(f"{channel_label(number)}: a window of size {size} lies outside of its map")
        if reader.pixels * prod(channel.size) > MAX_ELEMENTS:
            raise ProgramError(f"{channel_label(number)}: its windows have more than {MAX_ELEMENTS} pixels in all")


def _check_host(program: Program, dataflow: Dataflow, before: list[int], after: list[int]) -> None:
    """Steps after the stream read what reaches the host; so do the outputs."""
    known = {port.tensor for port in program.inputs}
    known.update(tensor for number in before for tensor in tensors_written(program.steps[number]))
    known.update(channel.tensor for channel in dataflow.channels if channel.consumer == HOST)
    for number in after:
        step = program.steps[number]
        where = f"dataflow: step {number} {shown(step.name)}"
        if not isinstance(step, DigitalOp):
            raise ProgramError(f"{where}: needs macros, but is on no core")
        for tensor in tensors_read(step):
            if tensor not in known:
                raise ProgramError(f"{where}: on no core, and reads tensor {tensor}, which does not reach the host")
        known.update(tensors_written(step))
    for port in program.outputs:
        if port.tensor not in known:
            raise ProgramError(f"dataflow: output {shown(port.name)} does not reach the host")
