"""Attributes of the scheduled level: loop nests of mapped ops, and the places and starts of their tiles.

Both are discardable attributes of any op: `imc.nest` from `imc-map-layers`, `imc.tasks` from `imc-overlap-layers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition

from imcflow.dialect.attributes_ap import TEXT_ROWS, PackedAttr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xdsl.parser import AttrParser
    from xdsl.printer import Printer

NEST_DIMENSIONS = ("K", "C", "P", "Q", "R", "S")
"""Output channels, input channels, output rows and columns, kernel rows and columns."""
NEST_KINDS = ("temporal", "spatial")
TASK_BYTES = 32
_TASK_WORDS = ("first", "stop", "unit", "start", "cycles")


@dataclass(frozen=True, slots=True)
class NestLoop:
    """One loop: what it walks, how often, whether side by side, and the level of the hardware that runs it."""

    dimension: str
    bound: int
    spatial: bool
    level: str


@irdl_attr_definition
class NestAttr(Data[tuple[NestLoop, ...]]):
    """`#imc.nest<K 3 spatial bank, P 28 temporal bank, Q 5 temporal bank>`: loops over tiles, outermost first.

    What lies below the loops is one tile. A temporal loop counts steps, a spatial one units of the level. An empty nest
    is one tile.
    """

    name: ClassVar[str] = "imc.nest"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> tuple[NestLoop, ...]:
        """Parse the loops; dimension, bound and kind are checked."""
        with parser.in_angle_brackets():
            if parser.parse_optional_keyword("one"):
                parser.parse_keyword("tile")
                return ()
            return tuple(parser.parse_comma_separated_list(parser.Delimiter.NONE, lambda: cls._parse_loop(parser)))

    @classmethod
    def _parse_loop(cls, parser: AttrParser) -> NestLoop:
        start = parser.pos
        dimension = parser.parse_identifier()
        if dimension not in NEST_DIMENSIONS:
            parser.raise_error(
                f"{cls.name}: dimension {dimension} is none of {', '.join(NEST_DIMENSIONS)}", start, parser.pos
            )
        start = parser.pos
        bound = parser.parse_integer(allow_boolean=False, allow_negative=True)
        if bound < 1:
            parser.raise_error(f"{cls.name}: bound {bound} of {dimension} must be at least 1", start, parser.pos)
        start = parser.pos
        kind = parser.parse_identifier()
        if kind not in NEST_KINDS:
            parser.raise_error(f"{cls.name}: a loop is {' or '.join(NEST_KINDS)}, not {kind}", start, parser.pos)
        return NestLoop(dimension, bound, kind == "spatial", parser.parse_identifier())

    def print_parameter(self, printer: Printer) -> None:
        """Print the loops as they are parsed."""
        loops = [f"{loop.dimension} {loop.bound} {NEST_KINDS[loop.spatial]} {loop.level}" for loop in self.data]
        with printer.in_angle_brackets():
            printer.print_string(", ".join(loops) or "one tile")


@irdl_attr_definition
class TasksAttr(PackedAttr):
    """`#imc.tasks<"stop 240 unit 3 start 96 cycles 1200", ...>`: tiles of an op in time.

    Rows of `imcflow.runtime.schedule.table` without the number of the step; fields that are 0 are not printed. `first`
    to `stop` are lanes of a step of a program, or numbers of tiles in the order of the op's nest.
    """

    name: ClassVar[str] = "imc.tasks"

    @staticmethod
    def of(table: NDArray[np.void]) -> TasksAttr:
        """Pack a table; its step numbers are dropped."""
        rows = table.copy()
        rows["step"] = 0
        return TasksAttr(rows.tobytes())

    def table(self) -> NDArray[np.void]:
        """Unpack; the array is read-only."""
        import numpy as np

        from imcflow.runtime.schedule.table import task_dtype

        return np.frombuffer(self.data, dtype=task_dtype())

    def text_lines(self) -> list[str] | None:
        """See the base class."""
        table = self.table()
        if len(table) > TEXT_ROWS:
            return None
        return [" ".join(f"{word} {row[word]}" for word in _TASK_WORDS if row[word]) for row in table]

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        import numpy as np

        from imcflow.runtime.schedule.table import task_dtype

        table = np.zeros(len(lines), task_dtype())
        for row, line in zip(table, lines, strict=True):
            words = line.split()
            for word, value in zip(words[::2], words[1::2], strict=False):
                if word not in _TASK_WORDS or not value.isdigit():
                    raise ValueError(f"line '{line}': '{word} {value}' is no field of a task")
                try:
                    row[word] = int(value)
                except OverflowError as error:
                    raise ValueError(f"line '{line}': {word} {value} is out of range") from error
            if len(words) % 2:
                raise ValueError(f"line '{line}': fields and values do not pair up")
        return table.tobytes()

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        if len(data) % TASK_BYTES:
            raise ValueError(f"{len(data)} bytes are no whole number of {TASK_BYTES}-byte tasks")


SCHEDULE_ATTRIBUTES = [NestAttr, TasksAttr]
