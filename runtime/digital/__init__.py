"""The target's digital unit: everything that the arrays do not compute."""
