"""Spaces of macro sizes, as YAML: which architectures to weigh for which networks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, field_validator

from imcflow.passes.packing.shapes import PackingError
from imcflow.targets.schema import StrictModel

MOST_POINTS = 10_000
"""Architectures times networks of one space."""


class DesignSpace(StrictModel):
    """A grid of macro sizes around one target.

    YAML keys are the fields; sizes are lists.
    """

    target: str = Field(min_length=1)
    """Preset name or YAML file of a crossbar target: circuit, bits and memories; its macro sizes are replaced."""
    networks: list[str] = Field(min_length=1)
    """Names of reference networks (`resnet8`, `ds_cnn`, ...) or `.onnx` files."""
    columns: list[int] = Field(min_length=1)
    """D_o, output channels of a macro."""
    rows: list[int] = Field(min_length=1)
    """D_i, inputs of a macro; powers of two."""
    macros: list[int] = Field(min_length=1)
    """D_h, macros side by side."""
    planes: list[int] | None = None
    """D_m, weights behind each multiplier; absent: as many as keep the whole network resident."""
    most_area_mm2: float = Field(gt=0)
    """Area budget of the macros."""
    layout: Literal["slice", "tile"] = "slice"
    """Geometry of the placements."""
    source: Literal["dram", "sram"] = "dram"
    """Where weights that do not fit come from."""

    @field_validator("columns", "rows", "macros", "planes")
    @classmethod
    def _positive(cls, values: list[int] | None) -> list[int] | None:
        wrong = [value for value in values or [] if not 1 <= value <= 1 << 16]
        if wrong:
            raise ValueError(f"sizes must be 1 to {1 << 16}, got {wrong[0]}")
        return values

    @field_validator("rows")
    @classmethod
    def _powers_of_two(cls, values: list[int]) -> list[int]:
        wrong = [value for value in values if value & (value - 1)]
        if wrong:
            raise ValueError(f"rows must be powers of two, because adder trees are complete, got {wrong[0]}")
        return values

    @property
    def points(self) -> int:
        """Architectures times networks."""
        sizes = len(self.columns) * len(self.rows) * len(self.macros) * len(self.planes or [0])
        return sizes * len(self.networks)


def load_space(path: Path) -> DesignSpace:
    """Read and check a space.

    Raises:
        PackingError: the file is missing or no YAML mapping, or a key is unknown or wrong: one line names it.
    """
    try:
        data: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PackingError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise PackingError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise PackingError(f"{path}: a mapping of keys is expected")
    try:
        space = DesignSpace.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise PackingError(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}") from error
    if space.points > MOST_POINTS:
        raise PackingError(f"{path}: {space.points} points, at most {MOST_POINTS} are allowed")
    return space
