"""The report on a pipelined program as text tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.tools.output import table

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.report import PipelineReport

_WIDTH = 36


def report_text(report: PipelineReport) -> str:
    """Return summary, cores, rings and growth, one table each."""
    predicted = "not predicted for this length"
    if report.predicted is not None:
        latency, total = report.predicted
        same = (latency, total) == (report.latency_ticks, report.total_ticks)
        predicted = f"predicted {latency:,} and {total:,}: {'equal' if same else 'DIFFERENT'}"
    faster = report.layer_by_layer_ticks / report.interval_ticks
    summary = [
        f"{report.program}: {report.images} images through {len(report.cores) - 1} cores, "
        f"{report.step_ns:g} ns per crossbar operation",
        f"latency     {report.latency_ticks:,} ticks, all images {report.total_ticks:,} ticks ({predicted})",
        f"            {report.latency_us:,.1f} us",
        f"throughput  {report.images_per_second:,.0f} images/s, one every {report.interval_ticks:,.1f} ticks; "
        f"at most {report.images_in_flight} in flight",
        f"layer by layer on the same copies: {report.layer_by_layer_per_second:,.0f} images/s, "
        f"{report.layer_by_layer_ticks:,} ticks each; {faster:.2f} times slower",
    ]
    cores = [
        [
            number,
            _short(core.name),
            _sites(core.sites),
            core.crossbars,
            core.copies,
            core.pixels,
            core.interval_ticks,
            core.first_start,
            core.first_image_end,
            core.last_end,
            core.held_ticks,
            100 * core.utilisation,
        ]
        for number, core in enumerate(report.cores)
    ]
    rings = [
        [_short(ring.tensor), _short(ring.producer), _short(ring.consumer), ring.slots, ring.peak, ring.mean, ring.bits]
        for ring in report.channels
    ]
    growth = [
        [_short(", ".join(entry.cores)), entry.crossbars, entry.interval_ticks, entry.latency_ticks]
        for entry in report.growth
    ]
    core_header = [
        "core",
        "name",
        "sites",
        "crossbars",
        "copies",
        "pixels",
        "ticks/image",
        "first start",
        "first image",
    ]
    return "\n\n".join(
        [
            "\n".join(summary),
            table([*core_header, "last end", "held ticks", "busy %"], cores),
            table(["tensor", "from", "to", "slots", "peak", "mean", "bits"], rings),
            f"bottleneck: {_short(', '.join(report.bottlenecks), 3 * _WIDTH)}",
            table(["one more copy of", "crossbars", "ticks/image then", "latency then"], growth),
        ]
    )


def _short(text: str, width: int = _WIDTH) -> str:
    """The end of a long name; what tells layers apart stands there."""
    return text if len(text) <= width else f"...{text[3 - width :]}"


def _sites(sites: tuple[int, ...]) -> str:
    return " ".join(map(str, sites[:4])) + (f" and {len(sites) - 4} more" if len(sites) > 4 else "")
