"""What the digital unit can be asked to do: operands, attributes and shapes of its operations.

The operations are the network-level ops of the `imc` dialect under the same names, and mean the same. This table lets
the loader refuse a malformed operation before anything runs; `imcflow.runtime.digital` computes them. Shapes carry the
batch as axis 0 with size -1 for tensors of the program; constants have plain shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from imcflow.runtime.digital_shapes import (
    BATCH,
    Attributes,
    Shape,
    batch_norm_shape,
    broadcast_shape,
    concat_shape,
    conv2d_shape,
    depth_to_space_shape,
    first_shape,
    gemm_shape,
    integers_of,
    matmul_shape,
    pad_shape,
    pool_shape,
    reduce_mean_shape,
    reshape_shape,
    slice_shape,
    softmax_shape,
    threshold_shape,
    top_k_shape,
    transpose_shape,
)
from imcflow.runtime.limits import INT64_MAX, INT64_MIN
from imcflow.runtime.program import Json

_MAX_SIZE = 1 << 16

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

ShapeRule = Callable[[Attributes, Sequence[Shape]], Shape]


@dataclass(frozen=True)
class Attribute:
    """One attribute: `kind` is int, ints, float, flag or choice; `default` None with `required` False means absent."""

    kind: str
    required: bool = True
    default: Json = None
    low: int = INT64_MIN
    high: int = INT64_MAX
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
    return DigitalOpSchema((1, 1), domain, first_shape, attributes or {})


DIGITAL_OPS: dict[str, DigitalOpSchema] = {
    "conv2d": DigitalOpSchema(
        (2, 3),
        "same",
        conv2d_shape,
        {
            **_WINDOW,
            "groups": Attribute("int", required=False, default=1, low=1, high=_MAX_SIZE),
            "pad_value": Attribute("int", required=False, default=0),
        },
    ),
    "gemm": DigitalOpSchema((2, 3), "same", gemm_shape),
    "matmul": DigitalOpSchema((2, 2), "same", matmul_shape),
    "max_pool": DigitalOpSchema((1, 1), "any", pool_shape, _POOL),
    "sum_pool": DigitalOpSchema((1, 1), "any", pool_shape, _POOL),
    "avg_pool": DigitalOpSchema(
        (1, 1), "float", pool_shape, {**_POOL, "count_include_pad": Attribute("flag", required=False, default=False)}
    ),
    "batch_norm": DigitalOpSchema(
        (5, 5), "float", batch_norm_shape, {"epsilon": Attribute("float", required=False, default=1e-5)}
    ),
    **{name: DigitalOpSchema((2, 2), "same", broadcast_shape) for name in ("add", "sub", "mul", "div")},
    "pow": DigitalOpSchema((2, 2), "float", broadcast_shape),
    **{name: DigitalOpSchema((2, 2), "same", broadcast_shape) for name in ("greater", "greater_equal")},
    **{name: _unary("any") for name in ("relu", "neg", "abs", "sign", "cast", "bipolar")},
    **{name: _unary("float") for name in ("sqrt", "erf", "sigmoid")},
    "clamp": _unary("integer", _BOUNDS),
    "clip": _unary("float", {"low": Attribute("float"), "high": Attribute("float")}),
    "round": _unary("float", _MODE),
    **{name: DigitalOpSchema((1, 1), "float", softmax_shape, _AXIS) for name in ("softmax", "log_softmax")},
    "quantize": DigitalOpSchema(
        (3, 3),
        "any",
        first_shape,
        {**_BOUNDS, **_MODE, "zero_point_inside": Attribute("flag", required=False, default=False)},
    ),
    "dequantize": DigitalOpSchema((3, 3), "any", first_shape),
    "threshold": DigitalOpSchema((2, 3), "any", threshold_shape, {"low": Attribute("int", required=False, default=0)}),
    "requantize": DigitalOpSchema(
        (4, 4),
        "integer",
        first_shape,
        {**_OPTIONAL_BOUNDS, "mode": Attribute("choice", required=False, default="floor", choices=ROUNDINGS)},
    ),
    "reshape": DigitalOpSchema((1, 1), "any", reshape_shape),
    "transpose": DigitalOpSchema((1, 1), "any", transpose_shape, {"permutation": Attribute("ints", low=0, high=8)}),
    "concat": DigitalOpSchema(
        (1, 1 << 16), "same", concat_shape, {"axis": Attribute("int", required=False, default=1, low=1, high=8)}
    ),
    "pad": DigitalOpSchema(
        (1, 1),
        "any",
        pad_shape,
        {
            "pads": Attribute("ints", low=0, high=_MAX_SIZE),
            "value": Attribute("int", required=False, default=0),
        },
    ),
    "slice": DigitalOpSchema(
        (1, 1),
        "any",
        slice_shape,
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
        depth_to_space_shape,
        {
            "block": Attribute("int", low=1, high=_MAX_SIZE),
            "column_row_depth": Attribute("int", required=False, default=0, low=0, high=1),
        },
    ),
    "reduce_mean": DigitalOpSchema((1, 1), "float", reduce_mean_shape, {"axes": Attribute("ints", low=1, high=8)}),
    "top_k": DigitalOpSchema(
        (1, 1),
        "any",
        top_k_shape,
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
        return elements * prod(integers_of(attributes, "kernel"))
    if op == "threshold":
        # Thresholds ascend: a binary search finds the level.
        return elements * shapes[1][1].bit_length()
    if op in ("reduce_mean", "top_k"):
        return prod(shapes[0][1:])
    return elements
