"""The `.imcp` file: a safetensors container, written byte for byte deterministically and read without trust.

Layout and limits: `docs/instruction-stream.md`, section 7. This module knows names, types and sizes of arrays and the
content hash; what the arrays mean is checked by `imcflow.runtime.loader`. A file is read into memory and not mapped:
what was checked must be what runs, even if somebody rewrites the file meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.header import encode_header
from imcflow.runtime.json_fields import parse_json, shown
from imcflow.runtime.limits import MAX_AXES, MAX_FILE_BYTES, MAX_FILE_HEADER_BYTES, MAX_FILE_TENSORS
from imcflow.runtime.output_file import written_whole
from imcflow.runtime.pipeline.codec import dataflow_arrays
from imcflow.runtime.program import FORMAT_VERSION, ApKernel, CrossbarKernel, Program
from imcflow.runtime.schedule.table import TASKS_ARRAY, task_rows

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

FORMAT_NAME = "imcflow.program"
HEADER_TENSOR = "header"
_ALIGNMENT = 64

DTYPE_NAMES: dict[str, str] = {
    "I64": "<i8",
    "U64": "<u8",
    "F64": "<f8",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "I16": "<i2",
    "U16": "<u2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAME_OF_DTYPE = {numpy_name: name for name, numpy_name in DTYPE_NAMES.items()}


@dataclass(frozen=True)
class Container:
    """The arrays of a file by name, and the content hash they were found to have."""

    arrays: Mapping[str, Array]
    content_hash: str


def program_arrays(program: Program) -> dict[str, Array]:
    """Return every array of the container of `program`, the JSON header included, by name.

    Raises:
        ProgramError: a constant has a type, or the header a value, that the container does not store.
    """
    try:
        header = json.dumps(
            encode_header(program), ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ProgramError(f"program '{program.name}': header cannot be written as JSON: {error}") from error
    arrays: dict[str, Array] = {HEADER_TENSOR: np.frombuffer(header, dtype=np.uint8)}
    for index, step in enumerate(program.steps):
        if isinstance(step, CrossbarKernel):
            arrays[f"step.{index}.weights"] = step.weights
            arrays[f"step.{index}.bias"] = step.bias
        if isinstance(step, ApKernel | CrossbarKernel):
            rows = np.ascontiguousarray(step.instructions)
            arrays[f"step.{index}.instructions"] = rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
            arrays[f"step.{index}.step_thresholds"] = step.step_thresholds
            arrays[f"step.{index}.step_low"] = step.step_low
            arrays[f"step.{index}.step_descending"] = step.step_descending
    if program.schedule is not None:
        arrays[TASKS_ARRAY] = task_rows(program.schedule.tasks)
    if program.dataflow is not None:
        arrays |= dataflow_arrays(program.dataflow)
    for name, value in program.constants.items():
        arrays[f"constant.{name}"] = value
    return {name: _stored(name, value) for name, value in arrays.items()}


def _stored(name: str, value: Array) -> Array:
    little = value.dtype.newbyteorder("<").str
    if little not in _NAME_OF_DTYPE:
        raise ProgramError(f"array '{name}': type {value.dtype} cannot be stored; allowed: {', '.join(DTYPE_NAMES)}")
    return value.astype(little, order="C", copy=False) if value.ndim else value.astype(little)


def arrays_hash(arrays: Mapping[str, Array]) -> str:
    """Return "sha256:<hex>" over names, types, shapes and bytes of the arrays, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        value = arrays[name]
        digest.update(f"{name} {_NAME_OF_DTYPE[value.dtype.str]} {list(value.shape)}\n".encode())
        digest.update(_bytes_of(value).data)
    return f"sha256:{digest.hexdigest()}"


def content_hash(program: Program) -> str:
    """Return the content hash of `program`; equal programs and only they have equal hashes."""
    return arrays_hash(program_arrays(program))


def program_bytes(program: Program) -> bytes:
    """Return the bytes of the `.imcp` file of `program`."""
    head, arrays = _file_parts(program)
    return b"".join([head, *(_bytes_of(value).tobytes() for value in arrays)])


