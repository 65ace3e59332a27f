"""The pipelined dataflow of a program as plain data: cores with instruction streams, and the channels between them.

A *core* is a control unit with input buffers, a digital unit and crossbars; it computes the pixels of one map in raster
order. A core that needs more crossbars than one *site* of the fabric has sits on several. A *channel* is a ring buffer
at its consumer, in which pixels (one position of a map with all channels of the tensor) arrive from one producer.
Specification: `docs/instruction-stream.md`, section 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.isa import CoreTable
    from imcflow.runtime.program import TensorInfo

HOST = -1
"""Consumer of the channels that carry results out of the machine."""
INPUT_CORE = 0
"""The core that streams the input."""


class Handshake(StrEnum):
    """When written pixels become visible and read ones free: one by one, by lines of the fast axis, by maps."""

    PIXEL = "pixel"
    ROW = "row"
    IMAGE = "image"


@dataclass(frozen=True)
class Channel:
    """A ring buffer between two cores.

    Attributes:
        tensor: whose pixels it carries.
        producer: core that sends.
        consumer: core that receives, or `HOST`.
        slots: pixels that fit; 0 for the host, which takes all.
        size: (rows, columns) of producer pixels under the window of one consumer pixel, gaps of dilation included.
        strides: (rows, columns) from one window to the next.
        pads: (top, left): windows start this far outside of the map.
        handshake: what becomes visible and free at once.
        link_ticks: from the end of the producer's step to the arrival.
    """

    tensor: int
    producer: int
    consumer: int
    slots: int
    size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)
    handshake: Handshake = Handshake.PIXEL
    link_ticks: int = 0


@dataclass(frozen=True, eq=False)
class Core:
    """A core and its stream.

    Attributes:
        name: for people.
        sites: of the fabric that it occupies; none for the input unit.
        crossbars: that hold the weights of one copy.
        copies: of the weights; they take successive pixels in turn, images included.
        ticks: duration of one pixel on one copy.
        instructions: rows of `imcflow.runtime.pipeline.isa`.
    """

    name: str
    sites: tuple[int, ...]
    crossbars: int
    copies: int
    ticks: int
    instructions: CoreTable


@dataclass(frozen=True)
class Prediction:
    """What the compiler says that a stream of images takes, in ticks; the replay measures it again.

    Attributes:
        images: length of the stream.
        latency_ticks: end of the first image.
        total_ticks: end of the last one.
    """

    images: int
    latency_ticks: int
    total_ticks: int


@dataclass(frozen=True, eq=False)
class Dataflow:
    """All cores and channels of a program.

    Attributes:
        sites: of the fabric.
        crossbars_per_site: macros of one site; macro m belongs to site m // crossbars_per_site.
        columns_first: whether the fast axis runs down the columns instead of along the rows.
        cores: the first one is the input unit; every channel leads to a later one.
        channels: in the numbering that the streams use.
        prediction: of the compiler.
    """

    sites: int
    crossbars_per_site: int
    columns_first: bool
    cores: tuple[Core, ...]
    channels: tuple[Channel, ...]
    prediction: Prediction


def map_of(tensor: TensorInfo) -> tuple[int, int]:
    """Return (height, width) of the pixels of a tensor; a vector is one pixel."""
    return (tensor.shape[1], tensor.shape[2]) if len(tensor.shape) == 3 else (1, 1)
