"""What is packed and where it goes: layers, macros, placed slices and the result.

Terms (columns, rows, macros, planes are D_o, D_i, D_h, D_m of arXiv 2409.11437):

- a layer is `groups` weight matrices of `output_channels` x `reduction` (K x C*FY*FX);
- a macro is a grid of `columns` x `rows` multipliers, each holding `planes` weights of which one is read per cycle;
- a slice is a rectangle of one layer's matrix, at most `columns` wide and `rows` high: one array pass per output pixel;
- passes are counted per inference; times activation bits / bits per cycle they are clock cycles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from imcflow.errors import ImcflowError


class PackingError(ImcflowError):
    """Weights that do not fit, or a request that no packing can meet: the message names layer or limit."""


class PackingStyle(Enum):
    """Where the slices of one layer may sit.

    `SLICE` needs a target that chooses row and column offset per pass; `TILE` keeps one offset per layer and macro and
    steps through consecutive planes, so that only the plane changes from pass to pass.
    """

    SLICE = "slice"
    TILE = "tile"


@dataclass(frozen=True, slots=True)
class LayerShape:
    """Weight matrix of one layer and how often it is used.

    Args:
        name: the layer's name in the model.
        output_channels: K, output channels per group.
        reduction: C*FY*FX, inputs summed per output and group.
        groups: groups of a grouped convolution; a depthwise layer has one group per channel and `output_channels` 1.
        output_height: rows of the output map, 1 for a fully connected layer.
        output_width: columns of the output map, 1 for a fully connected layer.

    Raises:
        PackingError: an extent is below 1.
    """

    name: str
    output_channels: int
    reduction: int
    groups: int = 1
    output_height: int = 1
    output_width: int = 1

    def __post_init__(self) -> None:
        for field in ("output_channels", "reduction", "groups", "output_height", "output_width"):
            extent: int = getattr(self, field)
            if extent < 1:
                raise PackingError(f"layer {self.name}: {field} is {extent}, allowed is 1 or more")

    @property
    def weights(self) -> int:
        """Number of weights of all groups."""
        return self.groups * self.output_channels * self.reduction

    @property
    def output_pixels(self) -> int:
        """Output positions per inference."""
        return self.output_height * self.output_width

    @property
    def macs(self) -> int:
        """Multiply-accumulates per inference."""
        return self.weights * self.output_pixels


@dataclass(frozen=True, slots=True)
class MacroGeometry:
    """The weight memory of the target.

    Args:
        columns: D_o, output columns per macro.
        rows: D_i, input rows per macro.
        macros: D_h, macros that work in parallel.
        planes: D_m, weights per multiplier; None asks for as few as possible.

    Raises:
        PackingError: an extent is below 1.
    """

    columns: int
    rows: int
    macros: int = 1
    planes: int | None = None

    def __post_init__(self) -> None:
        for field in ("columns", "rows", "macros"):
            extent: int = getattr(self, field)
            if extent < 1:
                raise PackingError(f"macro geometry: {field} is {extent}, allowed is 1 or more")
        if self.planes is not None and self.planes < 1:
            raise PackingError(f"macro geometry: planes is {self.planes}, allowed is 1 or more")

    @property
    def plane_weights(self) -> int:
        """Weights of one plane of one macro."""
        return self.columns * self.rows

    @property
    def label(self) -> str:
        """Columns x rows x macros, as the tables print it."""
        return f"{self.columns}x{self.rows}x{self.macros}"


@dataclass(frozen=True, slots=True)
class PlacedSlice:
    """One slice and its place.

    Args:
        layer: index of the layer in the packed sequence.
        copy: which copy of the layer; copies work on different output columns of the same row at the same time.
        group: group of the layer.
        channel: first output channel of the group that is held here.
        channels: number of output channels held, the width in macro columns.
        reduction: first index into the group's C*FY*FX inputs that is held here.
        reductions: number of inputs held, the height in macro rows.
        macro: macro index.
        plane: plane index, 0 is the first.
        column: first macro column.
        row: first macro row.
    """

    layer: int
    copy: int
    group: int
    channel: int
    channels: int
    reduction: int
    reductions: int
    macro: int
    plane: int
    column: int
    row: int


@dataclass(frozen=True, slots=True)
class PlacedTile:
    """The box that one layer reserves in one macro under tile geometry.

    Args:
        layer: index of the layer.
        macro: macro index.
        column: first macro column.
        row: first macro row.
        plane: first plane.
        columns: width of the box; a multiple of the slice width where groups lie side by side.
        rows: depth of the box.
        planes: height of the box.
    """

    layer: int
    macro: int
    column: int
    row: int
    plane: int
    columns: int
    rows: int
    planes: int


@dataclass(frozen=True, slots=True)
class PackingBounds:
    """Lower bounds on the planes per macro at the minimum number of passes, and on the passes of each layer.

    Args:
        volume: weights (of all copies) over weights per plane and macros; holds for any number of passes.
        dual_feasible: best sum over pairs of dual feasible functions, however the layers are cut.
        conflict: slices that exclude each other pairwise from a plane; contains the big-rectangle bound.
        passes_per_pixel: for each layer the fewest passes per group of output pixels that its copies share.
    """

    volume: int
    dual_feasible: int
    conflict: int
    passes_per_pixel: tuple[int, ...]

    @property
    def planes(self) -> int:
        """The best of the bounds on planes."""
        return max(self.volume, self.dual_feasible, self.conflict)


@dataclass(frozen=True, slots=True)
class PackingResult:
    """Every weight's place in the macros.

    Args:
        layers: the packed layers.
        geometry: the macros.
        style: the geometry rule that the placement obeys.
        copies: copies of each layer.
        slices: every placed slice, ordered by layer.
        tiles: the reserved boxes, empty for `PackingStyle.SLICE`.
        bounds: lower bounds for the same layers and copies.
    """

    layers: tuple[LayerShape, ...]
    geometry: MacroGeometry
    style: PackingStyle
    copies: tuple[int, ...]
    slices: tuple[PlacedSlice, ...]
    tiles: tuple[PlacedTile, ...]
    bounds: PackingBounds

    @property
    def planes(self) -> int:
        """Planes needed per macro (D_m)."""
        highest_slice = max((piece.plane + 1 for piece in self.slices), default=0)
        return max((tile.plane + tile.planes for tile in self.tiles), default=highest_slice)

    @property
    def passes_per_pixel(self) -> tuple[int, ...]:
        """For each layer the largest number of its slices in one macro."""
        in_macro = Counter((piece.layer, piece.macro) for piece in self.slices)
        most = [0] * len(self.layers)
        for (layer, _), count in in_macro.items():
            most[layer] = max(most[layer], count)
        return tuple(most)

    @property
    def passes(self) -> tuple[int, ...]:
        """Array passes per inference of each layer."""
        return tuple(
            layer_passes(layer, copies, slices)
            for layer, copies, slices in zip(self.layers, self.copies, self.passes_per_pixel, strict=True)
        )

    @property
    def total_passes(self) -> int:
        """Array passes per inference of all layers, one after the other."""
        return sum(self.passes)

    @property
    def utilisation(self) -> float:
        """Stored weights over weights that the used planes of all macros can hold, 0 to 1."""
        capacity = self.planes * self.geometry.macros * self.geometry.plane_weights
        stored = sum(layer.weights * copies for layer, copies in zip(self.layers, self.copies, strict=True))
        return stored / capacity if capacity else 0.0


def ceil_div(dividend: int, divisor: int) -> int:
    """Quotient of two positive integers, rounded up."""
    return -(-dividend // divisor)


def layer_passes(layer: LayerShape, copies: int, slices_per_macro: int) -> int:
    """Passes per inference: `copies` neighbouring pixels of an output row share `slices_per_macro` passes."""
    return layer.output_height * ceil_div(layer.output_width, copies) * slices_per_macro


def slice_count(layer: LayerShape, geometry: MacroGeometry) -> int:
    """Fewest slices that hold one copy of the layer: G * ceil(K/D_o) * ceil(R/D_i)."""
    return layer.groups * ceil_div(layer.output_channels, geometry.columns) * ceil_div(layer.reduction, geometry.rows)


def checked_copies(layers: Sequence[LayerShape], copies: Sequence[int] | None) -> tuple[int, ...]:
    """Copies per layer, 1 where nothing is asked for.

    Raises:
        PackingError: there are no layers, the two sequences differ in length or a number is below 1.
    """
    if not layers:
        raise PackingError("packing: no layers are given, allowed is 1 or more")
    if copies is None:
        return (1,) * len(layers)
    if len(copies) != len(layers):
        raise PackingError(f"packing: {len(copies)} numbers of copies for {len(layers)} layers")
    for layer, number in zip(layers, copies, strict=True):
        if not 1 <= number <= layer.output_width:
            raise PackingError(f"layer {layer.name}: {number} copies, allowed is 1 to {layer.output_width} (its width)")
    return tuple(copies)


def check_planes(result: PackingResult) -> PackingResult:
    """The result itself if the target's planes suffice.

    Raises:
        PackingError: more planes are needed than the target has.
    """
    available = result.geometry.planes
    if available is not None and result.planes > available:
        raise PackingError(
            f"packing: {result.planes} planes per macro are needed ({result.style.value} geometry, "
            f"lower bound {result.bounds.planes}), the target has {available}"
        )
    return result
