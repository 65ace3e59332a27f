"""`imc-verify-quantised`: check the contract of the quantised level and report what stays in floating point.

Purpose: behind this pass, layers go to arrays that add integers.
Checked: the contract of the network level; among convolutions and matrix products, at least one works on integers,
those that do have constant weights, and none in floating point stands between two others. A full-precision first or
last layer may stay: it runs on the digital unit.
After: the module's attribute `imc.level` is "quantised". Notes (attribute `imc.notes`) name the ops in floating point
before, between and after the integer layers, all of which run on the digital unit.

```
module attributes {imc.level = "network"} { ... }
  =>
module attributes {imc.level = "quantised", imc.notes = ["after the last integer layer, 2 ops run ..."]} { ... }
```

Meaning and cost: unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from imcflow.dialect.locations import describe, node_names
from imcflow.passes.network.contracts import LEVEL_ATTRIBUTE, LINEAR, check_quantised, float_reason
from imcflow.passes.network.notes import add_notes

NAMES_SHOWN = 4
"""A note names at most this many nodes."""


@dataclass(frozen=True)
class ImcVerifyQuantised(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-verify-quantised"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Raise `PassFailedException` with the first breach, or leave level and notes on the module."""
        parts = check_quantised(op)
        op.attributes[LEVEL_ATTRIBUTE] = StringAttr("quantised")
        notes = [
            note
            for ops, place in (
                (parts.before, "before the first integer layer"),
                (parts.between, "between integer layers"),
                (parts.after, "after the last integer layer"),
            )
            for note in _notes(ops, place)
        ]
        add_notes(op, notes)


def _notes(ops: Sequence[Operation], place: str) -> list[str]:
    if not ops:
        return []
    kinds = list(dict.fromkeys(op.name.removeprefix("imc.") for op in ops))
    nodes = list(dict.fromkeys(name for op in ops for name in node_names(op)))
    named = ", ".join(nodes[:NAMES_SHOWN]) + (f" and {len(nodes) - NAMES_SHOWN} more" if nodes[NAMES_SHOWN:] else "")
    plural = "op runs" if len(ops) == 1 else "ops run"
    where = f"; nodes: {named}" if nodes else ""
    notes = [f"{place}, {len(ops)} {plural} in floating point on the digital unit ({', '.join(kinds)}{where})"]
    for op in ops:
        if isinstance(op, LINEAR):
            reason = float_reason(op)
            notes.append(f"{describe(op)} stays in floating point" + (f": {reason}" if reason else ""))
    return notes
