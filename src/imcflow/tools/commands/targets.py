"""`imcflow targets`: the hardware descriptions that are there, and the check of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="List, show and check hardware descriptions.", rich_markup_mode=None)

JsonFlag = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.command(name="list")
def list_presets(json: JsonFlag = False) -> None:
    """List the presets with kind and description."""
    from imcflow.targets.registry import list_targets, load_target
    from imcflow.tools.output import print_json, print_text, table

    targets = [load_target(name) for name in list_targets()]
    if json:
        print_json({target.name: {"kind": target.kind, "description": target.description} for target in targets})
        return
    print_text(table(["target", "kind", "description"], [[t.name, t.kind, t.description] for t in targets]))


@app.command(name="show")
def show(
    target: Annotated[str, typer.Argument(help="preset name or YAML file", show_default=False)], json: JsonFlag = False
) -> None:
    """Print a description with all its values and their sources."""
    from imcflow.targets.registry import load_target
    from imcflow.tools.output import print_json, print_text

    loaded = load_target(target)
    if json:
        print_json(loaded.model_dump(mode="json"))
    else:
        print_text(loaded.to_yaml())


@app.command(name="check")
def check(files: Annotated[list[Path], typer.Argument(help="YAML files", show_default=False)]) -> None:
    """Check description files; one line per mistake."""
    from imcflow.targets.registry import load_target
    from imcflow.tools.output import print_text

    for file in files:
        target = load_target(str(file))
        print_text(f"{file}: ok, {target.kind} target '{target.name}', content hash {target.content_hash[:16]}")
