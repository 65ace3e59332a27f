"""Execution and counters of crossbar kernels: tiles of weights in analog or digital in-memory-computing macros."""
