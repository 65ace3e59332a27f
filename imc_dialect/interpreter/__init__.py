"""The reference interpreter: what every op of the `imc` dialect means, in slow and obvious numpy.

It is the oracle of every pass and of the whole compiler; nothing in a compiled program uses it. Integer tensors are
`int64` arrays, and a result outside its declared type is an error; `f32` tensors are `float32` arrays.
"""

from __future__ import annotations

from imcflow.dialect.interpreter.evaluate import evaluate_op
from imcflow.dialect.interpreter.interpret import Recorded, interpret, trace

__all__ = ["Recorded", "evaluate_op", "interpret", "trace"]
