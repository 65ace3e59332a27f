"""`imc-opt`: options of our own, readable errors, output files that are complete or absent."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest

from imcflow.tools.imc_opt_main import main

VALID = '"test.op"() : () -> ()\n'
UNUSED_CONSTANT = "%0 = arith.constant 1 : i32\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.mlir"
    path.write_text(VALID)
    return path


def test_a_valid_module_is_printed(source: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(source)]) == 0
    captured = capsys.readouterr()
    assert '"test.op"() : () -> ()' in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (VALID, ["-p", "nope"], "--passes: Unrecognized passes: ['nope']"),
        (VALID, ["-p", "cse{x=1}"], '["x"] not found'),
        (VALID, ["-p", "cse{"], "--passes: Error parsing pass pipeline"),
        (VALID, ["--bogus"], "unrecognized arguments: --bogus"),
        (VALID, ["-t", "nope"], "invalid choice: 'nope'"),
        (VALID, ["-t", "mlir{x=1}"], "--target mlir{x=1}: "),
        (VALID, ["--verify-each=no"], "invalid choice: 'no'"),
        ("%0 = ", [], "in.mlir:1:"),
        ("nonsense", [], "in.mlir:1:"),
        ("\xff\xfe", [], "in.mlir"),
        ('"nope.op"() : () -> ()', [], "nope.op"),
        ('%0 = "arith.constant"() {value = 1 : i32} : () -> i64', [], "arith.constant: "),
        ("(" * 20_000, [], "in.mlir:1:1"),
    ],
)
def test_wrong_input_gives_one_line_and_status_1(
    text: str, options: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "in.mlir"
    path.write_bytes(text.encode("latin-1"))
    assert main([str(path), *options]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("imc-opt: error: ")
    assert expected in captured.err


@pytest.mark.parametrize(
    ("name", "expected"),
    [("missing.mlir", "No such file"), (".", "Is a directory"), ("in.txt", "Unrecognized file extension 'txt'")],
)
def test_an_unreadable_file_is_named(name: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "in.txt").write_text(VALID)
    path = tmp_path / name
    assert main([str(path)]) == 1
    message = capsys.readouterr().err
    assert str(path) in message
    assert expected in message


def test_the_op_that_fails_to_verify_is_named_by_its_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "in.mlir"
    path.write_text('%0 = "arith.constant"() {value = 1 : i32} : () -> i64 loc("conv1")')
    assert main([str(path)]) == 1
    assert "node 'conv1' (arith.constant): " in capsys.readouterr().err


def test_verification_can_be_switched_off(tmp_path: Path):
    path = tmp_path / "in.mlir"
    path.write_text('%0 = "arith.constant"() {value = 1 : i32} : () -> i64')
    assert main([str(path), "--verify-each=ends"]) == 1
    assert main([str(path), "--verify-each=off"]) == 0


def test_dump_ir_writes_a_replayable_file_per_step(tmp_path: Path):
    path = tmp_path / "in.mlir"
    path.write_text(UNUSED_CONSTANT + '"test.op"() : () -> () loc("conv1")\n')
    directory = tmp_path / "dump"
    assert main([str(path), "-p", "canonicalize,cse", "--dump-ir", str(directory), "-o", str(tmp_path / "out")]) == 0
    assert [file.name for file in sorted(directory.iterdir())] == [
        "00_input.mlir",
        "01_canonicalize.mlir",
        "02_cse.mlir",
    ]
    assert "arith.constant" in (directory / "00_input.mlir").read_text()
    last = (directory / "02_cse.mlir").read_text()
    assert "arith.constant" not in last
    assert 'loc("conv1")' in last
    assert main([str(directory / "00_input.mlir"), "-p", "canonicalize,cse", "-o", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again").read_text() == (tmp_path / "out").read_text()


def test_times_and_ir_between_passes_go_to_stderr(source: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(source), "-p", "canonicalize,cse", "--time-passes", "--print-between-passes"]) == 0
    captured = capsys.readouterr()
    assert re.search(r"^canonicalize: [0-9.]+ ms, CPU [0-9.]+ ms", captured.err, re.MULTILINE)
    assert "// IR after canonicalize:" in captured.err
    assert "canonicalize" not in captured.out


def test_an_output_file_is_left_alone_when_something_fails(source: Path, tmp_path: Path):
    output = tmp_path / "out.mlir"
    output.write_text("old")
    source.write_text(VALID + "garbage")
    assert main([str(source), "-o", str(output)]) == 1
    assert output.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mlir", "out.mlir"]


def test_an_output_folder_must_exist(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(source), "-o", str(tmp_path / "no" / "out.mlir")]) == 1
    assert "cannot be written: there is no folder" in capsys.readouterr().err
    assert main([str(source), "-o", str(tmp_path)]) == 1
    assert "is a directory" in capsys.readouterr().err


def test_list_passes_says_what_each_does(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exit_info:
        main(["--list-passes=all"])
    assert exit_info.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split(maxsplit=1)[0] == "canonicalize" and "canonicalization" in line for line in lines)


def test_the_collector_thresholds_are_restored(source: Path, tmp_path: Path):
    before = gc.get_threshold()
    main([str(source), "-o", str(tmp_path / "out.mlir")])
    assert gc.get_threshold() == before
