"""What the loader refuses of a dataflow, and that files keep it."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pipelined import small_program
from safetensors.numpy import save

from imcflow.errors import ImcflowError, ProgramError
from imcflow.runtime.container import arrays_hash, content_hash, program_arrays, write_program
from imcflow.runtime.loader import check_program, load_program
from imcflow.runtime.pipeline.execute import run_pipelined
from imcflow.runtime.pipeline.isa import CORE_INSTRUCTION_FIELDS, CoreOpcode
from imcflow.runtime.program import Program

Header = dict[str, Any]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return small_program(tmp_path_factory.mktemp("small"))


def write_with_header(program: Program, path: Path, change: Callable[[Header], None]) -> Path:
    """Write the program with a changed header and a hash that fits it."""
    arrays = dict(program_arrays(program))
    header: Header = json.loads(arrays["header"].tobytes())
    change(header["dataflow"])
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return _written(arrays, path)


def _written(arrays: dict[str, np.ndarray], path: Path) -> Path:
    metadata = {"format": "imcflow.program", "format_version": "1", "content_hash": arrays_hash(arrays)}
    path.write_bytes(save(arrays, metadata))
    return path


def test_a_file_keeps_the_dataflow(program: Program, tmp_path: Path):
    path = tmp_path / "p.imcp"
    write_program(program, path)
    again = load_program(path)
    assert content_hash(again) == content_hash(program)
    assert again.dataflow is not None
    assert program.dataflow is not None
    assert again.dataflow.channels == program.dataflow.channels
    assert content_hash(replace(program, dataflow=None)) != content_hash(program)


HEADERS: dict[str, tuple[Callable[[Header], None], str]] = {
    "no cores": (lambda d: d.update(cores=[]), "array 'core.0.instructions' belongs to no step"),
    "no sites": (lambda d: d.update(sites=0), "sites must be an integer from 1"),
    "more sites than macros": (lambda d: d.update(sites=65), "1040 crossbars on 65 sites, the target has 1024"),
    "unknown key": (lambda d: d.update(speed=3), "unknown field 'speed'"),
    "copies": (lambda d: d["cores"][1].update(copies=0), "copies must be an integer from 1"),
    "too many copies": (lambda d: d["cores"][1].update(copies=17), "needs 17 crossbars, its 1 sites have 16"),
    "site twice": (lambda d: d["cores"][2].update(sites=d["cores"][1]["sites"]), "is taken by core 1"),
    "site outside": (lambda d: d["cores"][2].update(sites=[64]), "site 64 does not exist; there are 64"),
    "other site": (lambda d: d["cores"][2].update(sites=[63]), "which is at none of the core's sites"),
    "crossbars": (lambda d: d["cores"][1].update(crossbars=2), "crossbars is 2, its steps hold weights in 1"),
    "core missing": (lambda d: d["cores"].pop(), "array 'core.5.instructions' belongs to no step"),
    "tensor": (lambda d: d["channels"][0].update(tensor=99), "tensor 99 does not exist; there are 9"),
    "other tensor": (lambda d: d["channels"][0].update(tensor=1), "reads tensor 0, no channel brings it"),
    "producer": (lambda d: d["channels"][0].update(producer=9), "producer 9 does not exist; there are 6 cores"),
    "backwards": (lambda d: d["channels"][1].update(consumer=1), "is neither the host"),
    "to another core": (lambda d: d["channels"][1].update(consumer=3), "core 2 'second': receives channel 1, whose"),
    "slots": (lambda d: d["channels"][0].update(slots=0), "0 slots of 2 values; needs 1"),
    "huge slots": (lambda d: d["channels"][0].update(slots=1 << 26), "slots of 2 values; needs 1"),
    "window": (lambda d: d["channels"][0].update(size=[2, 3]), "no channel brings it with that window"),
    "padding": (lambda d: d["channels"][0].update(pads=[3, 1]), "padding 3 covers no pixel"),
    "stride": (lambda d: d["channels"][0].update(strides=[9, 1]), "no channel brings it with that window"),
    "host slots": (lambda d: d["channels"][-1].update(slots=3), "leads to the host, so slots"),
    "no output": (lambda d: d["channels"][-1].update(consumer=5), "is neither the host"),
    "prediction": (lambda d: d["prediction"].update(images=0), "images must be an integer from 1"),
    "unknown handshake": (lambda d: d["channels"][0].update(handshake="map"), "handshake must be pixel, row, image"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_wrong_headers_are_named(case: str, program: Program, tmp_path: Path):
    change, message = HEADERS[case]
    path = write_with_header(program, tmp_path / "p.imcp", change)
    with pytest.raises(ProgramError) as error:
        load_program(path)
    assert message in error.value.message
    assert "\n" not in error.value.message


def with_rows(program: Program, core: int, change: Callable[[np.ndarray], np.ndarray]) -> Program:
    dataflow = program.dataflow
    assert dataflow is not None
    chosen = list(dataflow.cores)
    chosen[core] = replace(chosen[core], instructions=change(chosen[core].instructions.copy()))
    return replace(program, dataflow=replace(dataflow, cores=tuple(chosen)))


def edited(row: int, **fields: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(rows: np.ndarray) -> np.ndarray:
        for name, value in fields.items():
            rows[name][row] = value
        return rows

    return change


STREAMS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray], str]] = {
    "unknown opcode": (1, edited(3, opcode=99), "instruction 3: opcode 99 is unknown"),
    "stray field": (1, edited(0, channel=1), r"instruction 0 \(LOOP\): field channel must be 0, got 1"),
    "empty": (1, lambda rows: rows[:0], "not three loops around"),
    "no end": (1, lambda rows: rows[:-1], "not three loops around"),
    "order": (1, lambda rows: rows[[0, 1, 2, 4, 3, *range(5, len(rows))]], "not three loops around"),
    "image count": (1, edited(0, count=3), "needs 0 for the images"),
    "no rows": (1, edited(1, count=0), "needs 0 for the images"),
    "other map": (1, edited(1, count=5), "gives a map other than 5 x 5"),
    "unknown channel": (0, edited(-4, channel=77), "SEND and WAIT must name the same channels"),
    "step": (1, edited(4, step=77), "computes step 77, there are 8"),
    "step of another core": (1, edited(4, step=2), "reads tensor 2, no channel brings it|computed twice"),
    "silent": (5, lambda rows: rows[rows["opcode"] != CoreOpcode.SEND], "must name the same channels"),
}


@pytest.mark.parametrize("case", STREAMS)
def test_wrong_streams_are_named(case: str, program: Program):
    core, change, message = STREAMS[case]
    with pytest.raises(ProgramError, match=message):
        check_program(with_rows(program, core, change))


def test_mutated_dataflows_are_refused_or_run_to_an_end(program: Program, tmp_path: Path):
    """No crash, no hang, no foreign exception, whatever number of header or streams is changed."""
    random = np.random.default_rng(8)
    images = {"x": random.integers(-8, 8, (2, 2, 6, 5)).astype(np.int8)}
    arrays = program_arrays(program)
    header: Header = json.loads(arrays["header"].tobytes())
    streams = [name for name in arrays if name.startswith("core.")]
    ran = 0
    for number in range(100):
        trial = {name: value.copy() for name, value in arrays.items()}
        changed = copy.deepcopy(header)
        if number % 2:
            entry = changed["dataflow"]["channels" if random.random() < 0.6 else "cores"]
            fields = entry[int(random.integers(len(entry)))]
            key = str(random.choice([key for key, value in fields.items() if isinstance(value, int | list)]))
            value = int(random.integers(-2, 40))
            fields[key] = [value, 1] if isinstance(fields[key], list) else value
        else:
            rows = trial[str(random.choice(streams))].view("<u4")
            rows[int(random.integers(len(rows))), int(random.integers(len(CORE_INSTRUCTION_FIELDS)))] = int(
                random.integers(12)
            )
        trial["header"] = np.frombuffer(json.dumps(changed).encode(), np.uint8)
        path = _written(trial, tmp_path / "mutated.imcp")
        with contextlib.suppress(ImcflowError):
            run_pipelined(load_program(path), images)
            ran += 1
    assert ran > 5
