"""Compiles the interpreters for the host and says where they are."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

from imcflow.runtime.kernels.layout import WORD_COUNTS
from imcflow.runtime.native_code import NativeCode

Fidelity = Literal["word", "micro", "count"]
"""`count` runs the passes of `micro` on registers, bit by bit, and counts the rows that match and that are written."""


@dataclass(frozen=True, slots=True)
class KernelKey:
    """Which interpreter: fidelity, 64-bit words per plane, and the tag latch (which `word` does not depend on)."""

    fidelity: Fidelity
    words: int
    or_latch: bool = False


_lock = threading.Lock()
_addresses: dict[KernelKey, int] = {}
_modules: list[NativeCode] = []  # they own the machine code: kept for the life of the process


def kernel_address(key: KernelKey) -> int:
    """Return where the interpreter for `key` is, loaded or compiled on first use.

    Its parameters are those of `imcflow.runtime.kernels.interpreter`. The addresses among its arguments must stay valid
    and lie in buffers sized by the executor.
    """
    if key.words not in WORD_COUNTS:
        raise ValueError(f"planes of {key.words} words: expected one of {WORD_COUNTS}")
    with _lock:
        if key not in _addresses:
            code = NativeCode.of(kernel_ir(key))
            _modules.append(code)
            _addresses[key] = code.address("interpret")
        return _addresses[key]


def kernel_ir(key: KernelKey) -> str:
    """Return the LLVM IR of an interpreter."""
    from imcflow.runtime.kernels.interpreter import write_interpreter
    from imcflow.runtime.kernels.transfer import TRANSFER_HANDLERS

    if key.fidelity == "word":
        from imcflow.runtime.kernels.word import WORD_HANDLERS

        return write_interpreter("interpret", key.words, WORD_HANDLERS | TRANSFER_HANDLERS)
    if key.fidelity == "count":
        from imcflow.runtime.kernels.counting import CountWriter, declarations

        handlers = CountWriter(or_latch=key.or_latch).handlers()
        code = write_interpreter("interpret", key.words, handlers | TRANSFER_HANDLERS, counting=True)
        return code + declarations(key.words)
    from imcflow.runtime.kernels.micro import MicroWriter

    handlers = MicroWriter(or_latch=key.or_latch).handlers()
    return write_interpreter("interpret", key.words, handlers | TRANSFER_HANDLERS)
