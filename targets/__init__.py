"""Hardware descriptions: validated presets with citations, and their cost models."""

from imcflow.targets.registry import list_targets, load_target

__all__ = ["list_targets", "load_target"]
