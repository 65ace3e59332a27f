"""Transformations of the `imc` dialect, one file per pass."""
