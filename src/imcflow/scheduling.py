"""Schedules as timelines: of a compiled program, or of a network on a DRAM that computes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from imcflow.runtime.schedule.timeline import Timeline


def timeline(
    file: str | Path,
    *,
    target: str | None = None,
    strategy: str = "forward",
    seconds: int = 0,
    workers: int = 1,
) -> Timeline:
    """Return a schedule with its bound.

    Args:
        file: a program file with a schedule; or a network, which is mapped to a DRAM and scheduled.
        target: the DRAM, for a network.
        strategy: of the search for mappings, for a network.
        seconds: limit of the search; 0 for none.
        workers: searches side by side.

    Raises:
        ImcflowError: the file is wrong, a program has no schedule, or a network has no target of kind dram-pim.
    """
    path = Path(file)
    if path.suffix == ".imcp":
        from imcflow.api import load
        from imcflow.runtime.schedule.timeline import program_timeline

        if target is not None:
            raise ImcflowError("a program is scheduled for its own target; leave out --target")
        return program_timeline(load(path).program)
    return _network_timeline(path, target, strategy, seconds, workers)


def _network_timeline(path: Path, target: str | None, strategy: str, seconds: int, workers: int) -> Timeline:
    from imcflow.api import import_file, run_pipeline
    from imcflow.passes.overlap.module_graph import module_graph
    from imcflow.passes.pipelines import quoted
    from imcflow.passes.scheduling.dram import module_timeline, read_mappings
    from imcflow.passes.scheduling.levels import dram_of
    from imcflow.targets import load_target

    if target is None:
        raise ImcflowError("schedule: a network needs a DRAM to be scheduled on, such as -t dram-pim-hbm2")
    dram = dram_of(load_target(target))
    if dram is None:
        raise ImcflowError(
            f"target {target} runs programs: compile with --schedule {strategy}, then schedule the .imcp file"
        )
    module = import_file(path, {})
    options = f"target={quoted(target)} strategy={quoted(strategy)} seconds={seconds} workers={workers}"
    run_pipeline(module, f"imc-map-layers{{{options}}},imc-overlap-layers{{target={quoted(target)}}}")
    found = module_graph(module)
    return module_timeline(found, read_mappings(found, dram), dram)
