"""Analog or digital? Four networks on arrays of six sizes: energy and density of both, and which wins where.

    python benchmarks/analog_or_digital.py              print the tables
    python benchmarks/analog_or_digital.py --svg FILE   also draw them
    python benchmarks/analog_or_digital.py --json FILE  also write them as JSON
    python benchmarks/analog_or_digital.py --check      exit with 1 if a winner differs unexplained

Our figures take what is physically meant (weights and branch tensors stay on chip where they fit, uneven tiles, unused
cells do not toggle); the released winners are those of the ICCAD 2023 results. A winner that differs is explained by
the single conventions of the released tool that bring the released winner back.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cost_model import REFERENCE as REFERENCE_FILE
from cost_model import ReleasedPoint, crossbar, density_tops_per_mm2, study_layers

from imcflow.targets.cost_text import aligned
from imcflow.targets.crossbar.conventions import ICCAD23, PHYSICAL, Conventions
from imcflow.targets.crossbar.cost import network_cost
from imcflow.targets.crossbar.workloads import MLPERF_TINY

SIDES = (32, 64, 128, 256, 512, 1024)
KINDS = ("aimc", "dimc")
SWITCHES = (
    "gating",
    "average_rows",
    "tree_extra_bit",
    "rounding",
    "clip_padding",
    "diagonal_rows",
    "sliding_registers",
    "weights_resident",
    "serial_weight_loading",
    "spatial",
)
"""Conventions of the released tool that are tried one by one where a winner differs."""
COLOURS = {"aimc": "#c2410c", "dimc": "#1d4ed8"}


@dataclass(frozen=True)
class Point:
    """One network on one array; energies in uJ, densities in TOPS/mm2, cycles, by kind."""

    network: str
    side: int
    energy_uj: dict[str, float]
    density: dict[str, float]
    cycles: dict[str, float]
    released_energy_uj: dict[str, float]
    released_density: dict[str, float]

    @property
    def winners(self) -> dict[str, tuple[str, str]]:
        """By question: ours, released."""
        return {
            "energy": (_least(self.energy_uj), _least(self.released_energy_uj)),
            "density": (_most(self.density), _most(self.released_density)),
        }


def _least(values: dict[str, float]) -> str:
    return min(values, key=lambda kind: values[kind])


def _most(values: dict[str, float]) -> str:
    return max(values, key=lambda kind: values[kind])


def figures(
    network: str, side: int, kind: str, operations: int, conventions: Conventions
) -> tuple[float, float, float]:
    """Energy in uJ, density in TOPS/mm2 and cycles of one network on one array."""
    cost = network_cost(
        crossbar(f"{kind}-iccad23-{side}").crossbar_target(), study_layers(network), conventions=conventions
    )
    return cost.energy_pj / 1e6, density_tops_per_mm2(cost, operations), cost.cycles


def points(released: list[ReleasedPoint]) -> list[Point]:
    """All networks on all arrays."""
    theirs = {(p["network"], p["side"], p["kind"]): p for p in released}
    found: list[Point] = []
    for number, network in enumerate(MLPERF_TINY):
        for side in SIDES:
            pair = {kind: theirs[network, side, kind] for kind in KINDS}
            ours = {kind: figures(network, side, kind, pair[kind]["operations"], PHYSICAL) for kind in KINDS}
            found.append(
                Point(
                    network,
                    side,
                    {kind: values[0] for kind, values in ours.items()},
                    {kind: values[1] for kind, values in ours.items()},
                    {kind: values[2] for kind, values in ours.items()},
                    {kind: point["energy_uj"] for kind, point in pair.items()},
                    {kind: point["tops_per_mm2"] for kind, point in pair.items()},
                )
            )
        sys.stderr.write(f"{number + 1}/{len(MLPERF_TINY)} networks\n")
    return found


def explanation(point: Point, question: str, operations: int) -> list[str]:
    """The single conventions of the released tool under which the released winner wins here, too."""
    wanted = point.winners[question][1]
    index, better = (0, _least) if question == "energy" else (1, _most)
    found: list[str] = []
    for switch in SWITCHES:
        conventions = replace(PHYSICAL, **{switch: getattr(ICCAD23, switch)})
        values = {kind: figures(point.network, point.side, kind, operations, conventions)[index] for kind in KINDS}
        if better(values) == wanted:
            found.append(f"{switch}={getattr(ICCAD23, switch)}")
    return found


def table(found: list[Point]) -> str:
    """One row per network and array."""
    rows: list[list[str]] = []
    for point in found:
        energy, density = point.winners["energy"], point.winners["density"]
        rows.append(
            [
                point.network,
                f"{point.side}x{point.side}",
                *(f"{point.energy_uj[kind]:.3f}" for kind in KINDS),
                f"{point.energy_uj['aimc'] / point.energy_uj['dimc']:.2f}",
                f"{point.released_energy_uj['aimc'] / point.released_energy_uj['dimc']:.2f}",
                _cell(energy),
                *(f"{point.density[kind]:.4f}" for kind in KINDS),
                _cell(density),
            ]
        )
    header = [
        "network",
        "array",
        "aimc uJ",
        "dimc uJ",
        "ratio",
        "released",
        "least energy",
        "aimc TOPS/mm2",
        "dimc TOPS/mm2",
        "densest",
    ]
    return aligned(header, rows)


def _cell(winner: tuple[str, str]) -> str:
    return winner[0] if winner[0] == winner[1] else f"{winner[1]} -> {winner[0]}"


def conclusions(found: list[Point]) -> list[str]:
    """Where each kind wins, in words."""
    lines: list[str] = []
    for network in MLPERF_TINY:
        for question in ("energy", "density"):
            wins = {
                kind: [str(p.side) for p in found if p.network == network and p.winners[question][0] == kind]
                for kind in KINDS
            }
            parts = [f"{kind} at {', '.join(sides)}" for kind, sides in wins.items() if sides]
            lines.append(f"{network}, {question}: {'; '.join(parts)}")
    return lines


def svg(found: list[Point]) -> str:
    """Energy and density against the side of the array, a panel per network; released figures dashed."""
    width, height, gap = 250, 190, 50
    parts: list[str] = []
    for row, (question, unit) in enumerate((("energy", "uJ"), ("density", "TOPS/mm2"))):
        for column, network in enumerate(MLPERF_TINY):
            here = [point for point in found if point.network == network]
            ours = {kind: [getattr(p, _FIELDS[question][0])[kind] for p in here] for kind in KINDS}
            theirs = {kind: [getattr(p, _FIELDS[question][1])[kind] for p in here] for kind in KINDS}
            left, top = gap + column * (width + gap), gap + row * (height + gap)
            parts.append(_panel(f"{network}: {unit}", ours, theirs, left, top, width, height))
    total = (gap + 4 * (width + gap), gap + 2 * (height + gap) + 20)
    legend = "".join(
        f'<text x="{gap + 190 * number}" y="{total[1] - 12}" fill="{colour}">{kind} (dashed: released)</text>'
        for number, (kind, colour) in enumerate(COLOURS.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total[0]} {total[1]}" font-family="sans-serif" '
        f'font-size="11">{"".join(parts)}{legend}</svg>\n'
    )


_FIELDS = {"energy": ("energy_uj", "released_energy_uj"), "density": ("density", "released_density")}


def _panel(
    title: str,
    ours: dict[str, list[float]],
    theirs: dict[str, list[float]],
    left: int,
    top: int,
    width: int,
    height: int,
) -> str:
    values = [value for lines in (ours, theirs) for line in lines.values() for value in line]
    low, high = math.log10(min(values)), math.log10(max(values))
    span = (high - low) or 1.0

    def place(number: int, value: float) -> str:
        x = left + width * number / (len(SIDES) - 1)
        return f"{x:.1f},{top + height - height * (math.log10(value) - low) / span:.1f}"

    lines = "".join(
        f'<polyline fill="none" stroke="{COLOURS[kind]}" stroke-width="1.5"{dash} '
        f'points="{" ".join(place(number, value) for number, value in enumerate(line))}"><title>{kind}: '
        f"{', '.join(f'{value:.4g}' for value in line)}</title></polyline>"
        for dash, group in (("", ours), (' stroke-dasharray="4 3" opacity="0.6"', theirs))
        for kind, line in group.items()
    )
    ticks = "".join(
        f'<text x="{left + width * number / (len(SIDES) - 1):.1f}" y="{top + height + 14}" '
        f'text-anchor="middle" fill="#555">{side}</text>'
        for number, side in enumerate(SIDES)
    )
    ends = (
        f'<text x="{left - 4}" y="{top + 4}" text-anchor="end" fill="#555">{10**high:.3g}</text>'
        f'<text x="{left - 4}" y="{top + height}" text-anchor="end" fill="#555">{10**low:.3g}</text>'
    )
    frame = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>'
    return f'{frame}<text x="{left}" y="{top - 8}" font-weight="bold">{title}</text>{ticks}{ends}{lines}'


def main() -> int:
    """Print, draw, write, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a winner differs unexplained")
    arguments = parser.parse_args()
    drawing: Path | None = arguments.svg
    file: Path | None = arguments.json
    released: list[ReleasedPoint] = json.loads(REFERENCE_FILE.read_text(encoding="utf-8"))["released"]
    operations = {point["network"]: point["operations"] for point in released}
    found = points(released)
    notes, misses = conclusions(found), list[str]()
    differing = 0
    for point in found:
        for question, (ours, theirs) in point.winners.items():
            if ours == theirs:
                continue
            differing += 1
            causes = explanation(point, question, operations[point.network])
            name = f"{point.network} {point.side}x{point.side}, {question}: {theirs} released, {ours} here"
            notes.append(f"{name}; the released winner wins with {' or '.join(causes) or 'no single convention'}")
            if not causes:
                misses.append(name)
    notes.append(f"{differing} of {2 * len(found)} winners differ from the released results")
    sys.stdout.write("\n".join([table(found), *notes, *(f"MISS {miss}" for miss in misses), ""]))
    if drawing is not None:
        drawing.write_text(svg(found), encoding="utf-8")
    if file is not None:
        rows = [
            {
                "network": point.network,
                "side": point.side,
                "energy_uj": point.energy_uj,
                "tops_per_mm2": point.density,
                "cycles": point.cycles,
                "winners": {question: list(winner) for question, winner in point.winners.items()},
            }
            for point in found
        ]
        file.write_text(json.dumps({"points": rows, "notes": notes, "misses": misses}, indent=1), encoding="utf-8")
    return 1 if misses and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
