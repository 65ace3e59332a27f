"""How much a result depends on the quantities that no source gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Sensitivity:
    """What a batch would cost at both ends of an assumed quantity's range.

    Attributes:
        key: dotted key of the description.
        assumption: why the value was taken.
        low, value, high: range of the quantity and the value in use.
        seconds, joules: the batch at `value`; the others at the ends of the range.
    """

    key: str
    assumption: str
    low: float
    value: float
    high: float
    seconds: float
    seconds_at_low: float
    seconds_at_high: float
    joules: float
    joules_at_low: float
    joules_at_high: float

    @property
    def seconds_swing(self) -> float:
        """Time between both ends, over the time at the value in use."""
        return _swing(self.seconds_at_low, self.seconds, self.seconds_at_high)

    @property
    def joules_swing(self) -> float:
        """Energy between both ends, over the energy at the value in use."""
        return _swing(self.joules_at_low, self.joules, self.joules_at_high)

    def to_json(self) -> dict[str, object]:
        """Return all figures, swings included, by name."""
        return {**asdict(self), "seconds_swing": self.seconds_swing, "joules_swing": self.joules_swing}


def by_swing(entries: Iterable[Sensitivity]) -> tuple[Sensitivity, ...]:
    """Return the entries in the order of a tornado chart: what moves time or energy most comes first."""
    return tuple(sorted(entries, key=lambda entry: (-max(entry.seconds_swing, entry.joules_swing), entry.key)))


def _swing(low: float, value: float, high: float) -> float:
    return (max(low, value, high) - min(low, value, high)) / value if value else 0.0
