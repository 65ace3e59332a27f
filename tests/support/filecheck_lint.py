"""Find FileCheck tests that check nothing: neither lit nor the Python filecheck notices them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from filecheck_runner import Command, FileCheckError, pipelines, run_lines

_DIRECTIVE = re.compile(
    r"//\s*(?P<prefix>[A-Z][A-Z0-9_-]*?)(?:-(?P<kind>NEXT|SAME|NOT|DAG|LABEL|EMPTY|COUNT-\d+))?(?:\{LITERAL\})?\s*:"
)
_NOT_CHECKS = frozenset({"RUN", "COM"})
_LIT_ONLY = frozenset({"XFAIL", "REQUIRES", "UNSUPPORTED", "ALLOW_RETRIES", "END"})


def problems(path: Path) -> Iterator[str]:
    """Yield what is wrong with the test file `path`: lines that no RUN line executes, RUN lines that check nothing."""
    try:
        commands = [command for line in run_lines(path) for pipe in pipelines(line, path, path) for command in pipe]
    except FileCheckError as error:
        yield str(error)
        return
    if not commands:
        yield "has no RUN line"
        return
    directives = dict(_directives(path))
    if unsupported := _LIT_ONLY & directives.keys():
        yield f"uses {', '.join(sorted(unsupported))}, which only lit understands"
    executed: set[str] = set()
    for command in commands:
        if command.program == "filecheck":
            executed.update(command.filecheck_options.check_prefixes)
            yield from _problems_of_call(command, path, directives)
    for prefix in sorted(directives.keys() - executed - _LIT_ONLY):
        yield f"no RUN line executes its {prefix} lines"
    if not executed and not any(command.expect_failure for command in commands):
        yield "no RUN line checks anything"


def _problems_of_call(command: Command, path: Path, directives: dict[str, set[str]]) -> Iterator[str]:
    options = command.filecheck_options
    if Path(options.match_filename) != path:
        yield f"checks against another file, {options.match_filename}"
    if command.expect_failure:
        yield "expects filecheck itself to fail, which also happens for the wrong reason"
    for prefix in options.check_prefixes:
        if prefix not in directives:
            yield f"a RUN line names prefix {prefix}, which has no lines"
    kinds = set[str]().union(*(directives.get(prefix, set[str]()) for prefix in options.check_prefixes))
    if kinds == {"NOT"}:
        yield f"prefix {', '.join(options.check_prefixes)} has only NOT lines: any output passes"


def _directives(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield each check prefix of the file with the kinds of its lines ('' for the plain one)."""
    found: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if (match := _DIRECTIVE.search(line)) is not None and match["prefix"] not in _NOT_CHECKS:
            found.setdefault(match["prefix"], set()).add(match["kind"] or "")
    yield from found.items()
