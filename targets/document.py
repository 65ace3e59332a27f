"""The page `docs/targets.md`: presets, keys and plug-ins, from the descriptions and their schemas."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from imcflow.targets.registry import KIND_GROUP, PRESET_GROUP, list_targets, load_target, target_kinds
from imcflow.targets.schema import Quantity, TargetDescription

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_INTRODUCTION = f"""# Hardware descriptions

A target is a preset name or a YAML file: `imcflow compile MODEL -t mine.yaml`. Start from a preset
(`imcflow targets show rtm-ap-256 > mine.yaml`) and check the result (`imcflow targets check mine.yaml`). Keys carry
their unit in the name. Unknown, missing and out-of-range keys are errors that name file, key and range.

A *quantity* is a number with its origin: `{{value: 17, source: "where it is printed"}}`, or, where no source gives it,
`{{value: 23, assumption: "why", low: 2.3, high: 230}}`. The cost report shows what every assumption does to time and
energy over its range.

Packages add kinds and presets through entry points: `{KIND_GROUP}` (the kind's name and its `TargetDescription`
class) and `{PRESET_GROUP}` (any name and a package that holds YAML files). The built-in ones are registered
the same way.
"""


def document() -> str:
    """Return the page as Markdown."""
    lines = [_INTRODUCTION, "## Presets\n", "| name | kind | |", "|---|---|---|"]
    for name in list_targets():
        target = load_target(name)
        lines.append(f"| `{name}` | {target.kind} | {target.description} |")
    for kind, model in target_kinds().items():
        lines += [f"\n## Kind `{kind}`\n", _sentence(model), "", "| key | value | allowed | |", "|---|---|---|---|"]
        lines += _rows(model, "")
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    texts = _field_texts(model)
    rows: list[str] = []
    for name, field in model.model_fields.items():
        inner = _inner_model(field)
        is_quantity = inner is not None and issubclass(inner, Quantity)
        if inner is not None and not is_quantity:
            optional = "" if field.is_required() else " Optional."
            rows.append(f"| **`{prefix}{name}`** | | | {_sentence(inner)}{optional} |")
            rows += _rows(inner, f"{prefix}{name}.")
        else:
            value = "quantity" if is_quantity else _type_name(field)
            rows.append(f"| `{prefix}{name}` | {value} | {_allowed(field)} | {texts.get(name, '')} |")
    return rows


def _inner_model(field: FieldInfo) -> type[BaseModel] | None:
    candidates = (cast(object, field.annotation), *cast(tuple[object, ...], get_args(field.annotation)))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)


def _type_name(field: FieldInfo) -> str:
    annotation = cast(object, field.annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in cast(tuple[object, ...], get_args(annotation)))
    names = {"int": "integer", "float": "number", "str": "text", "bool": "true or false"}
    return names.get(getattr(annotation, "__name__", ""), str(annotation))


def _allowed(field: FieldInfo) -> str:
    limits = [cast(object, getattr(item, bound, None)) for bound in ("ge", "le") for item in field.metadata]
    numbers = [str(limit) for limit in limits if limit is not None]
    return " to ".join(numbers) if len(numbers) == 2 else ""


def _sentence(model: type[BaseModel]) -> str:
    return " ".join((inspect.getdoc(model) or "").partition("\n\n")[0].split())


def _field_texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the string literals below the fields of a class and its bases, by field name."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, TargetDescription | BaseModel) or base is BaseModel:
            continue
        body = cast(ast.ClassDef, ast.parse(inspect.cleandoc("\n" + inspect.getsource(base))).body[0]).body
        for field, text in pairwise(body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
                and isinstance(text.value.value, str)
            ):
                texts[field.target.id] = " ".join(text.value.value.split())
    return texts
