"""`convert-linalg-to-imc`: a function on tensors of linalg, tensor and arith becomes a network of the `imc` dialect.

Purpose: the way in for other compilers. Convolutions and matrix products of any layout and grouping (named ops and
`linalg.generic`), poolings, elementwise integer and `f32` arithmetic, explicit padding, reshapes and transposes are
recognised by their indexing maps and bodies, not by their names.

Before: one function of one block on tensors; axis 0 of every activation is the batch, of any size; weights are
constants. Signless integers are read as signed, those of arguments with `imc.unsigned` as unsigned. After: the network
level, with a dynamic batch and the narrowest integer types. A function without such ops stays as it is.

```
%y = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
    ins(%x, %w : tensor<1x2x6x6xi8>, tensor<3x2x3x3xi8>) outs(%zero : tensor<1x3x4x4xi32>) -> tensor<1x3x4x4xi32>
  =>
%y = imc.conv2d %x, %w : (tensor<?x2x6x6xsi8>, tensor<3x2x3x3xsi2>) -> tensor<?x3x4x4xsi13>
```

Meaning: unchanged for every input. Registers of the source wrap around, integers of the dialect do not: where the exact
intervals do not prove that no register overflows, the conversion is refused with the interval and the register.
Cost: none; this is an import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.errors import ModelError


@dataclass(frozen=True)
class ConvertLinalgToImc(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "convert-linalg-to-imc"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace every function that holds ops of linalg, tensor, arith or math."""
        from imcflow.lowering.linalg.converter import convert_module

        try:
            convert_module(op)
        except ModelError as error:
            raise PassFailedException(error.message) from error
