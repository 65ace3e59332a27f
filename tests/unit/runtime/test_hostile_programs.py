"""Mutated programs with a valid hash: what the loader lets through runs without a crash, alike in both fidelities."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from imcflow.errors import ImcflowError, ProgramError
from imcflow.runtime.container import arrays_hash, program_arrays
from imcflow.runtime.counters import count_program
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.isa import INSTRUCTION_FIELDS
from imcflow.runtime.loader import check_program, load_program
from imcflow.runtime.program import Json, Program

FIELDS = [name for name, _ in INSTRUCTION_FIELDS]
Path_ = tuple[str | int, ...]


def inputs(random: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "input": random.integers(0, 16, (3, 2, 4, 4)).astype(np.float32),
        "bias": random.integers(-8, 8, (3, 1, 2, 2)).astype(np.int8),
    }


def accepted(program: Program) -> bool:
    try:
        check_program(program)
    except ProgramError:
        return False
    return True


def mutated_instructions(program: Program, random: np.random.Generator) -> Program:
    table = program.kernels[0].instructions.copy()
    for _ in range(int(random.integers(1, 3))):
        row, field = int(random.integers(len(table))), FIELDS[int(random.integers(len(FIELDS)))]
        limit = np.iinfo(table.dtype[field]).max
        values = (
            int(table[row][field]) ^ 1 << int(random.integers(8)),
            int(random.integers(64)),
            int(table[int(random.integers(len(table)))][field]),
        )
        table[row][field] = values[int(random.integers(3))] & limit
    kernel = dataclasses.replace(program.kernels[0], instructions=table)
    return dataclasses.replace(program, steps=(kernel, *program.steps[1:]))


@pytest.mark.parametrize("seed", range(4))
def test_accepted_instructions_run_alike_in_both_fidelities(seed: int, program: Program) -> None:
    random = np.random.default_rng(seed)
    arrays = inputs(random)
    tried = 0
    for _ in range(120):
        mutant = mutated_instructions(program, random)
        if not accepted(mutant):
            continue
        tried += 1
        word = run_program(mutant, arrays, fidelity="word", threads=1)
        micro = run_program(mutant, arrays, fidelity="micro", threads=1)
        for name, values in word.items():
            np.testing.assert_array_equal(values, micro[name])
        assert count_program(mutant).totals().instructions == len(mutant.kernels[0].instructions)
    assert tried > 5


VALUES: list[Json] = [
    *(0, 1, 2, 3, 7, 16, 63, 64, 255, -1, 65536, 2**31, 2**63, -(2**63), 2**70, 1.5),
    *(True, None, "", "si4", "f32", "ui8", "x", [], {}, [1, 2]),
    *("reshape", "add", "conv2d", "max_pool", "softmax", "top_k", "concat", "digital", "ap_kernel", "\ud800"),
]


def paths_of(value: Json, path: Path_ = ()) -> Iterator[Path_]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths_of(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths_of(item, (*path, index))


def mutated_header(header: dict[str, Json], paths: list[Path_], random: np.random.Generator) -> dict[str, Json]:
    mutant = copy.deepcopy(header)
    path = paths[int(random.integers(len(paths)))]
    parent: Json = mutant
    for key in path[:-1]:
        assert isinstance(parent, dict | list)
        parent = parent[key]  # pyright: ignore[reportCallIssue, reportArgumentType]
    action = int(random.integers(5))
    if isinstance(parent, list) and isinstance(path[-1], int) and action < 2:
        if action:
            parent.append(copy.deepcopy(parent[path[-1]]))
        else:
            del parent[path[-1]]
    else:
        parent[path[-1]] = VALUES[int(random.integers(len(VALUES)))]  # pyright: ignore
    return mutant


def write_with_header(header: dict[str, Json], arrays: dict[str, np.ndarray], path: Path) -> None:
    arrays = {**arrays, "header": np.frombuffer(json.dumps(header, sort_keys=True).encode(), np.uint8)}
    metadata = {"format": "imcflow.program", "format_version": "1", "content_hash": arrays_hash(arrays)}
    path.write_bytes(save(arrays, metadata))


def loaded(path: Path) -> Program | str:
    try:
        return load_program(path)
    except ProgramError as error:
        return error.message


def run_or_refuse(program: Program, arrays: dict[str, np.ndarray]) -> None:
    """Anything but an ImcflowError escapes and fails the test."""
    given = {port.name: arrays[port.name] for port in program.inputs if port.name in arrays}
    with contextlib.suppress(ImcflowError):
        run_program(program, given, threads=1)


def test_a_foreign_writer_gives_the_same_program(program: Program, tmp_path: Path) -> None:
    arrays = program_arrays(program)
    header = json.loads(arrays["header"].tobytes())
    write_with_header(header, arrays, tmp_path / "a.imcp")
    result = loaded(tmp_path / "a.imcp")
    assert isinstance(result, Program)
    assert result.name == "sample"


@pytest.mark.parametrize("seed", range(4))
def test_mutated_headers_are_refused_or_run(seed: int, program: Program, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    arrays = program_arrays(program)
    header = json.loads(arrays["header"].tobytes())
    paths = list(paths_of(header))
    refused = 0
    for _ in range(150):
        write_with_header(mutated_header(header, paths, random), arrays, tmp_path / "a.imcp")
        result = loaded(tmp_path / "a.imcp")
        if isinstance(result, str):
            refused += 1
            assert result.isprintable()
        else:
            run_or_refuse(result, inputs(random))
    assert refused > 75
