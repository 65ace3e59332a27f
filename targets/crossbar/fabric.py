"""The fabric of a crossbar target: sites of crossbars, and the links between them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from imcflow.targets.schema import StrictModel


class FabricModel(StrictModel):
    """Sites of crossbars that keep their weights and stream pixels to each other over links."""

    source: str = Field(min_length=1)
    """Where the numbers come from."""
    topology: Literal["mesh", "ring", "prism", "links"]
    """`mesh` of height x width, `ring`, `prism` (a row with links to the next `reach` sites), or given `links`."""
    sites: int = Field(ge=1, le=65536)
    """How many there are."""
    height: int | None = Field(default=None, ge=1, le=65536)
    """Rows of a mesh."""
    reach: int = Field(default=5, ge=1, le=64)
    """Next sites that a site of a prism has a link to."""
    links: tuple[tuple[int, int], ...] | None = None
    """Pairs of sites, for the topology `links`."""
    crossbars_per_site: int = Field(ge=1, le=65536)
    """Macros of one site."""
    step_ns: float = Field(default=100.0, gt=0, le=1e9)
    """Time of one crossbar operation: one output pixel of one copy of a layer."""
    hop_steps: int = Field(default=0, ge=0, le=65536)
    """Steps from one site to its neighbour."""
    link_bits_per_step: float | None = Field(default=None, gt=0, le=1e12)
    """Bandwidth of one direction of a link; absent: not a limit."""
    buffer_bits_per_site: int | None = Field(default=None, ge=1, le=1 << 60)
    """Memory of a site for the pixels that it receives; absent: not a limit."""

    @field_validator("links", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        return tuple(tuple(pair) if isinstance(pair, list) else pair for pair in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]

    @model_validator(mode="after")
    def _complete(self) -> FabricModel:
        if self.topology == "mesh" and (self.height is None or self.sites % self.height):
            raise ValueError(f"a mesh of {self.sites} sites needs a height that divides them, got {self.height}")
        if self.topology == "ring" and self.sites < 3:
            raise ValueError("a ring needs at least 3 sites")
        if self.topology == "links" and self.links is None:
            raise ValueError("the topology links needs links")
        return self
