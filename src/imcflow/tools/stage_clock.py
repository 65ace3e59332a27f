"""What a stage of the compiler takes: wall-clock time, CPU time of all threads, and the process's peak memory."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field


@dataclass
class StageClock:
    """Measures one stage after the other; everything it prints goes to stderr, never between IR on stdout.

    Args:
        prints: print a line for every stage.
    """

    prints: bool = False
    _wall: float = field(default=0.0, init=False)
    _cpu: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin a stage now."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def finish(self, name: str) -> None:
        """End the stage `name`, and begin the next one."""
        if self.prints:
            wall_ms = (time.perf_counter() - self._wall) * 1e3
            cpu_ms = (time.process_time() - self._cpu) * 1e3
            sys.stderr.write(f"{name}: {wall_ms:.1f} ms, CPU {cpu_ms:.1f} ms{_peak_text()}\n")
        self.start()


def _peak_text() -> str:
    """The most memory that the process has held so far, where the system says it."""
    try:
        import resource
    except ImportError:  # only systems like Unix have it
        return ""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return f", peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6:.0f} MB"
