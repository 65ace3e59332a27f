"""Linalg on tensors into the `imc` dialect: the way in for other compilers."""
