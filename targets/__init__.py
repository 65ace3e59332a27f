"""Hardware descriptions: validated presets with citations, and their cost models."""
