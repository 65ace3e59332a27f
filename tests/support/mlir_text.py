"""Modules from text, and their meaning: for tests that state IR directly."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.parser import Parser
from xdsl.passes import PassPipeline

from imcflow.api import make_context
from imcflow.dialect.interpreter import interpret
from imcflow.dialect.interpreter.interpret import main_function, port_names
from imcflow.universe import IMC_UNIVERSE


def parsed(text: str) -> ModuleOp:
    """Return the verified module that the text describes."""
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module


def after(text: str, pipeline: str) -> ModuleOp:
    """Return the verified module after a pass pipeline."""
    module = parsed(text)
    apply(module, pipeline)
    return module


def apply(module: ModuleOp, pipeline: str) -> None:
    """Run a pass pipeline and verify what it leaves."""
    PassPipeline.parse_spec(IMC_UNIVERSE.all_passes, pipeline).apply(make_context(), module)
    module.verify()


def run(text: str | ModuleOp, *arrays: NDArray[Any], **named: NDArray[Any]) -> list[NDArray[Any]]:
    """Interpret a module on arrays, in the order of the arguments or by name; return the results in order."""
    module = parsed(text) if isinstance(text, str) else text
    function = main_function(module)
    names = port_names(function.arg_attrs, len(function.body.block.args), "input")
    outputs = interpret(module, {**dict(zip(names, arrays, strict=False)), **named})
    return list(outputs.values())


def op_names(module: ModuleOp) -> list[str]:
    """Return the names of the ops of the network in order, without constants and the return."""
    (function,) = [op for op in module.ops if isinstance(op, FuncOp)]
    names = [op.name.removeprefix("imc.") for op in function.body.block.ops]
    return [name for name in names if name not in ("constant", "func.return")]
