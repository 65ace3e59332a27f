"""`imc-verify-network`: check the contract of the network level.

Purpose: passes may rely on it, and a module written by hand fails here with a reason.
Checked: the module is one function of one block that ends in `func.return`; every op is a network-level op of the
`imc` dialect; axis 0 of every activation is the dynamic batch, all other axes are known. Ranks, shapes and integer
ranges of single ops are checked by the ops themselves.
The module is not changed; it costs nothing.

Before and after:
```
func.func @main(%x: tensor<?x3x8x8xsi8> {imc.name = "x"}) -> (tensor<?x3x8x8xsi8> {imc.name = "y"}) {
  %y = imc.relu %x : (tensor<?x3x8x8xsi8>) -> tensor<?x3x8x8xsi8>
  func.return %y : tensor<?x3x8x8xsi8>
}
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from imcflow.passes.network.contracts import check_network


@dataclass(frozen=True)
class ImcVerifyNetwork(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-verify-network"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Raise `PassFailedException` with the first breach."""
        check_network(op)
