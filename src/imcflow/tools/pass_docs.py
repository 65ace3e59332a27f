"""What a pass says about itself: the text behind `imc-opt --list-passes` and `docs/passes.md`."""

from __future__ import annotations

import inspect
import re
import sys

from xdsl.passes import ModulePass

_REFERENCE = "See the module docstring"


def description(pass_class: type[ModulePass]) -> str:
    """Return the docstring of a pass, or that of its module where the class refers to it; empty if it has none."""
    # A dataclass without a docstring gets its signature as one; that explains nothing.
    text = inspect.cleandoc(pass_class.__doc__ or "")
    if text.startswith(f"{pass_class.__name__}("):
        return ""
    if not text.startswith(_REFERENCE):
        return text
    module_text = inspect.cleandoc(sys.modules[pass_class.__module__].__doc__ or "")
    # The module names the pass first, which the reader knows already.
    text = re.sub(rf"^`{re.escape(pass_class.name)}`: ", "", module_text)
    return text[:1].upper() + text[1:]


def summary(pass_class: type[ModulePass]) -> str:
    """Return the first sentence or line of the description."""
    return description(pass_class).partition("\n")[0]
