"""What the digital unit can be asked to do: operands, attributes and shapes of its operations.

The operations are the network-level ops of the `imc` dialect under the same names, and mean the same. This table lets
the loader refuse a malformed operation before anything runs; `imcflow.runtime.digital` computes them. Shapes carry the
batch as axis 0 with size -1 for tensors of the program; constants have plain shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import cast

from imcflow.runtime.program import Json

BATCH = -1
MAX_WORKING_ELEMENTS = 1 << 32
_MAX_SIZE = 1 << 16
_INT64_LOW, _INT64_HIGH = -(1 << 63), (1 << 63) - 1

ROUNDINGS = (
    "half_even",
    "half_up",
    "half_down",
    "half_away",
    "half_to_zero",
    "floor",
    "ceil",
    "truncate",
    "away",
)

Shape = tuple[int, ...]
Attributes = Mapping[str, Json]
ShapeRule = Callable[[Attributes, Sequence[Shape]], Shape]


@dataclass(frozen=True)
class Attribute:
    """One attribute: `kind` is int, ints, float, flag or choice; `default` None with `required` False means absent."""

    kind: str
    required: bool = True
    default: Json = None
    low: int = _INT64_LOW
    high: int = _INT64_HIGH
    count: int | None = None
    choices: tuple[str, ...] = ()

    def complaint(self, value: Json) -> str | None:
        """Return what is wrong with `value`, or None."""
        if self.kind == "int":
            return None if self._is_integer(value) else f"must be an integer from {self.low} to {self.high}"
        if self.kind == "float":
            return None if isinstance(value, float | int) and not isinstance(value, bool) else "must be a number"
        if self.kind == "flag":
            return None if isinstance(value, bool) else "must be true or false"
        if self.kind == "choice":
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        if not isinstance(value, list | tuple) or len(value) > 64 or not all(self._is_integer(item) for item in value):
            return f"must be a list of integers from {self.low} to {self.high}"
        if self.count is not None and len(value) != self.count:
            return f"must have {self.count} entries, has {len(value)}"
        return None

    def _is_integer(self, value: Json) -> bool:
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class DigitalOpSchema:
    """Operands, attributes and shape rule of one digital operation.

    Attributes:
        operands: fewest and most operands.
        domain: which element kinds operands may have: "any", "float", "integer", or "same" (all alike).
        shape: maps attributes (complete) and operand shapes to the result shape; raises ValueError.
    """

    operands: tuple[int, int]
    domain: str
    shape: ShapeRule
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute])


def complete_attributes(op: str, attributes: Attributes) -> dict[str, Json]:
    """Return `attributes` with the defaults of `op` filled in.

    Raises:
        ValueError: the op or an attribute is unknown, a required one is missing, or a value is wrong.
    """
    schema = DIGITAL_OPS.get(op)
    if schema is None:
        raise ValueError(f"op {op!r} is unknown to the digital unit")
    for key in attributes:
        if key not in schema.attributes:
            allowed = ", ".join(schema.attributes) or "none"
            raise ValueError(f"attribute {key[:80]!r} is unknown to {op}; allowed: {allowed}")
    result: dict[str, Json] = {}
    for key, attribute in schema.attributes.items():
        if key not in attributes or (attributes[key] is None and not attribute.required):
            if attribute.required:
                raise ValueError(f"attribute '{key}' of {op} is missing")
            result[key] = attribute.default
            continue
        complaint = attribute.complaint(attributes[key])
        if complaint:
            raise ValueError(f"attribute '{key}' of {op} {complaint}, got {ascii(attributes[key])[:80]}")
        result[key] = attributes[key]
    return result


def result_shape(op: str, attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Return the shape of the result, batch included as -1.

    Args:
        op: name of the operation, without dialect prefix.
        attributes: complete attributes (`complete_attributes`).
        shapes: operand shapes; tensors start with -1.

    Raises:
        ValueError: the operands do not fit the operation.
    """
    schema = DIGITAL_OPS[op]
    fewest, most = schema.operands
    if not fewest <= len(shapes) <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise ValueError(f"{op} takes {wanted} operands, got {len(shapes)}")
    if not any(shape[:1] == (BATCH,) for shape in shapes):
        raise ValueError(f"{op} needs an operand with a batch axis")
    return schema.shape(attributes, shapes)


def _integers(attributes: Attributes, key: str) -> list[int]:
    return list(cast(Sequence[int], attributes[key]))


def _integer(attributes: Attributes, key: str) -> int:
    return cast(int, attributes[key])


