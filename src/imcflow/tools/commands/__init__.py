"""The commands of `imcflow`, one module each."""

from __future__ import annotations

import typer

from imcflow.tools.commands import (
    check,
    compare,
    compile,
    cost,
    demo,
    explore,
    inspect,
    pipeline,
    report,
    run,
    schedule,
    snr,
    targets,
)

app = typer.Typer(
    name="imcflow",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    help="Compile neural networks for in-memory-computing hardware and run the result bit by bit.",
)

for command in (demo, compile, run, check, cost, compare, explore, report, schedule, pipeline, snr, inspect):
    app.command(name=command.NAME)(command.command)
app.add_typer(targets.app, name="targets")
