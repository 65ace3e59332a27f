"""What ran when, and how long it may run: collected and checked only on request, at no cost otherwise.

A trace becomes the JSON that chrome://tracing and Perfetto read: one row for the steps, one per worker for the
ranges of blocks inside them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from collections.abc import Callable

    RangeRunner = Callable[[int, int], None]

_NS_PER_MS, _NS_PER_US = 1e6, 1e3
_STEPS = -1  # worker number of the steps as a whole


class TimeLimitError(ImcflowError):
    """Execution took longer than the user allows."""


class TimeLimit:
    """A deadline, from now on."""

    def __init__(self, seconds: float) -> None:
        """Allow `seconds` > 0.

        Raises:
            ImcflowError: no such number.
        """
        if not 0.0 < seconds < float("inf"):
            raise ImcflowError(f"time limit must be a positive number of seconds, got {seconds:g}")
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def check(self, step: str) -> None:
        """Return if there is time left.

        Raises:
            TimeLimitError: there is none; names the step.
        """
        if time.monotonic() > self._end:
            raise TimeLimitError(f"time limit of {self._seconds:g} s is over in step '{step}'")


@dataclass(frozen=True, slots=True)
class Span:
    """Something that ran: a step (worker -1), or a range of its blocks on one worker."""

    step: str
    kernel: str
    worker: int
    start_ns: int
    stop_ns: int


@dataclass(frozen=True, slots=True)
class StepTime:
    """Time of one step over the whole batch.

    Attributes:
        step: its name.
        kernel: what its ranges ran, such as `word x512` lanes; empty if it has none.
        wall_ms: from its start to its end.
        kernel_ms: inside its kernels, all workers added up.
        ranges: how many ranges of blocks ran.
    """

    step: str
    kernel: str
    wall_ms: float
    kernel_ms: float
    ranges: int


@dataclass
class Trace:
    """Collects spans; hand a new one to each run."""

    spans: list[Span] = field(default_factory=list[Span])

    def step_times(self) -> list[StepTime]:
        """Return the times by step, in the order in which the steps first ran."""
        names = dict.fromkeys(span.step for span in self.spans if span.worker == _STEPS)
        times: list[StepTime] = []
        for name in names:
            spans = [span for span in self.spans if span.step == name]
            inner = [span for span in spans if span.worker != _STEPS]
            wall = sum(span.stop_ns - span.start_ns for span in spans if span.worker == _STEPS)
            busy = sum(span.stop_ns - span.start_ns for span in inner)
            kernels = ", ".join(dict.fromkeys(span.kernel for span in inner))
            times.append(StepTime(name, kernels, wall / _NS_PER_MS, busy / _NS_PER_MS, len(inner)))
        return times

    def to_json(self) -> dict[str, object]:
        """Return the trace-event object; times in microseconds from the first span on."""
        start = min((span.start_ns for span in self.spans), default=0)
        rows = sorted({span.worker for span in self.spans})
        names: list[dict[str, object]] = [
            {
                "name": "thread_name",
                "ph": "M",
                "pid": 1,
                "tid": row + 1,
                "args": {"name": "steps" if row == _STEPS else f"worker {row}"},
            }
            for row in rows
        ]
        events: list[dict[str, object]] = [
            {
                "name": span.step if span.worker == _STEPS else span.kernel,
                "cat": "step" if span.worker == _STEPS else span.step,
                "ph": "X",
                "pid": 1,
                "tid": span.worker + 1,
                "ts": (span.start_ns - start) / _NS_PER_US,
                "dur": (span.stop_ns - span.start_ns) / _NS_PER_US,
            }
            for span in sorted(self.spans, key=lambda span: span.start_ns)
        ]
        return {"displayTimeUnit": "ms", "traceEvents": names + events}


class Watch:
    """Trace and time limit of one run.

    Args:
        trace: gets the spans; None: no trace.
        limit: of the run; None: no limit.
    """

    def __init__(self, trace: Trace | None, limit: TimeLimit | None) -> None:
        self._trace, self._limit = trace, limit
        self._step, self._start_ns = "", 0

    def begin(self, step: str) -> None:
        """A step begins.

        Raises:
            TimeLimitError: no time is left.
        """
        self._step = step
        self._check()
        self._start_ns = time.perf_counter_ns()

    def end(self) -> None:
        """The step is done."""
        if self._trace is not None:
            self._trace.spans.append(Span(self._step, "", _STEPS, self._start_ns, time.perf_counter_ns()))
        self._check()

    def watched(self, runner: RangeRunner, worker: int, kernel: str) -> RangeRunner:
        """Return a runner that is checked before, and recorded after, every range."""
        trace, step = self._trace, self._step

        def run(first: int, last: int) -> None:
            self._check()
            start = time.perf_counter_ns()
            runner(first, last)
            if trace is not None:
                # Appending to a list is atomic.
                trace.spans.append(Span(step, kernel, worker, start, time.perf_counter_ns()))

        return run

    def _check(self) -> None:
        if self._limit is not None:
            self._limit.check(self._step)
