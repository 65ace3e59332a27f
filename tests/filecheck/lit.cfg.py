"""lit configuration: the same files as under pytest, through the installed commands."""

import os
import sys
from pathlib import Path

import lit.formats

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "support"))

from filecheck_runner import SUBSTITUTIONS  # noqa: E402

config.name = "imcflow"  # noqa: F821
config.test_format = lit.formats.ShTest()  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.test_source_root = str(here)  # noqa: F821
config.test_exec_root = str(here.parent.parent / "build" / "lit")  # noqa: F821
config.environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # noqa: F821
config.substitutions.extend(SUBSTITUTIONS.items())  # noqa: F821
