"""Random instances small enough for the exact solver, for benchmarks and tests."""

from __future__ import annotations

from enum import Enum
from random import Random

from imcflow.passes.packing.shapes import LayerShape, MacroGeometry


class InstanceKind(Enum):
    """How large the layers are against a plane."""

    COARSE = "3 to 6 layers of up to one and a half planes in each direction"
    FINE = "8 to 12 layers of a fifth to four fifths of a plane in each direction"


def small_instance(random: Random, kind: InstanceKind) -> tuple[list[LayerShape], MacroGeometry]:
    """Layers on one or two small macros.

    Args:
        random: source of the sizes; equal states give equal instances.
        kind: sizes and number of the layers.
    """
    geometry = MacroGeometry(random.choice((8, 16, 24)), random.choice((16, 32, 48)), random.choice((1, 1, 2)))
    if kind is InstanceKind.COARSE:
        number, least, most = random.randint(3, 6), 1 / 8, 3 / 2
    else:
        number, least, most = random.randint(8, 12), 1 / 5, 4 / 5
    layers = [
        LayerShape(
            f"layer{index}",
            random.randint(int(geometry.columns * least), int(geometry.columns * most)),
            random.randint(int(geometry.rows * least), int(geometry.rows * most)),
        )
        for index in range(number)
    ]
    return layers, geometry
