"""ONNX to the network level of the `imc` dialect.

The translation is faithful, nearly node by node. `f32` stays `f32`; a tensor that provably holds integers (an input
declared as integers, and what convolutions, additions, poolings ... with integer constants make of it) is typed as
integers at once, by the interval of its values, and is computed exactly.
Scales and thresholds are the work of the passes.

`importer.import_model` is the entry. Each op is one function registered by `registry.onnx_op`, grouped by family;
`document` writes `docs/supported-ops.md` from the registry.
"""
