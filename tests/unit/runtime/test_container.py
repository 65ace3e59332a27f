"""The `.imcp` file: round trip, determinism, foreign readers, and damage."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from imcflow.errors import ProgramError
from imcflow.runtime.container import content_hash, program_bytes, write_program
from imcflow.runtime.loader import load_program
from imcflow.runtime.program import Program

MUTATIONS = 1000


def test_a_program_survives_the_file(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "a.imcp"
    recorded = write_program(program, path)
    loaded = load_program(path)
    assert recorded == content_hash(program) == content_hash(loaded)
    assert dataclasses.asdict(loaded.target) == dataclasses.asdict(program.target)
    assert (loaded.tensors, loaded.inputs, loaded.outputs) == (program.tensors, program.inputs, program.outputs)
    assert (loaded.name, loaded.pipeline, loaded.metadata) == (program.name, program.pipeline, program.metadata)
    before, after = program.kernels[0], loaded.kernels[0]
    assert (after.inputs, after.outputs, after.regions) == (before.inputs, before.outputs, before.regions)
    np.testing.assert_array_equal(after.instructions, before.instructions)
    np.testing.assert_array_equal(after.step_thresholds, before.step_thresholds)
    assert loaded.steps[1:] == program.steps[1:]
    assert loaded.constants.keys() == program.constants.keys()
    for name, value in program.constants.items():
        assert loaded.constants[name].dtype == value.dtype
        np.testing.assert_array_equal(loaded.constants[name], value)


def test_the_number_of_ports_survives_the_file(program: Program, tmp_path: Path) -> None:
    two = dataclasses.replace(program, target=dataclasses.replace(program.target, ports=2))
    write_program(two, tmp_path / "two.imcp")
    assert load_program(tmp_path / "two.imcp").target.ports == 2
    assert content_hash(two) != content_hash(program)


def test_the_same_program_gives_the_same_bytes(program: Program, tmp_path: Path) -> None:
    reordered = dataclasses.replace(
        program,
        constants=dict(reversed(program.constants.items())),
        metadata=dict(reversed(program.metadata.items())),
    )
    assert program_bytes(program) == program_bytes(reordered)
    write_program(program, tmp_path / "a.imcp")
    assert (tmp_path / "a.imcp").read_bytes() == program_bytes(program)
    write_program(load_program(tmp_path / "a.imcp"), tmp_path / "b.imcp")
    assert (tmp_path / "b.imcp").read_bytes() == program_bytes(program)


def test_another_program_has_another_hash(program: Program) -> None:
    seen = {content_hash(program)}
    instructions = program.kernels[0].instructions.copy()
    instructions["imm"][4] += 1
    kernel = dataclasses.replace(program.kernels[0], instructions=instructions)
    for other in (
        dataclasses.replace(program, name="other"),
        dataclasses.replace(program, steps=(kernel, *program.steps[1:])),
        dataclasses.replace(program, constants={**program.constants, "zero": np.array(1, dtype=np.int8)}),
        dataclasses.replace(program, constants={**program.constants, "zero": np.array(0, dtype=np.int16)}),
    ):
        assert content_hash(other) not in seen
        seen.add(content_hash(other))


def test_safetensors_reads_the_file(program: Program, tmp_path: Path) -> None:
    write_program(program, tmp_path / "a.imcp")
    arrays = load_file(tmp_path / "a.imcp")
    assert json.loads(arrays["header"].tobytes())["name"] == "sample"
    assert arrays["step.0.instructions"].tobytes() == program.kernels[0].instructions.tobytes()
    np.testing.assert_array_equal(arrays["constant.fc.weights"], program.constants["fc.weights"])


def test_arrays_lie_aligned_and_cannot_be_written(program: Program, tmp_path: Path) -> None:
    data = program_bytes(program)
    head = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + head])
    start = 8 + head
    assert (start + entries["step.0.instructions"]["data_offsets"][0]) % 32 == 0
    assert (start + entries["step.0.step_thresholds"]["data_offsets"][0]) % 8 == 0
    write_program(program, tmp_path / "a.imcp")
    with pytest.raises(ValueError, match="read-only"):
        load_program(tmp_path / "a.imcp").kernels[0].instructions["imm"][0] = 1


def test_a_failed_write_leaves_nothing(program: Program, tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"nowhere.*cannot be written"):
        write_program(program, tmp_path / "nowhere" / "a.imcp")
    wrong = dataclasses.replace(program, constants={"x": np.array([1j])})
    with pytest.raises(ProgramError, match=r"constant\.x.*complex128"):
        write_program(wrong, tmp_path / "a.imcp")
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_is_no_json_is_refused_when_writing(program: Program, tmp_path: Path) -> None:
    wrong = dataclasses.replace(program, steps=(dataclasses.replace(program.steps[1], attributes={"x": float("nan")}),))
    with pytest.raises(ProgramError, match="cannot be written as JSON"):
        write_program(wrong, tmp_path / "a.imcp")


def test_missing_and_odd_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"nothing\.imcp: cannot be read: No such file"):
        load_program(tmp_path / "nothing.imcp")
    with pytest.raises(ProgramError, match=r"cannot be read|not a regular file"):
        load_program(tmp_path)
    os.mkfifo(tmp_path / "pipe.imcp")
    with pytest.raises(ProgramError, match="not a regular file"):
        load_program(tmp_path / "pipe.imcp")


def test_a_version_from_the_future_gets_its_own_message(program: Program, tmp_path: Path) -> None:
    write_program(dataclasses.replace(program, format_version=7), tmp_path / "a.imcp")
    with pytest.raises(ProgramError, match=r"format version 7 is made by a newer imcflow; upgrade imcflow"):
        load_program(tmp_path / "a.imcp")


def _file(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


_META = '"__metadata__":{"format":"imcflow.program","format_version":"1","content_hash":"sha256:0"}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes are too few"),
        (b"PK\x03\x04 not a program", "header length"),
        ((1 << 60).to_bytes(8, "little") + b"{}", "header length"),
        (_file(b"\xff\xfe"), "no UTF-8"),
        (_file(b"{"), "no valid JSON"),
        (_file(b"[" * 100_000), "nested too deeply"),
        (_file(b"[]"), "no JSON object"),
        (_file(b"{}"), "no metadata"),
        (_file(b'{"__metadata__":{"format":"pt"}}'), "format is 'pt'"),
        (_file(b'{"__metadata__":{"format":"imcflow.program","format_version":"one"}}'), "no version number"),
        (_file(b'{"__metadata__":{"format":"imcflow.program","format_version":"0"}}'), "no longer supported"),
        (_file(b'{"__metadata__":{"format":"imcflow.program","format_version":"1"}}'), "content_hash is missing"),
        (_file(b'{"a":1,"a":2}'), "twice"),
        (_file(b'{"a":NaN}'), "NaN"),
        (_file(b'{"a":1' + b"0" * 5000 + b"}"), "no valid JSON"),
        (_file(f'{{{_META},"a":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}'.encode()), "data_offsets"),
        (_file(f'{{{_META},"a":{{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}}}'.encode(), b"x"), "needs 2 bytes"),
        (_file(f'{{{_META},"a":{{"dtype":"Q4","shape":[1],"data_offsets":[0,1]}}}}'.encode(), b"x"), "dtype 'Q4'"),
        (_file(f'{{{_META},"a":{{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}}}'.encode(), b"x"), "shape"),
        (
            _file(
                f'{{{_META},"a":{{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1]}}}}'.encode(), b"x"
            ),
            "needs 18446744073709551616 bytes",
        ),
        (_file(f'{{{_META},"a":{{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}}}'.encode(), b"xy"), "expected 0"),
        (_file(f'{{{_META},"a":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}'.encode(), b"xy"), "file holds 2"),
        (_file(f'{{{_META},"a":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}'.encode(), b"x"), "content hash"),
    ],
)
def test_hostile_files_get_a_message(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.imcp"
    path.write_bytes(content)
    with pytest.raises(ProgramError, match=message) as caught:
        load_program(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_an_array_without_a_place_is_refused(program: Program, tmp_path: Path) -> None:
    arrays = dict(program.constants)
    write_program(dataclasses.replace(program, constants={**arrays, "left over": arrays["zero"]}), tmp_path / "a.imcp")
    assert "left over" in load_program(tmp_path / "a.imcp").constants
    data = program_bytes(program).replace(b"constant.zero", b"constint.zero")
    (tmp_path / "b.imcp").write_bytes(data)
    with pytest.raises(ProgramError, match="content hash"):
        load_program(tmp_path / "b.imcp")


@pytest.mark.parametrize("seed", range(10))
def test_random_damage_is_refused_or_changes_nothing(seed: int, program: Program, tmp_path: Path) -> None:
    data = program_bytes(program)
    wanted = content_hash(program)
    path = tmp_path / "mutated.imcp"
    random = np.random.default_rng(seed)
    head = int.from_bytes(data[:8], "little")
    for index in range(MUTATIONS // 10):
        mutated = bytearray(data)
        # Half of the mutations hit the headers, where the structure is.
        limit = len(data) if index % 2 else 8 + head
        for _ in range(int(random.integers(1, 4))):
            mutated[int(random.integers(limit))] = int(random.integers(256))
        if index % 10 == 9:
            del mutated[int(random.integers(len(mutated))) :]
        path.write_bytes(mutated)
        refusal, loaded = _load(path)
        if loaded is None:
            assert refusal.isprintable()
        else:
            assert content_hash(loaded) == wanted


def _load(path: Path) -> tuple[str, Program | None]:
    try:
        return "", load_program(path)
    except ProgramError as error:
        return error.message, None
