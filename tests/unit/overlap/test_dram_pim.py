"""The bit-serial DRAM: times of the sheet, tile times by enumeration, refusals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import TargetError
from imcflow.targets import load_target
from imcflow.targets.dram_pim import BitSerialOperation, DramPimTarget
from imcflow.targets.registry import parse_target


@pytest.fixture(scope="module")
def machine() -> DramPimTarget:
    target = load_target("dram-pim-hbm2")
    assert isinstance(target, DramPimTarget)
    return target


def test_operation_times_of_the_published_configuration(machine: DramPimTarget):
    assert (machine.row_access_ns, machine.logic_step_ns, machine.banks) == (47, 2, 128)
    add_int8 = BitSerialOperation(bits=8, row_reads=16, row_writes=8, logic_steps=25, source="int8 ADD of PIMeval")
    assert machine.operation_ns(add_int8) == 1178
    assert machine.operation_ns(machine.multiply) == 5348
    assert machine.operation_ns(machine.multiply) + machine.operation_ns(add_int8) == 6526
    assert machine.mac_ns == 5348 + (64 + 32) * 47 + 97 * 2


@given(st.integers(1, 20000), st.integers(1, 30000))
def test_tile_time_is_the_best_number_of_columns(outputs: int, reduction: int):
    machine = load_target("dram-pim-hbm2")
    assert isinstance(machine, DramPimTarget)
    times = [
        math.ceil(outputs * 2**levels / 8192)
        * (math.ceil(reduction / 2**levels) * machine.mac_ns + levels * machine.level_ns)
        for levels in range(14)
    ]
    assert machine.tile_ticks(outputs, reduction) == round(1000 * min(times))
    assert machine.columns_per_output(outputs, reduction) in [1 << levels for levels in range(14)]


def test_rows_limit_a_tile(machine: DramPimTarget):
    assert machine.fits(8192, 1000, 1)
    assert not machine.fits(8192, 1000, 5)
    assert machine.link_ticks(64) == 2000


def test_wrong_descriptions_are_refused(machine: DramPimTarget):
    text = machine.to_yaml()
    assert parse_target(text, "copy").content_hash == machine.content_hash
    assert set(machine.assumptions()) == {"timing.column_shift_ns_per_level", "link.bytes_per_ns"}
    with pytest.raises(TargetError, match=r"geometry\.channels"):
        parse_target(text.replace("channels: 8", "channels: 0"), "copy")
    with pytest.raises(TargetError, match="bytes_per_ns must be above 0"):
        parse_target(text.replace("value: 32.0", "value: 0").replace("low: 3.2", "low: 0"), "copy")
    with pytest.raises(TargetError, match="unknown key"):
        parse_target(text + "colour: red\n", "copy")
    with pytest.raises(TargetError, match="0 outputs"):
        machine.tile_ticks(0, 1)
