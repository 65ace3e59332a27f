"""Lowering into the `imc` dialect (ONNX) and out of it (instruction stream)."""