def write_program(program: Program, path: str | os.PathLike[str]) -> str:
    """Write `program` to `path` and return its content hash.

    The file appears complete or not at all: it is written beside its place and renamed.

    Raises:
        ProgramError: the path cannot be written.
    """
    destination = Path(path)
    head, arrays = _file_parts(program)
    try:
        with written_whole(destination) as temporary, temporary.open("wb") as stream:
            stream.write(head)
            for value in arrays:
                stream.write(_bytes_of(value).data)
    except OSError as error:
        raise ProgramError(f"{destination}: {error.strerror or error}") from error
    return cast(str, json.loads(head[8:])["__metadata__"]["content_hash"])


def _file_parts(program: Program) -> tuple[bytes, list[Array]]:
    arrays = program_arrays(program)
    # Widest types first keeps every array aligned to its type without gaps; instruction rows come before other bytes.
    order = sorted(arrays, key=lambda name: (-_alignment_of(arrays[name]), name))
    entries: dict[str, object] = {
        "__metadata__": {
            "content_hash": arrays_hash(arrays),
            "format": FORMAT_NAME,
            "format_version": str(program.format_version),
        }
    }
    offset = 0
    for name in order:
        value = arrays[name]
        entries[name] = {
            "data_offsets": [offset, offset + value.nbytes],
            "dtype": _NAME_OF_DTYPE[value.dtype.str],
            "shape": list(value.shape),
        }
        offset += value.nbytes
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text, [arrays[name] for name in order]


def _alignment_of(value: Array) -> int:
    return 32 if value.ndim == 2 and value.shape[1] == 32 and value.itemsize == 1 else value.itemsize


def _bytes_of(value: Array) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.ascontiguousarray(value).reshape(-1).view(np.uint8)


def read_container(path: str | os.PathLike[str]) -> Container:
    """Read a container and verify its layout, format, version and content hash.

    Raises:
        ProgramError: the file is missing, unreadable, damaged, of another format or of a newer version.
    """
    place = os.fspath(path)
    try:
        with open(place, "rb", opener=_open_without_blocking) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ProgramError(f"{place}: not a regular file")
            return _read(place, stream, status.st_size)
    except OSError as error:
        raise ProgramError(f"{place}: cannot be read: {error.strerror or error}") from error


def _open_without_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read(place: str, stream: BufferedReader, size: int) -> Container:
    if size < 8:
        raise ProgramError(f"{place}: {size} bytes are too few for a program file")
    if size > MAX_FILE_BYTES:
        raise ProgramError(f"{place}: {size} bytes exceed the limit of {MAX_FILE_BYTES}")
    header_bytes = int.from_bytes(stream.read(8), "little")
    if header_bytes > min(MAX_FILE_HEADER_BYTES, size - 8):
        limit = min(MAX_FILE_HEADER_BYTES, size - 8)
        raise ProgramError(f"{place}: not a program file, or damaged: header length {header_bytes} exceeds {limit}")
    header = parse_json(stream.read(header_bytes), f"{place}: file header")
    entries, recorded = _file_header(place, header)
    spans = _spans(place, entries, size - 8 - header_bytes)
    data = np.empty(size - 8 - header_bytes, dtype=np.uint8)
    if stream.readinto(data.data) != len(data):
        raise ProgramError(f"{place}: the file became shorter while it was read")
    data.flags.writeable = False
    arrays: dict[str, Array] = {
        name: data[start:stop].view(dtype).reshape(shape) for name, (start, stop, dtype, shape) in spans.items()
    }
    found = arrays_hash(arrays)
    if found != recorded:
        raise ProgramError(f"{place}: damaged: content hash is {found}, the file records {recorded[:80]!r}")
    return Container(arrays, found)


