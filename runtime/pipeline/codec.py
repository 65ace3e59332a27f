"""The dataflow in the program header and in the arrays of the file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imcflow.errors import ProgramError
from imcflow.runtime.json_fields import Fields, as_integer, shown
from imcflow.runtime.limits import MAX_CELLS, MAX_ELEMENTS, MAX_GEOMETRY, MAX_STEPS, MAX_TENSORS
from imcflow.runtime.pipeline.check import MAX_COPIES, MAX_TICKS
from imcflow.runtime.pipeline.dataflow import Channel, Core, Dataflow, Handshake, Prediction
from imcflow.runtime.pipeline.isa import CORE_INSTRUCTION_BYTES, core_instruction_dtype

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_LONGEST = 1 << 60


def encode_dataflow(dataflow: Dataflow) -> dict[str, object]:
    """Return the JSON object of `docs/instruction-stream.md` section 10."""
    return {
        "sites": dataflow.sites,
        "crossbars_per_site": dataflow.crossbars_per_site,
        "columns_first": dataflow.columns_first,
        "cores": [
            {
                "name": core.name,
                "sites": list(core.sites),
                "crossbars": core.crossbars,
                "copies": core.copies,
                "ticks": core.ticks,
            }
            for core in dataflow.cores
        ],
        "channels": [asdict(channel) for channel in dataflow.channels],
        "prediction": asdict(dataflow.prediction),
    }


def dataflow_arrays(dataflow: Dataflow) -> dict[str, Array]:
    """Return the streams as arrays of the container."""
    import numpy as np

    arrays: dict[str, Array] = {}
    for number, core in enumerate(dataflow.cores):
        rows = np.ascontiguousarray(core.instructions)
        arrays[f"core.{number}.instructions"] = rows.view(np.uint8).reshape(len(rows), CORE_INSTRUCTION_BYTES)
    return arrays


def decode_dataflow(value: object, remaining: dict[str, Array]) -> Dataflow:
    """Build the dataflow; takes its arrays out of `remaining`.

    Raises:
        ProgramError: a field is missing, unknown, of the wrong type or out of range; an array is missing or malformed.
    """
    fields = Fields(value, "dataflow")
    cores: list[Core] = []

    def core(entry: Fields) -> Core:
        number = len(cores)
        sites = entry.items("sites", MAX_GEOMETRY)
        cores.append(
            Core(
                name=entry.text("name"),
                sites=tuple(as_integer(site, f"{entry.where}: sites", 0, MAX_CELLS) for site in sites),
                crossbars=entry.integer("crossbars", 0, MAX_CELLS),
                copies=entry.integer("copies", 1, MAX_COPIES),
                ticks=entry.integer("ticks", 1, MAX_TICKS),
                instructions=_stream(remaining, number, entry.where),
            )
        )
        return cores[-1]

    dataflow = Dataflow(
        sites=fields.integer("sites", 1, MAX_CELLS),
        crossbars_per_site=fields.integer("crossbars_per_site", 1, MAX_CELLS),
        columns_first=fields.flag("columns_first"),
        cores=fields.objects("cores", MAX_STEPS, core),
        channels=fields.objects("channels", MAX_TENSORS, _channel),
        prediction=_prediction(Fields(fields.take("prediction"), "dataflow: prediction")),
    )
    fields.finish()
    return dataflow


def _stream(remaining: dict[str, Array], number: int, where: str) -> Any:
    name = f"core.{number}.instructions"
    if name not in remaining:
        raise ProgramError(f"array '{name}' is missing")
    rows = remaining.pop(name)
    if rows.dtype.str != "|u1" or rows.ndim != 2 or rows.shape[1] != CORE_INSTRUCTION_BYTES or len(rows) > MAX_TENSORS:
        raise ProgramError(
            f"{where}: instructions must be U8 [at most {MAX_TENSORS}, {CORE_INSTRUCTION_BYTES}], "
            f"got {rows.dtype} {list(rows.shape)}"
        )
    return rows.reshape(-1).view(core_instruction_dtype())


def _channel(fields: Fields) -> Channel:
    size = fields.integers("size", 2, 1, MAX_GEOMETRY)
    strides = fields.integers("strides", 2, 1, MAX_GEOMETRY)
    pads = fields.integers("pads", 2, 0, MAX_GEOMETRY)
    return Channel(
        tensor=fields.integer("tensor", 0, MAX_TENSORS),
        producer=fields.integer("producer", 0, MAX_STEPS),
        consumer=fields.integer("consumer", -1, MAX_STEPS),
        slots=fields.integer("slots", 0, MAX_ELEMENTS),
        size=(size[0], size[1]),
        strides=(strides[0], strides[1]),
        pads=(pads[0], pads[1]),
        handshake=_handshake(fields),
        link_ticks=fields.integer("link_ticks", 0, MAX_TICKS),
    )


def _handshake(fields: Fields) -> Handshake:
    text = fields.text("handshake")
    try:
        return Handshake(text)
    except ValueError as error:
        raise ProgramError(f"{fields.where}: handshake must be {', '.join(Handshake)}, got {shown(text)}") from error


def _prediction(fields: Fields) -> Prediction:
    prediction = Prediction(
        images=fields.integer("images", 1, MAX_ELEMENTS),
        latency_ticks=fields.integer("latency_ticks", 0, _LONGEST),
        total_ticks=fields.integer("total_ticks", 0, _LONGEST),
    )
    fields.finish()
    return prediction
