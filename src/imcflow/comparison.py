"""One network on several targets: compiled for each, costed from its streams, set side by side by layer and in all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from pathlib import Path

    from imcflow.api import CompileOptions
    from imcflow.targets.ap_cost import ProgramCost
    from imcflow.targets.crossbar.program_report import CrossbarProgramCost
    from imcflow.tools.progress import OnProgress

    AnyCost = ProgramCost | CrossbarProgramCost

_LARGEST_PARTS = 3


@dataclass(frozen=True)
class LayerFigures:
    """One layer on one target: every step that computes its node.

    Attributes:
        units: what ran it, in order.
        cycles: of the arrays or macros; the clocks of targets differ.
    """

    units: tuple[str, ...]
    cycles: float
    seconds: float
    joules: float

    def to_json(self) -> dict[str, object]:
        """A JSON object with stable keys."""
        return {
            "units": list(self.units),
            "cycles": self.cycles,
            "seconds": self.seconds,
            "energy_j": self.joules,
        }


@dataclass(frozen=True)
class Comparison:
    """Costs of one network for one batch.

    Attributes:
        model: name of the network.
        images: size of the batch.
        costs: by target, in the order asked for.
        kinds: of the targets.
    """

    model: str
    images: int
    costs: dict[str, AnyCost]
    kinds: dict[str, str]

    def layers(self) -> dict[str, dict[str, LayerFigures]]:
        """By source node, in order of execution: figures by target. A node that only moves elements costs nothing."""
        found: dict[str, dict[str, LayerFigures]] = {}
        order: list[str] = []
        for target, cost in self.costs.items():
            previous = ""
            for step in cost.steps:
                node = step.onnx_nodes[-1] if step.onnx_nodes else step.name
                if node not in found:  # a node that other targets fold into its neighbour goes behind the one before it
                    order.insert(order.index(previous) + 1 if previous else 0, node)
                previous = node
                row = found.setdefault(node, {})
                before = row.get(target, LayerFigures((), 0.0, 0.0, 0.0))
                row[target] = LayerFigures(
                    (*before.units, step.unit),
                    before.cycles + step.cycles,
                    before.seconds + step.seconds,
                    before.joules + step.energy.total,
                )
        return {node: found[node] for node in order}

    def to_json(self) -> dict[str, object]:
        """A JSON object with stable keys."""
        return {
            "model": self.model,
            "images": self.images,
            "targets": {
                target: {
                    "kind": self.kinds[target],
                    "cycles": cost.cycles,
                    "seconds": cost.seconds,
                    "energy_j": cost.energy.to_json(),
                    "edp_joule_seconds": cost.energy.total * cost.seconds,
                    "area_mm2": cost.area_mm2,
                }
                for target, cost in self.costs.items()
            },
            "layers": [
                {"node": node, "targets": {target: figures.to_json() for target, figures in row.items()}}
                for node, row in self.layers().items()
            ],
        }

    def table(self) -> str:
        """The network in all, one row per target, and the layers, one column of time and one of energy per target."""
        from imcflow.targets.cost_text import aligned, shortened, with_unit

        least_energy = min(cost.energy.total for cost in self.costs.values())
        least_time = min(cost.seconds for cost in self.costs.values())
        network = [
            [
                target,
                self.kinds[target],
                f"{cost.cycles:,.0f}",
                with_unit(cost.seconds, "s"),
                _times(cost.seconds, least_time),
                with_unit(cost.energy.total, "J"),
                _times(cost.energy.total, least_energy),
                f"{cost.energy.total * cost.seconds:.3g}",
                "" if cost.area_mm2 is None else f"{cost.area_mm2:.4g}",
                _largest(cost.energy.to_json()),
            ]
            for target, cost in self.costs.items()
        ]
        header = ["target", "kind", "cycles", "time", "x least", "energy", "x least", "EDP J s", "mm2", "largest parts"]
        rows = [
            [
                shortened(node),
                *(with_unit(row[target].seconds, "s") if target in row else "-" for target in self.costs),
                *(with_unit(row[target].joules, "J") if target in row else "-" for target in self.costs),
            ]
            for node, row in self.layers().items()
            if any(figures.seconds or figures.joules for figures in row.values())
        ]
        columns = [f"{what}: {target}" for what in ("time", "energy") for target in self.costs]
        title = f"{self.model}, {self.images} image{'s' if self.images > 1 else ''}"
        return "\n\n".join([title, aligned(header, network), aligned(["layer", *columns], rows)])


def _times(value: float, least: float) -> str:
    return f"{value / least:.2f}" if least else "-"


def _largest(energy: dict[str, float]) -> str:
    total = energy["total"] or 1.0
    parts = sorted(((joules, name) for name, joules in energy.items() if name != "total"), reverse=True)
    return ", ".join(f"{name} {100 * joules / total:.0f} %" for joules, name in parts[:_LARGEST_PARTS] if joules)


def compare_targets(
    model: Path,
    targets: Sequence[str],
    options: CompileOptions,
    *,
    images: int = 1,
    on_progress: OnProgress | None = None,
) -> Comparison:
    """Compile `model` for every target and cost the programs.

    Args:
        model: `.onnx` or `.mlir` file.
        targets: at least two presets or YAML files; each once.
        options: of the compilation; its target is replaced.
        images: size of the batch.
        on_progress: called before every pass of every compilation.

    Raises:
        ImcflowError: fewer than two targets, or one of them twice.
        TargetError: a target is unknown, wrong, or cannot hold the network; the message names it.
    """
    from imcflow.api import compile_model
    from imcflow.targets.registry import load_target

    loaded = {target: load_target(target) for target in targets}
    names = [loaded[target].name for target in targets]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise ImcflowError(f"compare: target '{twice}' is given twice")
    if len(names) < 2:
        raise ImcflowError("compare: give at least two targets, each with -t TARGET")
    costs: dict[str, AnyCost] = {}
    for target, description in loaded.items():
        program = compile_model(model, replace(options, target=target), on_progress=on_progress)
        costs[description.name] = program.cost(target=target, images=images)
    kinds = {description.name: description.kind for description in loaded.values()}
    return Comparison(model.stem, images, costs, kinds)
