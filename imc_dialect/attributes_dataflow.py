"""The attribute `#imc.dataflow`: cores and channels of a pipelined module, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xdsl.ir import Attribute
from xdsl.irdl import irdl_attr_definition

from imcflow.dialect.attributes_ap import PackedAttr

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.dataflow import Dataflow

DATAFLOW_ATTRIBUTE = "imc.dataflow"
"""Attribute of a module whose ops stream pixels to each other."""
COPIES_ATTRIBUTE = "imc.copies"
"""Attribute of an op: how many copies of its core work side by side."""


@irdl_attr_definition
class DataflowAttr(PackedAttr):
    """`#imc.dataflow<"sites 4 ...", "core sites 0 ... name conv1", "channel tensor 0 from 0 to 1 slots 67 ...">`.

    Lines of `imcflow.dialect.dataflow_text`; one per core and channel, however many pixels there are.
    """

    name: ClassVar[str] = "imc.dataflow"

    @staticmethod
    def of(dataflow: Dataflow) -> DataflowAttr:
        """Pack a dataflow."""
        from imcflow.dialect.dataflow_text import dataflow_lines

        return DataflowAttr("\n".join(dataflow_lines(dataflow)).encode())

    def dataflow(self) -> Dataflow:
        """Unpack."""
        from imcflow.dialect.dataflow_text import dataflow_from_lines

        return dataflow_from_lines(self.data.decode().split("\n"))

    def text_lines(self) -> list[str]:
        """See the base class."""
        return self.data.decode().split("\n")

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        return "\n".join(lines).encode()

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        from imcflow.dialect.dataflow_text import dataflow_from_lines

        dataflow_from_lines(data.decode().split("\n"))


DATAFLOW_ATTRIBUTES: list[type[Attribute]] = [DataflowAttr]
