"""Loops that numba compiles once: their machine code is kept in files and called without numba."""
