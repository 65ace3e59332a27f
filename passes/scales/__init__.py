"""The parts of `imc-lift-scales`."""
