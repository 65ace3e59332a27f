"""Hardware descriptions: the presets are right, every mistake gets one line, kinds and presets are plug-ins."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from imcflow.errors import TargetError
from imcflow.targets import list_targets, load_target, registry
from imcflow.targets.ap import ApTarget
from imcflow.targets.schema import TargetDescription

AP_PRESETS = ("rtm-ap-256", "rtm-ap-256-cam", "rtm-ap-256-or", "rtm-ap-256-pool")


def ap_target(name: str = "rtm-ap-256") -> ApTarget:
    target = load_target(name)
    assert isinstance(target, ApTarget)
    return target


def test_the_presets_are_listed() -> None:
    assert set(AP_PRESETS) <= set(list_targets())
    assert list_targets() == sorted(list_targets())


@pytest.mark.parametrize("name", AP_PRESETS)
def test_presets_have_their_own_name_and_survive_yaml(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    assert target.name == name
    path = tmp_path / "copy.yaml"
    path.write_text(target.to_yaml())
    assert load_target(path) == target
    assert load_target(str(path)).content_hash == target.content_hash


def test_presets_differ_where_they_say() -> None:
    base = ap_target()
    assert not base.summary().or_latch
    assert ap_target("rtm-ap-256-or").summary().or_latch
    assert ap_target("rtm-ap-256-pool").units.thresholds == "ap"
    assert (base.units.thresholds, base.units.max_pool) == ("digital", "digital")
    assert ap_target("rtm-ap-256-cam").energy.energy_class == "cam"
    assert len({ap_target(name).content_hash for name in AP_PRESETS}) == len(AP_PRESETS)


def test_the_summary_is_what_a_program_carries() -> None:
    target = ap_target()
    summary = target.summary()
    assert (summary.rows, summary.tracks, summary.domains) == (256, 256, 64)
    assert (summary.name, summary.kind, summary.content_hash) == ("rtm-ap-256", "ap", target.content_hash)
    assert summary.array_count == target.hierarchy.arrays_per_row_block


def test_every_value_of_a_preset_has_an_origin() -> None:
    target = ap_target("rtm-ap-256-cam")
    assumed = target.assumptions()
    assert "energy.shift_fj_per_step" in assumed
    assert "energy.search_fj_per_cell" not in assumed
    assert all(quantity.low is not None and quantity.high is not None for quantity in assumed.values())


def test_values_can_be_replaced_by_key() -> None:
    target = ap_target()
    changed = target.with_value("energy.search_fj_per_cell", 1.0)
    assert changed.energy.search_fj_per_cell.value == 1.0
    assert target.energy.search_fj_per_cell.value == 2500
    assert changed.content_hash != target.content_hash


def replaced(before: str, after: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert before in text
        return text.replace(before, after, 1)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("rows: 256", "rows: -3"), "array.rows: .*got -3, allowed: 1 to 65536$"),
        (replaced("rows: 256", "rows: 2.5"), "array.rows: .*valid integer, got 2.5, allowed"),
        (replaced("rows: 256", "rows: '256'"), "array.rows: .*got '256'"),
        (replaced("rows: 256", "rowz: 256"), "array.rowz: unknown key"),
        (replaced("rows: 256", "rows: 256\n  rows: 8"), "line 7: key 'rows' is there twice"),
        (lambda text: text + "colour: blue\n", "colour: unknown key"),
        (replaced("description: ", "#"), "description: missing|line"),
        (replaced("tag_latch: replace", "tag_latch: nor"), "array.tag_latch: .*'replace' or 'or', got 'nor'"),
        (replaced("max_pool: digital", "max_pool: gpu"), "units.max_pool: .*'ap' or 'digital'"),
        (replaced("kind: ap", "kind: tpu"), "kind: 'tpu' is unknown; allowed: .*ap"),
        (replaced("kind: ap\n", ""), "kind: None is unknown"),
        (replaced("name: rtm-ap-256", "name: a b"), "name: .*pattern"),
        (replaced("value: 2500.0", "value: many"), "search_fj_per_cell.value: .*valid number, got 'many'"),
        (replaced("value: 2500.0", "value: -1.0"), "search_fj_per_cell.value: .*got -1.0"),
        (replaced("value: 2500.0", "value: .nan"), "search_fj_per_cell.value"),
        (replaced("value: 2500.0", "value: 1.0e+300"), "search_fj_per_cell.value: .*got 1e.300, allowed: 0 to 1e.20"),
        (
            replaced("low: 0.2\n    high: 2.0\n  operation_fj", "low: 0.0\n    high: 2.0\n  operation_fj"),
            "digital_unit.clock_ghz.low: .*greater than 0, got 0",
        ),
        (
            replaced("clock_ghz:\n    value: 1.0", "clock_ghz:\n    value: 0.0"),
            "digital_unit.clock_ghz.value: .*greater than 0",
        ),
        (replaced("    source: ", "    assumption: "), "needs low <= value <= high, got None"),
        (replaced("low: 0.4", "low: 0.9"), "tagged_rows_factor: an assumption needs low <= value <= high"),
        (replaced("ports_per_track: 1", "ports_per_track: 3"), "array: ports_per_track 3 must divide 64 domains"),
        (replaced("arrays_per_row_block: 64", "arrays_per_row_block: 4096"), "hierarchy: arrays_per_row_block 4096 ex"),
        (replaced("kind: ap\n", "kind: &k ap\nfoo: *k\n"), "line 1: aliases are not allowed"),
        (replaced("kind: ap", "kind: ["), "line 3"),
        (lambda _: "[1, 2]", "expected keys and values"),
        (lambda _: "", "expected keys and values"),
        (lambda _: "1: 2", "expected keys and values"),
        (lambda _: "kind: \x00", "no valid YAML"),
        (lambda _: "[" * 5000, "no valid YAML|line"),
        (lambda _: "kind: !!python/object:os.system {}", "line 1: could not determine a constructor"),
    ],
)
def test_mistakes_get_one_line(change: Callable[[str], str], message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(change(load_target("rtm-ap-256").to_yaml()))
    with pytest.raises(TargetError, match=message) as caught:
        load_target(path)
    assert caught.value.message.startswith(str(path))
    assert "\n" not in caught.value.message


def test_a_number_without_a_point_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(load_target("rtm-ap-256").to_yaml().replace("value: 2500.0", "value: 25e2"))
    assert load_target(path).content_hash == load_target("rtm-ap-256").content_hash


def test_unknown_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(
        TargetError, match=r"unknown target 'rtm-ap-265'\. Did you mean rtm-ap-256[-a-z]*\? Presets: .*or give"
    ):
        load_target("rtm-ap-265")
    with pytest.raises(TargetError, match=r"nothing\.yaml: no such file"):
        load_target(tmp_path / "nothing.yaml")
    with pytest.raises(TargetError, match="no such file"):
        load_target(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"kind: \xff")
    with pytest.raises(TargetError, match=r"latin\.yaml: no UTF-8"):
        load_target(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (registry.MAX_FILE_BYTES + 1))
    with pytest.raises(TargetError, match="larger than"):
        load_target(tmp_path / "big.yaml")


class Toaster(TargetDescription):
    """A kind that another package could bring."""

    slots: int


def test_kinds_and_presets_are_plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "toaster_presets"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "toaster-2.yaml").write_text("kind: toaster\nname: toaster-2\ndescription: two slots\nslots: 2\n")
    (package / "notes.txt").write_text("no preset")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    entries = {
        registry.KIND_GROUP: {"toaster": EntryPoint("toaster", "toasters:Toaster", registry.KIND_GROUP)},
        registry.PRESET_GROUP: {"mine": EntryPoint("mine", "toaster_presets", registry.PRESET_GROUP)},
    }
    (tmp_path / "toasters.py").write_text("Toaster = None\n")
    toasters = importlib.import_module("toasters")
    monkeypatch.setattr(toasters, "Toaster", Toaster)
    monkeypatch.setattr(registry, "_entries", lambda group: entries[group])
    assert list_targets() == ["toaster-2"]
    loaded = load_target("toaster-2")
    assert isinstance(loaded, Toaster)
    assert loaded.slots == 2
    assert loaded.summary().kind == "toaster"
    monkeypatch.setattr(toasters, "Toaster", dict)
    with pytest.raises(TargetError, match="toasters:Toaster is no TargetDescription class"):
        load_target(package / "toaster-2.yaml")


def test_the_built_in_kind_is_registered_like_any_other() -> None:
    assert registry.target_kinds()["ap"] is ApTarget
