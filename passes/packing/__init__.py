"""Weight packing: a whole network resident in the macros of a crossbar target (after arXiv 2409.11437).

`pack_weights` places every weight of a list of layers; the result carries the placement and lower bounds on the planes
it needs. `checker.check_packing` re-checks any placement, `exact` proves small cases optimal, `pictures` draws them.
"""

from imcflow.passes.packing.packer import pack_weights
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingBounds,
    PackingError,
    PackingResult,
    PackingStyle,
    PlacedSlice,
    PlacedTile,
)

__all__ = [
    "LayerShape",
    "MacroGeometry",
    "PackingBounds",
    "PackingError",
    "PackingResult",
    "PackingStyle",
    "PlacedSlice",
    "PlacedTile",
    "pack_weights",
]
