"""Reading of ONNX files: every damaged or incomplete file gives one clear line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imcflow.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

    from imcflow.lowering.onnx.tensors import Array


@dataclass(frozen=True)
class Source:
    """A model with its weights loaded.

    Attributes:
        name: for messages: the file name, or "the model".
        model: the protobuf message.
        sha256: of the file.
        directory: where external weights lie.
    """

    name: str
    model: ModelProto
    sha256: str
    directory: Path


def read_file(path: Path) -> Source:
    """Read a model from a file.

    Raises:
        ModelError: if the file is missing, unreadable, or no ONNX model.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a directory, expected an .onnx file") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None
    return read_bytes(data, str(path), path.parent)


TEXT_SUFFIX = ".onnxtxt"
"""Ending of files in ONNX's textual syntax."""


def read_bytes(data: bytes, name: str, directory: Path) -> Source:
    """Parse a serialised model, or ONNX's textual syntax where the name ends in `.onnxtxt`.

    Raises:
        ModelError: if the bytes are no ONNX model.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto, parser

    digest = hashlib.sha256(data).hexdigest()
    if name.endswith(TEXT_SUFFIX):
        try:
            return _checked(Source(name, parser.parse_model(data.decode("utf-8")), digest, directory))
        except (parser.ParseError, UnicodeDecodeError) as error:
            raise ModelError(f"{name}: not ONNX text: {' '.join(str(error).split())}") from None
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise ModelError(f"{name}: not an ONNX file, or truncated (its protobuf cannot be decoded)") from None
    return _checked(Source(name, model, digest, directory))


def from_model(model: ModelProto) -> Source:
    """Take a model that is in memory."""
    digest = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    return _checked(Source("the model", model, digest, Path()))


def _checked(source: Source) -> Source:
    graph = source.model.graph
    if not source.model.ir_version or not graph.output:
        raise ModelError(f"{source.name}: not an ONNX model (it holds no graph with outputs)")
    if source.model.functions:
        from onnx import inliner

        inlined = inliner.inline_local_functions(source.model)
        source = Source(source.name, inlined, source.sha256, source.directory)
        graph = inlined.graph
    if graph.sparse_initializer:
        raise ModelError(f"{source.name}: sparse initialisers are not supported")
    return source


def initialisers(source: Source) -> dict[str, Array]:
    """Return the weights by name.

    Raises:
        ModelError: if a weight lies in an external file that is missing or too short, or has a wrong size.
    """
    return {tensor.name: _array(source, tensor) for tensor in source.model.graph.initializer}


def _array(source: Source, tensor: TensorProto) -> Array:
    from onnx import TensorProto as Proto
    from onnx import numpy_helper
    from onnx.checker import ValidationError
    from onnx.external_data_helper import load_external_data_for_tensor

    try:
        if tensor.data_location == Proto.EXTERNAL:
            location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            if not (source.directory / location).is_file():
                raise ModelError(
                    f"{source.name}: the weights of '{tensor.name}' lie in the file '{location}', which is missing"
                )
            loaded = Proto()
            loaded.CopyFrom(tensor)
            load_external_data_for_tensor(loaded, str(source.directory))
            tensor = loaded
        if any(size < 0 for size in tensor.dims):
            raise ValueError(f"its shape is {list(tensor.dims)}")
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind not in "iufbV":  # V: the small types that numpy does not have
            raise ValueError(
                f"its elements are of type {Proto.DataType.Name(tensor.data_type).lower()}, not real numbers"
            )
        return array
    except (ValueError, TypeError, RuntimeError, LookupError, OSError, ValidationError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{source.name}: initialiser '{tensor.name}' cannot be read: {text}") from None


def type_name(elem_type: int) -> str:
    """Return the numpy name of an ONNX element type ("float32", "int8", ...).

    Raises:
        ValueError: if there is no such type.
    """
    from onnx import helper

    try:
        return helper.tensor_dtype_to_np_dtype(elem_type).name
    except KeyError:
        raise ValueError(f"element type {elem_type} does not exist") from None


def real_inputs(graph: GraphProto) -> list[str]:
    """Return the names of the inputs that are no initialisers (older files list those as inputs too)."""
    stored = {tensor.name for tensor in graph.initializer}
    return [value.name for value in graph.input if value.name not in stored]
