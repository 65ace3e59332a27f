"""The parts of `imc-round-as-litert`."""
