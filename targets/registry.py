"""Finds hardware descriptions: presets by name, files by path, kinds by their `kind` key.

Kinds and presets are plug-ins. A package registers a kind under the entry-point group `imcflow.target_kinds` (name: the
kind, value: its `TargetDescription` class) and a folder of presets under `imcflow.target_presets` (name: anything,
value: a package that holds YAML files). The built-in ones are registered the same way.
"""

from __future__ import annotations

import difflib
from functools import lru_cache
from importlib import import_module, resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, cast

from imcflow.errors import TargetError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from imcflow.targets.schema import TargetDescription

KIND_GROUP = "imcflow.target_kinds"
PRESET_GROUP = "imcflow.target_presets"
MAX_FILE_BYTES = 1 << 20
_SUFFIXES = (".yaml", ".yml")


def list_targets() -> list[str]:
    """Return the names of all presets, in alphabetical order."""
    return sorted(_presets())


def load_target(name_or_path: str | Path) -> TargetDescription:
    """Return a validated hardware description.

    Args:
        name_or_path: name of a preset, or path of a YAML file; text that ends in .yaml or .yml or holds a path
            separator is a path.

    Raises:
        TargetError: there is no such preset or file, or it is wrong; the message names file, key and what is allowed.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(_SUFFIXES) or "/" in text or "\\" in text:
        return _from_file(Path(name_or_path))
    return _from_preset(text)


@lru_cache(maxsize=64)
def _from_preset(name: str) -> TargetDescription:
    presets = _presets()
    if name not in presets:
        close = difflib.get_close_matches(name, presets, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise TargetError(f"unknown target '{name}'.{hint} Presets: {', '.join(sorted(presets))}; or give a YAML file")
    return parse_target(presets[name].read_text(encoding="utf-8"), f"preset {name}")


def _from_file(path: Path) -> TargetDescription:
    try:
        if not path.is_file():
            raise TargetError(f"{path}: no such file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TargetError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TargetError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TargetError(f"{path}: no UTF-8 text (byte {error.start})") from error
    return parse_target(text, str(path))


def parse_target(text: str, where: str) -> TargetDescription:
    """Return the description in YAML text.

    Args:
        text: the YAML.
        where: how errors name it.

    Raises:
        TargetError: names `where`, the key and what is allowed.
    """
    from imcflow.targets.schema import read_yaml

    data = read_yaml(text, where)
    kinds = _entries(KIND_GROUP)
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise TargetError(f"{where}: kind: {kind!r} is unknown; allowed: {', '.join(kinds)}")
    # Only this kind is loaded: building the schemas of all of them takes a while.
    return _loaded(kinds[kind]).parse(data, where)


def target_kinds() -> dict[str, type[TargetDescription]]:
    """Return the description classes by kind.

    Raises:
        TargetError: a plug-in registers something that is no description class.
    """
    return {name: _loaded(entry) for name, entry in _entries(KIND_GROUP).items()}


def _loaded(entry: EntryPoint) -> type[TargetDescription]:
    from imcflow.targets.schema import TargetDescription

    loaded = cast(object, entry.load())
    if not (isinstance(loaded, type) and issubclass(loaded, TargetDescription)):
        raise TargetError(f"entry point {KIND_GROUP}: {entry.value} is no TargetDescription class")
    return loaded


def _presets() -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for entry in _entries(PRESET_GROUP).values():
        for item in resources.files(import_module(entry.value)).iterdir():
            stem, dot, suffix = item.name.rpartition(".")
            if dot + suffix in _SUFFIXES:
                found[stem] = item
    return found


@lru_cache(maxsize=8)
def _entries(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}
