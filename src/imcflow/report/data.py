"""What a report is made from, and what its sections return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from imcflow.report.markup import Html
    from imcflow.runtime.counters import ProgramCounters
    from imcflow.runtime.program import Program


class EnergyByCause(Protocol):
    """Joules by cause, as every cost model returns them."""

    @property
    def total(self) -> float:
        """All of it."""
        ...

    def to_json(self) -> Mapping[str, float]:
        """Joules by cause, with `total`."""
        ...


class StepCost(Protocol):
    """Cost of one step of a program for a whole batch."""

    @property
    def name(self) -> str:
        """Name of the step."""
        ...

    @property
    def unit(self) -> str:
        """What runs it."""
        ...

    @property
    def onnx_nodes(self) -> Sequence[str]:
        """Nodes it computes."""
        ...

    @property
    def cycles(self) -> float:
        """Cycles of arrays or macros; 0 for the digital unit."""
        ...

    @property
    def seconds(self) -> float:
        """Time."""
        ...

    @property
    def energy(self) -> EnergyByCause:
        """Energy."""
        ...


class Cost(Protocol):
    """Cost of one batch on any kind of target; a report shows what is common, and more where it knows the kind."""

    @property
    def target(self) -> str:
        """Name of the description that priced it."""
        ...

    @property
    def images(self) -> int:
        """Size of the batch."""
        ...

    @property
    def steps(self) -> Sequence[StepCost]:
        """Steps in order."""
        ...

    @property
    def seconds(self) -> float:
        """Time of the batch."""
        ...

    @property
    def energy(self) -> EnergyByCause:
        """Energy of the batch."""
        ...


@dataclass(frozen=True)
class ReportData:
    """What sections read.

    Attributes:
        program: the program.
        content_hash: its identity.
        counters: counts of its streams.
        cost: what it costs, or None.
        why_no_cost: one line, where there is none.
    """

    program: Program
    content_hash: str
    counters: ProgramCounters
    cost: Cost | None
    why_no_cost: str = ""


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: as few words as the navigation can take.
        lead: one line on how to read it.
        content: markup.
    """

    title: str
    lead: str
    content: Html
