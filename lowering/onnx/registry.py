"""Which function imports which ONNX op, with its limits in words: the source of `docs/supported-ops.md`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from imcflow.lowering.onnx.tensors import Tensor

if TYPE_CHECKING:
    from imcflow.lowering.onnx.builder import NetworkBuilder
    from imcflow.lowering.onnx.node import Node

Importer = Callable[["Node", "NetworkBuilder"], "Tensor | Sequence[Tensor]"]
"""Returns the first output, or all outputs in order."""

F = TypeVar("F", bound=Importer)

STANDARD_DOMAINS = ("", "ai.onnx")

HARMLESS_ATTRIBUTES = {
    "weight_bits": "precision hint of DORY and NEMO: the stored weights say the same",
    "bias_bits": "precision hint of DORY and NEMO",
    "mult_bits": "precision hint of DORY and NEMO",
    "add_bits": "precision hint of DORY and NEMO",
    "out_bits": "precision hint of DORY and NEMO: the Clip beside it says the same",
}
"""Non-standard attributes that change no result, accepted on every op."""


@dataclass(frozen=True)
class OpEntry:
    """One registered op.

    Attributes:
        name: ONNX op type.
        domains: accepted domains; "" and "ai.onnx" are the standard one.
        family: module that imports it, for the documentation.
        attributes: every attribute that the importer knows.
        limits: what is refused, or how the op is translated; "" if there is nothing to say.
        importer: the function.
    """

    name: str
    domains: tuple[str, ...]
    family: str
    attributes: tuple[str, ...]
    limits: str
    importer: Importer


ENTRIES: dict[tuple[str, str], OpEntry] = {}
"""(domain, op type) -> entry."""


def onnx_op(
    name: str, *, attributes: Sequence[str] = (), limits: str = "", domains: Sequence[str] = STANDARD_DOMAINS
) -> Callable[[F], F]:
    """Register the decorated function as the importer of an op."""

    def register(importer: F) -> F:
        family = importer.__module__.rpartition(".")[2]
        entry = OpEntry(name, tuple(domains), family, tuple(attributes), limits, importer)
        for domain in domains:
            ENTRIES[domain, name] = entry
        return importer

    return register
