"""Crossbar targets: analog and digital in-memory-computing macros and what they cost."""