def broadcast(left: Shape, right: Shape) -> Shape:
    """Return the numpy broadcast of two shapes; -1 meets only -1 or 1.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    rank = max(len(left), len(right))
    sizes: list[int] = []
    for a, b in zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True):
        if a != b and 1 not in (a, b):
            raise ValueError(f"shapes {list(left)} and {list(right)} do not broadcast")
        sizes.append(b if a == 1 else a)
    return tuple(sizes)


def _elementwise(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    del attributes
    shape: Shape = shapes[0]
    for other in shapes[1:]:
        shape = broadcast(shape, other)
    return shape


def _like_first(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    if _elementwise(attributes, shapes) != shapes[0]:
        raise ValueError(f"operands {[list(shape) for shape in shapes[1:]]} do not broadcast into {list(shapes[0])}")
    return shapes[0]


def _rank(shape: Shape, rank: int, what: str) -> None:
    if len(shape) != rank:
        raise ValueError(f"{what} has {len(shape)} axes, expected {rank}")


def _axis(attributes: Attributes, shape: Shape) -> int:
    axis = _integer(attributes, "axis")
    if not 1 <= axis < len(shape):
        raise ValueError(f"axis {axis} is outside 1 to {len(shape) - 1}")
    return axis


def _window(attributes: Attributes, size: Sequence[int], kernel: Sequence[int], *, ceil_mode: bool) -> tuple[int, int]:
    strides, pads, dilations = (_integers(attributes, key) for key in ("strides", "pads", "dilations"))
    result: list[int] = []
    for axis in range(2):
        padded = size[axis] + pads[axis] + pads[axis + 2]
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        if reach > padded:
            raise ValueError(f"a window of {reach} is larger than the padded input of {padded}")
        count = (padded - reach) // strides[axis] + 1
        if ceil_mode and (padded - reach) % strides[axis] and count * strides[axis] < size[axis] + pads[axis]:
            count += 1
        result.append(count)
    return result[0], result[1]


def _limit_work(*sizes: int) -> None:
    if prod(sizes) > MAX_WORKING_ELEMENTS:
        raise ValueError(f"{prod(sizes)} window elements per image exceed {MAX_WORKING_ELEMENTS}")


def _conv2d(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    _rank(shapes[0], 4, "input")
    _rank(shapes[1], 4, "weights")
    batch, channels, height, width = shapes[0]
    outputs, channels_in, kernel_height, kernel_width = shapes[1]
    groups = _integer(attributes, "groups")
    if channels != channels_in * groups or outputs % groups:
        raise ValueError(f"{groups} groups do not fit {channels} channels and weights {list(shapes[1])}")
    if len(shapes) == 3 and shapes[2] != (outputs,):
        raise ValueError(f"bias has shape {list(shapes[2])}, expected [{outputs}]")
    size = _window(attributes, (height, width), (kernel_height, kernel_width), ceil_mode=False)
    _limit_work(channels, kernel_height, kernel_width, *size)
    return (batch, outputs, *size)


def _gemm(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    del attributes
    _rank(shapes[0], 2, "input")
    _rank(shapes[1], 2, "weights")
    if shapes[0][1] != shapes[1][1]:
        raise ValueError(f"input has {shapes[0][1]} features, weights have {shapes[1][1]}")
    if len(shapes) == 3 and shapes[2] != (shapes[1][0],):
        raise ValueError(f"bias has shape {list(shapes[2])}, expected [{shapes[1][0]}]")
    return (shapes[0][0], shapes[1][0])


def _matmul(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    del attributes
    left, right = shapes
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2] or left[-1] == BATCH:
        raise ValueError(f"inner dimensions of {list(left)} and {list(right)} differ")
    return (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])


def _pool(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    _rank(shapes[0], 4, "input")
    kernel = _integers(attributes, "kernel")
    batch, channels, height, width = shapes[0]
    size = _window(attributes, (height, width), kernel, ceil_mode=attributes["ceil_mode"] is True)
    _limit_work(channels, *kernel, *size)
    return (batch, channels, *size)


def _batch_norm(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    del attributes
    if len(shapes[0]) < 2 or any(shape != (shapes[0][1],) for shape in shapes[1:]):
        raise ValueError(f"input {list(shapes[0])} needs parameters with one value per channel")
    return shapes[0]


def _threshold(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    del attributes
    if len(shapes[0]) < 2:
        raise ValueError("input has no channel axis")
    _rank(shapes[1], 2, "thresholds")
    channels = shapes[0][1]
    if shapes[1][0] not in (1, channels):
        raise ValueError(f"thresholds have {shapes[1][0]} rows for {channels} channels")
    if len(shapes) == 3 and shapes[2] != (channels,):
        raise ValueError(f"descending has shape {list(shapes[2])}, expected [{channels}]")
    _limit_work(*shapes[0][1:], shapes[1][1])
    return shapes[0]


def _transpose(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    order = _integers(attributes, "permutation")
    if sorted(order) != list(range(len(shapes[0]))) or order[0] != 0:
        raise ValueError(f"{order} is no permutation of {len(shapes[0])} axes that keeps axis 0")
    return tuple(shapes[0][axis] for axis in order)


def _concat(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    axis = _axis(attributes, shapes[0])
    rest = shapes[0][:axis] + shapes[0][axis + 1 :]
    if any(len(shape) != len(shapes[0]) or shape[:axis] + shape[axis + 1 :] != rest for shape in shapes):
        raise ValueError(f"shapes {[list(shape) for shape in shapes]} differ in more than axis {axis}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _pad(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    pads = _integers(attributes, "pads")
    rank = len(shapes[0])
    if len(pads) != 2 * rank or pads[0] or pads[rank]:
        raise ValueError(f"pads {pads} must be {2 * rank} integers, 0 for the batch")
    return (shapes[0][0], *(shapes[0][axis] + pads[axis] + pads[axis + rank] for axis in range(1, rank)))


def _slice(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    axis = _axis(attributes, shapes[0])
    start, stop, step = (_integer(attributes, key) for key in ("start", "stop", "step"))
    if not 0 <= start < stop <= shapes[0][axis]:
        raise ValueError(f"slice {start}:{stop} is outside axis {axis} of size {shapes[0][axis]}")
    return (*shapes[0][:axis], len(range(start, stop, step)), *shapes[0][axis + 1 :])


def _depth_to_space(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    _rank(shapes[0], 4, "input")
    block = _integer(attributes, "block")
    batch, channels, height, width = shapes[0]
    if channels % (block * block):
        raise ValueError(f"{channels} channels do not divide into blocks of {block}x{block}")
    return (batch, channels // (block * block), height * block, width * block)


def _reduce_mean(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    axes = _integers(attributes, "axes")
    if not axes or any(not 1 <= axis < len(shapes[0]) for axis in axes):
        raise ValueError(f"axes {axes} are outside 1 to {len(shapes[0]) - 1}")
    return tuple(1 if axis in axes else size for axis, size in enumerate(shapes[0]))


def _top_k(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    axis = _axis(attributes, shapes[0])
    count = _integer(attributes, "count")
    if count > shapes[0][axis]:
        raise ValueError(f"the {count} largest of {shapes[0][axis]} elements do not exist")
    return (*shapes[0][:axis], count, *shapes[0][axis + 1 :])


def _softmax(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    _axis(attributes, shapes[0])
    return shapes[0]


def _reshape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    # The new shape is that of the output buffer; the loader compares element counts.
    del attributes
    return shapes[0]


def _sizes(count: int, low: int, default: tuple[int, ...] | None = None) -> Attribute:
    value: Json = None if default is None else list(default)
    return Attribute("ints", required=default is None, default=value, low=low, high=_MAX_SIZE, count=count)


_WINDOW = {"strides": _sizes(2, 1, (1, 1)), "pads": _sizes(4, 0, (0, 0, 0, 0)), "dilations": _sizes(2, 1, (1, 1))}
_POOL = {"kernel": _sizes(2, 1), **_WINDOW, "ceil_mode": Attribute("flag", required=False, default=False)}
_AXIS = {"axis": Attribute("int", low=1, high=8)}
_MODE = {"mode": Attribute("choice", required=False, default="half_even", choices=ROUNDINGS)}
_BOUNDS = {"low": Attribute("int"), "high": Attribute("int")}
_OPTIONAL_BOUNDS = {"low": Attribute("int", required=False), "high": Attribute("int", required=False)}


def _unary(domain: str, attributes: Mapping[str, Attribute] | None = None) -> DigitalOpSchema:
    return DigitalOpSchema((1, 1), domain, _like_first, attributes or {})


DIGITAL_OPS: dict[str, DigitalOpSchema] = {
    "conv2d": DigitalOpSchema(
        (2, 3),
        "same",
        _conv2d,
        {
            **_WINDOW,
            "groups": Attribute("int", required=False, default=1, low=1, high=_MAX_SIZE),
            "pad_value": Attribute("int", required=False, default=0),
        },
    ),
    "gemm": DigitalOpSchema((2, 3), "same", _gemm),
    "matmul": DigitalOpSchema((2, 2), "same", _matmul),
    "max_pool": DigitalOpSchema((1, 1), "any", _pool, _POOL),
    "sum_pool": DigitalOpSchema((1, 1), "any", _pool, _POOL),
    "avg_pool": DigitalOpSchema(
        (1, 1), "float", _pool, {**_POOL, "count_include_pad": Attribute("flag", required=False, default=False)}
    ),
    "batch_norm": DigitalOpSchema(
        (5, 5), "float", _batch_norm, {"epsilon": Attribute("float", required=False, default=1e-5)}
    ),
    **{name: DigitalOpSchema((2, 2), "same", _elementwise) for name in ("add", "sub", "mul", "div")},
    "pow": DigitalOpSchema((2, 2), "float", _elementwise),
    **{name: DigitalOpSchema((2, 2), "same", _elementwise) for name in ("greater", "greater_equal")},
    **{name: _unary("any") for name in ("relu", "neg", "abs", "sign", "cast", "bipolar")},
    **{name: _unary("float") for name in ("sqrt", "erf", "sigmoid")},
    "clamp": _unary("integer", _BOUNDS),
    "clip": _unary("float", {"low": Attribute("float"), "high": Attribute("float")}),
    "round": _unary("float", _MODE),
    **{name: DigitalOpSchema((1, 1), "float", _softmax, _AXIS) for name in ("softmax", "log_softmax")},
    "quantize": DigitalOpSchema(
        (3, 3),
        "any",
        _like_first,
        {**_BOUNDS, **_MODE, "zero_point_inside": Attribute("flag", required=False, default=False)},
    ),
    "dequantize": DigitalOpSchema((3, 3), "any", _like_first),
    "threshold": DigitalOpSchema((2, 3), "any", _threshold, {"low": Attribute("int", required=False, default=0)}),
    "requantize": DigitalOpSchema(
        (4, 4),
        "integer",
        _like_first,
        {**_OPTIONAL_BOUNDS, "mode": Attribute("choice", required=False, default="floor", choices=ROUNDINGS)},
    ),
    "reshape": DigitalOpSchema((1, 1), "any", _reshape),
    "transpose": DigitalOpSchema((1, 1), "any", _transpose, {"permutation": Attribute("ints", low=0, high=8)}),
    "concat": DigitalOpSchema(
        (1, 1 << 16), "same", _concat, {"axis": Attribute("int", required=False, default=1, low=1, high=8)}
    ),
    "pad": DigitalOpSchema(
        (1, 1),
        "any",
        _pad,
        {
            "pads": Attribute("ints", low=0, high=_MAX_SIZE),
            "value": Attribute("int", required=False, default=0),
        },
    ),
    "slice": DigitalOpSchema(
        (1, 1),
        "any",
        _slice,
        {
            **_AXIS,
            "start": Attribute("int", low=0),
            "stop": Attribute("int", low=0),
            "step": Attribute("int", required=False, default=1, low=1),
        },
    ),
    "depth_to_space": DigitalOpSchema(
        (1, 1),
        "any",
        _depth_to_space,
        {
            "block": Attribute("int", low=1, high=_MAX_SIZE),
            "column_row_depth": Attribute("int", required=False, default=0, low=0, high=1),
        },
    ),
    "reduce_mean": DigitalOpSchema((1, 1), "float", _reduce_mean, {"axes": Attribute("ints", low=1, high=8)}),
    "top_k": DigitalOpSchema(
        (1, 1),
        "any",
        _top_k,
        {**_AXIS, "count": Attribute("int", required=False, default=1, low=1)},
    ),
}


_MOVES_ONLY = ("reshape", "transpose", "concat", "slice", "pad", "depth_to_space")


def operations_per_image(op: str, attributes: Attributes, shapes: Sequence[Shape], result: Shape) -> int:
    """Return the scalar operations of one digital op per image; a multiply-accumulate counts as one.

    Args:
        op: name of a checked operation.
        attributes: its attributes.
        shapes: operand shapes; tensors start with -1.
        result: shape of the result per image.
    """
    elements = prod(result)
    if op in _MOVES_ONLY:
        return 0
    if op == "conv2d":
        return elements * prod(shapes[1][1:])
    if op == "gemm":
        return elements * shapes[1][1]
    if op == "matmul":
        return elements * shapes[0][-1]
    if op in ("max_pool", "sum_pool", "avg_pool"):
        return elements * prod(_integers(attributes, "kernel"))
    if op == "threshold":
        # Thresholds ascend: a binary search finds the level.
        return elements * shapes[1][1].bit_length()
    if op in ("reduce_mean", "top_k"):
        return prod(shapes[0][1:])
    return elements