def _file_header(place: str, header: object) -> tuple[dict[str, object], str]:
    if not isinstance(header, dict):
        raise ProgramError(f"{place}: file header is no JSON object")
    entries = cast(dict[str, object], header)
    metadata = entries.pop("__metadata__", None)
    if not isinstance(metadata, dict):
        raise ProgramError(f"{place}: not an imcflow program: the file header has no metadata")
    fields = cast(dict[str, object], metadata)
    if fields.get("format") != FORMAT_NAME:
        raise ProgramError(f"{place}: not an imcflow program: format is {shown(fields.get('format'))}")
    version = fields.get("format_version")
    if version != str(FORMAT_VERSION):
        if isinstance(version, str) and version.isascii() and version.isdigit() and len(version) < 10:
            newer = int(version) > FORMAT_VERSION
            hint = "made by a newer imcflow; upgrade imcflow to read it" if newer else "no longer supported; recompile"
            raise ProgramError(f"{place}: format version {version} is {hint} (this one reads {FORMAT_VERSION})")
        raise ProgramError(f"{place}: format_version {shown(version)} is no version number")
    recorded = fields.get("content_hash")
    if not isinstance(recorded, str):
        raise ProgramError(f"{place}: content_hash is missing")
    if set(fields) != {"format", "format_version", "content_hash"}:
        raise ProgramError(f"{place}: file metadata has unknown keys")
    if len(entries) > MAX_FILE_TENSORS:
        raise ProgramError(f"{place}: {len(entries)} arrays exceed the limit of {MAX_FILE_TENSORS}")
    return entries, recorded


def _spans(place: str, entries: Mapping[str, object], size: int) -> dict[str, tuple[int, int, str, tuple[int, ...]]]:
    """Return start, stop, numpy type and shape of every array; together they cover `size` bytes without overlap."""
    spans: dict[str, tuple[int, int, str, tuple[int, ...]]] = {}
    for name, entry in entries.items():
        where = f"{place}: array {shown(name)}"
        if not isinstance(entry, dict):
            raise ProgramError(f"{where}: entry is no JSON object")
        fields = cast(dict[str, object], entry)
        if set(fields) != {"dtype", "shape", "data_offsets"}:
            raise ProgramError(f"{where}: keys must be dtype, shape and data_offsets")
        dtype = fields["dtype"]
        if not isinstance(dtype, str) or dtype not in DTYPE_NAMES:
            raise ProgramError(f"{where}: dtype {shown(dtype)} is not one of {', '.join(DTYPE_NAMES)}")
        shape = _sizes(fields["shape"], f"{where}: shape", MAX_FILE_BYTES)
        offsets = _sizes(fields["data_offsets"], f"{where}: data_offsets", size)
        if len(shape) > MAX_AXES:
            raise ProgramError(f"{where}: shape has {len(shape)} axes, at most {MAX_AXES} are allowed")
        if len(offsets) != 2 or offsets[0] > offsets[1]:
            raise ProgramError(f"{where}: data_offsets must be a start and an end")
        expected = prod(shape) * np.dtype(DTYPE_NAMES[dtype]).itemsize
        if expected != offsets[1] - offsets[0]:
            raise ProgramError(
                f"{where}: shape {list(shape)} of {dtype} needs {expected} bytes, data_offsets give "
                f"{offsets[1] - offsets[0]}"
            )
        spans[name] = (offsets[0], offsets[1], DTYPE_NAMES[dtype], shape)
    position = 0
    for name, (start, stop, _, _) in sorted(spans.items(), key=lambda item: item[1][:2]):
        if start != position:
            raise ProgramError(f"{place}: array {shown(name)}: data starts at byte {start}, expected {position}")
        position = stop
    if position != size:
        raise ProgramError(f"{place}: damaged or truncated: arrays need {position} bytes, the file holds {size}")
    return spans


def _sizes(value: object, where: str, limit: int) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise ProgramError(f"{where} is no list")
    sizes = cast(list[object], value)
    for size in sizes:
        if type(size) is not int or not 0 <= size <= limit:
            raise ProgramError(f"{where}: {shown(size)} is not an integer from 0 to {limit}")
    return cast(tuple[int, ...], tuple(sizes))
