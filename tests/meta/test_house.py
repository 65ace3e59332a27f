"""The rules of the house that no tool checks: layout, sizes, directions of imports, registered passes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdsl.ir import Dialect
from xdsl.passes import ModulePass
from xdsl.utils.target import Target

from imcflow.tools.pass_docs import description
from imcflow.universe import DIALECTS, FRONTENDS, IMC_UNIVERSE, PASSES, load

REPOSITORY = Path(__file__).resolve().parents[2]
LINKS = {
    "dialect": "imc_dialect",
    "passes": "passes",
    "lowering": "lowering",
    "runtime": "runtime",
    "targets": "targets",
}
PACKAGE_FOLDERS = (*LINKS.values(), "src")
PYTHON_FOLDERS = (*PACKAGE_FOLDERS, "tests", "docs", "examples", "benchmarks")
MAXIMUM_LINES = 600

# Who may import whom, besides itself: tools -> lowering/onnx -> dialect <- passes -> lowering/isa -> runtime.
ALLOWED_IMPORTS = {
    "dialect": {"errors", "runtime"},  # the program level holds rows of the instruction set
    "targets": {"errors", "runtime"},
    "runtime": {"errors"},
    "passes": {"errors", "arrays", "dialect", "targets", "runtime", "lowering"},  # lowering/isa, to verify programs
    "lowering": {"errors", "dialect", "passes", "targets", "runtime"},
}
WITHOUT_XDSL = ("runtime", "targets")


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if not any(parent.is_symlink() for parent in path.parents):
                yield path


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def imported_modules(path: Path) -> Iterator[str]:
    """Every module that the file imports, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{relative(path)} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("link", "folder"), LINKS.items())
def test_the_packages_are_symlinks_to_the_top_level_folders(link: str, folder: str):
    path = REPOSITORY / "src" / "imcflow" / link
    assert path.is_symlink()
    assert path.readlink() == Path("..") / ".." / folder


def test_no_file_is_too_long():
    sizes = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*PYTHON_FOLDERS)
    }
    assert {name: lines for name, lines in sizes.items() if lines > MAXIMUM_LINES} == {}


def test_reminders_name_an_issue():
    reminder = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")
    own_text = Path(__file__).name  # which has to spell the words
    found = [
        f"{relative(path)}:{number}"
        for path in python_files(*PYTHON_FOLDERS)
        if path.name != own_text
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if reminder.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("room", ALLOWED_IMPORTS)
def test_imports_follow_the_data_flow(room: str):
    allowed = ALLOWED_IMPORTS[room] | {room}
    wrong = [
        f"{relative(path)} imports {module}"
        for path in python_files(LINKS[room])
        for module in imported_modules(path)
        if module.startswith("imcflow.") and module.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", WITHOUT_XDSL)
def test_a_program_runs_without_the_compiler(room: str):
    wrong = [
        f"{relative(path)} imports {module}"
        for path in python_files(LINKS[room])
        for module in imported_modules(path)
        if module.split(".")[0] in {"xdsl", "onnx"} or module.startswith("imcflow.dialect")
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PASSES)
def test_a_registered_pass_has_its_own_file_its_test_and_its_description(name: str):
    pass_class = IMC_UNIVERSE.all_passes[name]()
    assert issubclass(pass_class, ModulePass)
    assert pass_class.name == name
    file_name = name.replace("-", "_")
    assert PASSES[name].split(":")[0].split(".")[-1] == file_name
    assert (REPOSITORY / "tests" / "filecheck" / "passes" / f"{file_name}.mlir").is_file()
    text = description(pass_class)
    assert re.search(r"\bbefore\b.*\bafter\b", text, re.IGNORECASE | re.DOTALL), "say what holds before and after"
    assert "imc." in text, "show the IR before and after"


def test_every_pass_file_is_registered():
    pass_name = re.compile(r'^    name(?:: ClassVar\[str\])? = "(imc-[a-z0-9-]+)"', re.MULTILINE)
    defined = {
        match[1]
        for path in python_files("passes", "lowering")
        for match in pass_name.finditer(path.read_text(encoding="utf-8"))
    }
    assert defined - PASSES.keys() == set()


def test_dialects_targets_and_frontends_can_be_loaded():
    assert {name: factory().name for name, factory in IMC_UNIVERSE.all_dialects.items()} == {n: n for n in DIALECTS}
    assert all(isinstance(factory(), Dialect) for factory in IMC_UNIVERSE.all_dialects.values())
    for name, factory in IMC_UNIVERSE.all_targets.items():
        assert issubclass(factory(), Target)
        assert factory().name == name
    assert all(callable(load(path)) for path in FRONTENDS.values())


def test_nothing_names_this_machine():
    words = ("/work/", "/home/", "/root/", "../shared/papers")
    own_text = Path(__file__).name
    files = [*python_files(*PYTHON_FOLDERS), *REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    found = [
        f"{relative(path)} names {word}"
        for path in files
        if path.name != own_text
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_generated_pages_are_current():
    command = [sys.executable, str(REPOSITORY / "docs" / "generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.returncode == 0
