"""The parts of `imc-fold-thresholds`."""
