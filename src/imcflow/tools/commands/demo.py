"""`imcflow demo`: compile and run the bundled ternary network on real images."""

from __future__ import annotations

from typing import Annotated

import typer

NAME = "demo"


def command(
    target: Annotated[str, typer.Option("-t", "--target", help="preset name or YAML file")] = "rtm-ap-256",
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> int:
    """Compile the bundled network, run its held-out images in both fidelities and compare with the reference."""
    from imcflow.demo import run_demo
    from imcflow.tools.output import print_json, print_text
    from imcflow.tools.progress import progress

    with progress("demo") as on_progress:
        report = run_demo(target, on_progress=on_progress)
    if json:
        print_json(report.to_json())
    else:
        print_text(report.text())
    return 0 if report.as_expected else 1
