"""The compiled program as plain data: what the compiler emits, the container stores and the runtime executes.

`docs/instruction-stream.md` is the specification. Nothing here computes: checks live in `imcflow.runtime.loader`,
files in `imcflow.runtime.container`, execution in `imcflow.runtime.execute`.

Conventions: axis 0 of every tensor is the batch and is left out of all shapes here; feature maps are (channels,
height, width), vectors (channels,). A tensor id is an index into `Program.tensors`. Element types are spelled as in
the IR: `siN` two's complement, `uiN` unsigned (1 <= N <= 62) and `f32`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from imcflow.runtime.pipeline.dataflow import Dataflow
    from imcflow.runtime.schedule.table import Schedule

    InstructionTable = np.ndarray[tuple[int], np.dtype[np.void]]
    """Rows of `imcflow.runtime.isa.instruction_dtype()`."""
    IntArray = np.ndarray[Any, np.dtype[np.int64]]
    WeightArray = np.ndarray[Any, np.dtype[np.integer[Any]]]
    BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

FORMAT_VERSION = 1

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a digital op may carry as an attribute."""

STORAGE_LIMIT_BITS = 62
"""Widest integer element; the runtime exchanges tensors as int64 and keeps two spare bits."""


@dataclass(frozen=True)
class ElementType:
    """Type of one tensor element: an integer of `bits` bits, or float32 (`is_float`, 32 bits)."""

    bits: int
    signed: bool
    is_float: bool = False

    @property
    def minimum(self) -> int:
        """Smallest integer of the type (0 for unsigned)."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def maximum(self) -> int:
        """Largest integer of the type."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def __str__(self) -> str:
        if self.is_float:
            return "f32"
        return f"{'si' if self.signed else 'ui'}{self.bits}"


FLOAT32 = ElementType(bits=32, signed=True, is_float=True)


@cache
def element_type(spelling: str) -> ElementType:
    """Parse `siN`, `uiN` or `f32`.

    Raises:
        ValueError: the spelling is none of these or N is outside 1..62.
    """
    if spelling == "f32":
        return FLOAT32
    prefix, digits = spelling[:2], spelling[2:]
    if prefix not in ("si", "ui") or not (digits.isascii() and digits.isdigit()) or digits.startswith("0"):
        raise ValueError(f"'{spelling}' is not an element type: expected siN, uiN or f32")
    if len(digits) > 2 or int(digits) > STORAGE_LIMIT_BITS:
        raise ValueError(f"element type '{spelling}' is wider than {STORAGE_LIMIT_BITS} bits")
    return ElementType(bits=int(digits), signed=prefix == "si")


@dataclass(frozen=True)
class MacroSummary:
    """Geometry and converters of the macros of a crossbar target.

    A macro multiplies `rows` window elements by `columns` weights per row; there are `macros` of them with `slots`
    weights behind each multiplier. Weights have up to `weight_bits` bits, one physical column each; activations up to
    `activation_bits`, fed `bits_per_cycle` at a time. An analog macro reads its columns with `adc_levels` levels, a
    digital one (0) adds exactly. Cells of an analog macro may hold `cell_bits` > 1 bits as the difference of two
    conductances; then a weight has fewer columns, which are read with signed codes.
    """

    rows: int
    columns: int
    macros: int
    slots: int
    weight_bits: int
    activation_bits: int
    bits_per_cycle: int
    adc_levels: int = 0
    cell_bits: int = 1

    def fields(self) -> dict[str, object]:
        """Return the fields by name as files have them: `cell_bits` is absent if it is 1."""
        return {name: value for name, value in asdict(self).items() if name != "cell_bits" or value != 1}


@dataclass(frozen=True)
class TargetSummary:
    """What execution needs to know of the target; the full description stays with `imcflow.targets`.

    `content_hash` is the hash of the description the program was compiled for. `rows`, `tracks` and `domains` are the
    geometry of one AP array in cells. `array_count` is how many arrays one row block may use (0: no limit). `ports` are
    the read-write ports of a track. `macro` is there on crossbar targets.
    """

    name: str
    content_hash: str
    rows: int
    tracks: int
    domains: int
    or_latch: bool = False
    array_count: int = 0
    kind: str = "ap"
    macro: MacroSummary | None = None
    ports: int = 1


