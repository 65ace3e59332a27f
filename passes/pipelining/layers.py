"""What is pipelined: stages that produce maps of pixels, and the windows through which they read each other.

A pixel is one position of a map with all its channels. A stage computes its pixels in raster order. Stage 0 of a
network is its input; it has no edges and no weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from imcflow.errors import ImcflowError


class PipelineError(ImcflowError):
    """A network, budget or buffer that no pipeline can have: the message names the stage and the limit."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A sliding window along one axis of a map.

    Args:
        size: K, taps of the window.
        stride: s, producer pixels from one window to the next.
        pad: p, windows start this many pixels before the map.

    Raises:
        PipelineError: size or stride below 1, or padding that leaves a window without pixels.
    """

    size: int = 1
    stride: int = 1
    pad: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.stride < 1 or not 0 <= self.pad < self.size:
            raise PipelineError(f"window axis {self}: needs size >= 1, stride >= 1 and 0 <= pad < size")


@dataclass(frozen=True, slots=True)
class Edge:
    """One input object of a stage.

    Args:
        producer: index of the stage that writes it.
        rows: window along the map's height.
        columns: window along the map's width.
    """

    producer: int
    rows: Axis = Axis()
    columns: Axis = Axis()


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer: one matrix-vector product, and the digital operations fused behind it, per output pixel.

    Args:
        name: the layer's name in the model.
        height: rows of the output map.
        width: columns of the output map.
        channels: of the output map.
        edges: input objects; the first one goes through the weights.
        inputs: channels that the weights read; 0 for a stage without weights.
        taps: (rows, columns) of the kernel held as weights; the whole window unless a pooling comes first.

    Raises:
        PipelineError: an extent is below 1.
    """

    name: str
    height: int
    width: int
    channels: int
    edges: tuple[Edge, ...] = ()
    inputs: int = 0
    taps: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        for field in ("height", "width", "channels"):
            if getattr(self, field) < 1:
                raise PipelineError(f"stage '{self.name}': {field} is {getattr(self, field)}, needs at least 1")

    @property
    def pixels(self) -> int:
        """Pixels of the output map."""
        return self.height * self.width


@dataclass(frozen=True, slots=True)
class Network:
    """Stages in an order in which every stage comes after those that it reads; the last one is the output.

    Raises:
        PipelineError: the first stage reads something, or a stage reads nothing or what comes later.
    """

    name: str
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        for index, stage in enumerate(self.stages):
            if (index == 0) == bool(stage.edges):
                raise PipelineError(f"stage '{stage.name}': exactly the first stage, the input, reads nothing")
            for edge in stage.edges:
                if not 0 <= edge.producer < index:
                    raise PipelineError(f"stage '{stage.name}': reads stage {edge.producer}, needs 0 to {index - 1}")

    def readers(self, producer: int) -> list[tuple[int, int]]:
        """(stage, position among its edges) of every edge that leaves a stage."""
        return [
            (index, position)
            for index, stage in enumerate(self.stages)
            for position, edge in enumerate(stage.edges)
            if edge.producer == producer
        ]

    def transposed(self) -> Network:
        """The same network with columns as the slow axis: columns become rows everywhere."""
        return Network(self.name, tuple(_transposed(stage) for stage in self.stages))

    def short_rows(self) -> Network:
        """The network with the shorter side of its first stage as the fast axis; lags go with the row length."""
        first = self.stages[0]
        return self.transposed() if first.height < first.width else self


def _transposed(stage: Stage) -> Stage:
    edges = tuple(replace(edge, rows=edge.columns, columns=edge.rows) for edge in stage.edges)
    return replace(stage, height=stage.width, width=stage.height, edges=edges, taps=stage.taps[::-1])
