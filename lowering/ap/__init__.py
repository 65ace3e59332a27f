"""Placed add/sub programs to instruction tables of the associative processor."""