@dataclass(frozen=True)
class TensorInfo:
    """One buffer: `shape` is per image (no batch axis), `dtype` an element type spelling such as `ui4`."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def element(self) -> ElementType:
        """The parsed element type."""
        return element_type(self.dtype)

    @property
    def size(self) -> int:
        """Elements per image."""
        return prod(self.shape)


@dataclass(frozen=True)
class PortInfo:
    """A graph input or output as the source model knows it.

    `name` is the ONNX tensor name, `tensor` the buffer, `model_dtype` the type of the array in the model ("float32",
    "int8", ...; numpy spelling). A float array feeding an integer buffer must hold integers of the buffer's type.
    """

    name: str
    tensor: int
    model_dtype: str


@dataclass(frozen=True)
class Window:
    """How a kernel input is cut into lanes: lane = output position, element = one cell of the window under it.

    `channels`, `height`, `width` are the shape of the tensor read (a vector of K channels has height = width = 1).
    `pads` is (top, left, bottom, right). Element index of a LOAD: (channel*kernel_height + kh)*kernel_width + kw.
    Positions outside the map give `pad_value`. `bits` and `signed` are the type in which an element is loaded; it
    contains the tensor's type and the pad value.
    """

    tensor: int
    channels: int
    height: int
    width: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]
    pad_value: int
    bits: int
    signed: bool

    @property
    def elements(self) -> int:
        """Window elements per lane."""
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def out_height(self) -> int:
        """Output positions along the height."""
        reach = self.dilations[0] * (self.kernel[0] - 1) + 1
        return (self.height + self.pads[0] + self.pads[2] - reach) // self.strides[0] + 1

    @property
    def out_width(self) -> int:
        """Output positions along the width."""
        reach = self.dilations[1] * (self.kernel[1] - 1) + 1
        return (self.width + self.pads[1] + self.pads[3] - reach) // self.strides[1] + 1


def vector_window(tensor: int, channels: int, bits: int, signed: bool) -> Window:
    """The window of a vector (rank-2 tensor [N, K]): one lane per image, K elements."""
    return Window(
        tensor=tensor,
        channels=channels,
        height=1,
        width=1,
        kernel=(1, 1),
        strides=(1, 1),
        pads=(0, 0, 0, 0),
        dilations=(1, 1),
        pad_value=0,
        bits=bits,
        signed=signed,
    )


@dataclass(frozen=True)
class ApOutput:
    """A kernel output: `channels` elements per lane, lanes arranged as `height` x `width` positions per image.

    `bits` and `signed` are those of the tensor's type. STORE element index = channel.
    """

    tensor: int
    channels: int
    height: int
    width: int
    bits: int
    signed: bool


@dataclass(frozen=True)
class Region:
    """Source map entry: instructions `start` <= i < `stop` come from `onnx_node`; `text` says which part of it."""

    start: int
    stop: int
    text: str
    onnx_node: str = ""


@dataclass(frozen=True, eq=False)
class ApKernel:
    """One instruction stream for an associative processor, run once per row block of `target.rows` lanes.

    Step tables: `step_thresholds` int64 [table_rows, levels], each row ascending; `step_low` int64 [table_rows];
    `step_descending` bool [table_rows]. Row k maps x to low + #{j: x >= T[k, j]}, a descending one to
    low + levels - #{j: x >= T[k, j]}. Kernels without STORE_STEP have zero table rows.
    `array_count` is the number of arrays the cell addresses span.
    """

    kind: ClassVar[str] = "ap_kernel"

    name: str
    onnx_nodes: tuple[str, ...]
    inputs: tuple[Window, ...]
    outputs: tuple[ApOutput, ...]
    instructions: InstructionTable
    step_thresholds: IntArray
    step_low: IntArray
    step_descending: BoolArray
    array_count: int
    regions: tuple[Region, ...] = ()

    @property
    def lanes_per_image(self) -> int:
        """Output positions of one image; a batch of n images has n times as many lanes."""
        return self.outputs[0].height * self.outputs[0].width


@dataclass(frozen=True, eq=False)
class CrossbarKernel:
    """A stream of tile operations on the macros of a crossbar target, run for all lanes.

    `instructions` are rows of `imcflow.runtime.crossbar.isa`. `weights` (int8, int16 or int32) are the tiles one after
    the other; a cell word has `weight_bits` bits. `bias` is int64 [channels]. Step tables are as in `ApKernel`, with
    one row per output channel, or none.
    """

    kind: ClassVar[str] = "crossbar_kernel"

    name: str
    onnx_nodes: tuple[str, ...]
    window: Window
    output: ApOutput
    weight_bits: int
    instructions: InstructionTable
    weights: WeightArray
    bias: IntArray
    step_thresholds: IntArray
    step_low: IntArray
    step_descending: BoolArray

    @property
    def lanes_per_image(self) -> int:
        """Output positions of one image."""
        return self.output.height * self.output.width


@dataclass(frozen=True)
class DigitalOp:
    """One operation of the target's digital unit: a network-level op on whole tensors.

    `op` is the mnemonic without the dialect prefix, `attributes` are JSON values, `inputs` are tensor ids (int) or
    names of program constants (str).
    """

    kind: ClassVar[str] = "digital"

    name: str
    op: str
    attributes: Mapping[str, Json]
    inputs: tuple[int | str, ...]
    output: int
    onnx_nodes: tuple[str, ...] = ()


def _no_constants() -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    return {}


Step = ApKernel | CrossbarKernel | DigitalOp
"""One step of a program. Other kinds of unit add a dataclass with its own `kind` and a codec in the container."""


def tensors_read(step: Step) -> list[int]:
    """Return the ids of the tensors that a step reads."""
    if isinstance(step, DigitalOp):
        return [value for value in step.inputs if isinstance(value, int)]
    if isinstance(step, CrossbarKernel):
        return [step.window.tensor]
    return [window.tensor for window in step.inputs]


def tensors_written(step: Step) -> list[int]:
    """Return the ids of the tensors that a step writes."""
    if isinstance(step, DigitalOp):
        return [step.output]
    if isinstance(step, CrossbarKernel):
        return [step.output.tensor]
    return [output.tensor for output in step.outputs]


@dataclass(frozen=True, eq=False)
class Program:
    """A compiled network: buffers, ports and the steps that fill the buffers, in execution order.

    `constants` are read-only arrays named by digital ops. `pipeline` is the pass pipeline that made the program.
    With a `schedule`, parts of steps run on their units in the order of its tasks instead of step by step.
    `dataflow` is there if pixels can also stream through cores, each of which computes some of the steps.
    Two programs are the same exactly if `imcflow.runtime.container.content_hash` gives the same text.
    """

    name: str
    target: TargetSummary
    tensors: tuple[TensorInfo, ...]
    inputs: tuple[PortInfo, ...]
    outputs: tuple[PortInfo, ...]
    steps: tuple[Step, ...]
    constants: Mapping[str, np.ndarray[Any, np.dtype[Any]]] = field(default_factory=_no_constants)
    pipeline: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    format_version: int = FORMAT_VERSION
    schedule: Schedule | None = None
    dataflow: Dataflow | None = None

    @property
    def kernels(self) -> tuple[ApKernel, ...]:
        """The associative-processor steps, in order."""
        return tuple(step for step in self.steps if isinstance(step, ApKernel))

    @property
    def crossbar_kernels(self) -> tuple[CrossbarKernel, ...]:
        """The crossbar steps, in order."""
        return tuple(step for step in self.steps if isinstance(step, CrossbarKernel))

    @property
    def source_map(self) -> dict[str, tuple[str, ...]]:
        """Step name -> ONNX nodes it computes."""
        return {step.name: step.onnx_nodes for step in self.steps}
