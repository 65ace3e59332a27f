"""The pass `imc-pack-weights`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_crossbar import TilesAttr
from imcflow.dialect.ops_crossbar import CrossbarLinearOp
from imcflow.errors import ImcflowError
from imcflow.passes.network.notes import add_notes

if TYPE_CHECKING:
    from imcflow.passes.packing.economy import Machine, WeightSource
    from imcflow.passes.packing.layouts import Layout

AUTO = "auto"


@dataclass(frozen=True)
class ImcPackWeights(ModulePass):
    """Place the weights of all crossbar layers in the macros so that they are loaded as rarely as possible.

    The tiles of `imc-map-crossbar` are cut anew and packed side by side into the planes (slots) of the macros, the
    whole network at once. If it fits, its tiles are marked as resident: nothing overwrites their cells, so they are
    loaded once per program; macros that would idle get copies of layers, which share the output positions, as long as
    that lowers the energy-delay product (EDP). If it does not fit, groups that lay side by side take turns, or layers
    are reloaded at every inference through an area of the macros that is kept free, whichever costs least EDP. Notes
    say what was done, the lower bounds, and the EDP beside the baselines.

    Slice geometry gives every tile a row and column of its own; tile geometry one per layer and macro, for targets that
    cannot change them from product to product (`tile_offsets: per-layer`).

    Precondition: after `imc-map-crossbar`.
    Postcondition: every tile has a place; those that are resident share no cell (checked by `imc-verify-mapped`).

    Before:
        %y = imc.crossbar_linear %x : ... {tiles = #imc.tiles<"rows 9 columns 5">, ...} -> tensor<?x5xsi8>
        %z = imc.crossbar_linear %y : ... {tiles = #imc.tiles<"slot 1 rows 5 columns 2">, ...} -> tensor<?x2xsi8>
    After:
        %y = imc.crossbar_linear %x : ... {tiles = #imc.tiles<"rows 9 columns 5 RESIDENT">, ...} -> tensor<?x5xsi8>
        %z = imc.crossbar_linear %y : ... {tiles = #imc.tiles<"row 9 rows 5 columns 2 RESIDENT">, ...} -> ...

    Effect on cost: resident weights cost no energy and no time per inference.

    Options:
        target: preset name or YAML file of the crossbar.
        layout: `slice` or `tile` geometry, `auto` for what the target can do; or a baseline: `stacked` (a plane for
            every slice), `spread` (a macro for every slice), `reload` (every layer loaded at every inference).
        source: where reloaded weights come from, `dram` or `sram`.
        exact: solve small cases exactly, bound large ones with patterns (extra `exact`), and note the result.
    """

    name = "imc-pack-weights"

    target: str = "dimc-64x16x8-dm32"
    layout: str = AUTO
    source: str = "dram"
    exact: bool = False

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the tiles in place."""
        from imcflow.passes.packing.economy import WeightSource
        from imcflow.passes.packing.layouts import Layout
        from imcflow.passes.packing.machines import load_machine

        layouts = [AUTO, *(layout.value for layout in Layout)]
        sources = [WeightSource.DRAM.value, WeightSource.SRAM.value]
        for option, value, known in (("layout", self.layout, layouts), ("source", self.source, sources)):
            if value not in known:
                raise PassFailedException(f"{self.name}: {option}={value} is unknown; choose {', '.join(known)}")
        layers = [layer for layer in op.walk() if isinstance(layer, CrossbarLinearOp)]
        if not layers:
            return
        try:
            machine, planes, style = load_machine(self.target)
            layout = Layout(style.value if self.layout == AUTO else self.layout)
            notes = self._pack(layers, machine, planes, layout, WeightSource(self.source))
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
        add_notes(op, [f"weights: {note}" for note in notes])

    def _pack(
        self, ops: list[CrossbarLinearOp], machine: Machine, planes: int, layout: Layout, source: WeightSource
    ) -> list[str]:
        """Give every op its tiles; return what to report."""
        from imcflow.passes.packing.layouts import laid_out, layout_lines
        from imcflow.passes.packing.mapped_layers import mapped_layer, tiles_of, unique_names

        layers = unique_names([mapped_layer(op, f"layer{number}") for number, op in enumerate(ops)])
        alternatives = [layer.alternatives(machine.geometry) for layer in layers]
        fitted = laid_out(alternatives, machine, planes, layout, source)
        for number, (op, layer) in enumerate(zip(ops, layers, strict=True)):
            slices = [piece for piece in fitted.slices if piece.layer == number]
            resident = number not in fitted.reloaded_layers
            tiles = tiles_of(layer, fitted.layers[number], fitted.copies[number], slices, resident=resident)
            op.properties["tiles"] = TilesAttr.of(tiles)
        return list(layout_lines(fitted, alternatives, machine, exact=self.exact))
