"""The parts of `imc-ternarize` and `imc-quantize-activations`: quantisation of float models after training."""
