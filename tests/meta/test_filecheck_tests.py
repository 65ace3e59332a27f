"""Every FileCheck test executes its checks, and the machinery that says so notices when one does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from filecheck_lint import problems
from filecheck_runner import FileCheckError, check, run_lines

FILES = sorted((Path(__file__).parent.parent / "filecheck").rglob("*.mlir"))
RUN = "// RUN: imc-opt %s | filecheck %s\n"
BODY = '"test.op"() : () -> ()\n'


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_check_line_is_executed(path: Path):
    assert list(problems(path)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("// CHECK: x\n", "has no RUN line"),
        ("// RUN: imc-opt %s\n// CHECK: x\n", "no RUN line executes its CHECK lines"),
        ("// RUN: imc-opt %s\n", "no RUN line checks anything"),
        (RUN + "// CHECK: x\n// UNROLL: y\n", "no RUN line executes its UNROLL lines"),
        (RUN + "// CHECK: x\n// CHECK-NXT: y\n", "no RUN line executes its CHECK-NXT lines"),
        (RUN.replace("filecheck %s", "filecheck %s --check-prefix=A") + "// CHECK: x\n", "names prefix A"),
        (RUN + "// CHECK-NOT: x\n", "has only NOT lines"),
        (RUN + "// CHECK: x\n// XFAIL: *\n", "only lit understands"),
        (RUN.replace("filecheck %s", "filecheck other.txt") + "// CHECK: x\n", "another file"),
        (RUN.replace("filecheck", "not filecheck") + "// CHECK: x\n", "expects filecheck itself to fail"),
        (RUN.replace("imc-opt", "mlir-opt") + "// CHECK: x\n", "unknown program"),
    ],
)
def test_a_test_that_checks_nothing_is_found(text: str, expected: str, tmp_path: Path):
    path = tmp_path / "test.mlir"
    path.write_text(text + BODY)
    assert any(expected in problem for problem in problems(path))


@pytest.mark.parametrize(
    "text",
    [
        RUN + "// CHECK: test.op\n",
        RUN + "// CHECK-NOT: x\n// CHECK-NEXT{LITERAL}: y\n",
        "// RUN: not imc-opt %s\n",
        "// RUN: imc-opt %s \\\n// RUN:   | filecheck %s --check-prefixes=A,B\n// A: x\n// B-LABEL: y\n",
        "// RUN: IMC_ROUNDTRIP\n// CHECK-COUNT-2: x\n",
    ],
)
def test_a_good_test_is_accepted(text: str, tmp_path: Path):
    path = tmp_path / "test.mlir"
    path.write_text(text + BODY)
    assert list(problems(path)) == []


def run_all(path: Path) -> None:
    for line in run_lines(path):
        check(line, path, path.with_suffix(".scratch.mlir"))


@pytest.mark.parametrize(
    "text",
    [
        RUN + "// CHECK: test.op\n" + BODY,
        "// RUN: not imc-opt %s 2>&1 | filecheck %s\n// CHECK: error\nnonsense\n",
        "// RUN: imc-opt %s > %t && imc-opt %t | filecheck %s\n// CHECK: test.op\n" + BODY,
        "// RUN: IMC_ROUNDTRIP\n// CHECK: test.op\n" + BODY + "// -----\n// CHECK: test.op\n" + BODY,
        "// RUN: imc-opt %s -p 'cse,canonicalize' | filecheck %s\n// CHECK: test.op\n" + BODY,
    ],
)
def test_the_runner_passes_what_holds(text: str, tmp_path: Path):
    path = tmp_path / "test.mlir"
    path.write_text(text)
    run_all(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RUN + "// CHECK: other.op\n" + BODY, "filecheck"),
        (RUN + "// CHECK: test.op\nnonsense\n", "status 1, expected status 0"),
        ("// RUN: not imc-opt %s\n" + BODY, "status 0, expected failure"),
        (RUN + "// CHECK: x\n// --disable-verify\n" + BODY, "not allowed"),
        ("// RUN: rm %s\n" + BODY, "unknown program"),
    ],
)
def test_the_runner_reports_what_does_not_hold(text: str, expected: str, tmp_path: Path):
    path = tmp_path / "test.mlir"
    path.write_text(text)
    with pytest.raises(FileCheckError, match=expected):
        run_all(path)
