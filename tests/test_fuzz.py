"""Damaged files of every kind are read right, or refused by one error; see fuzz/."""

import logging
from random import Random

import pytest
from fuzz.kinds import KINDS, outcome, right_answer, right_file
from fuzz.mutations import damaged

pytest.importorskip("pyarrow")

# Sealed files have a right checksum, so that more of them are read.
_FILES, _SEALED_FILES = 60, 200


@pytest.fixture(autouse=True)
def no_log(caplog):
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files_are_read_right_or_refused(tmp_path, name):
    kind = KINDS[name]
    found = {}
    for seed in range(_SEALED_FILES if "sealed" in name else _FILES):
        found[seed] = outcome(kind, kind.damage(right_file(kind), Random(seed)), tmp_path)
    faults = {seed: repr(one) for seed, one in found.items() if not isinstance(one, str)}
    assert not faults
    if "rows" not in name:
        assert "refused" in found.values()


@pytest.mark.parametrize("name", KINDS)
def test_the_right_files_are_read(tmp_path, name):
    assert outcome(KINDS[name], right_file(KINDS[name]), tmp_path) == "read"


def test_an_answer_from_a_damaged_file_is_a_fault(tmp_path):
    kind = KINDS["selection.json"]
    other = right_file(kind).replace(b'"rows": 6', b'"rows": 7')
    assert outcome(kind, other, tmp_path) == "refused"
    right_answer(kind)["radii"][1] += 1.0
    fault = outcome(kind, right_file(kind), tmp_path)
    right_answer(kind)["radii"][1] -= 1.0
    assert "read as if it were right" in str(fault)


def test_damage_is_the_same_for_the_same_seed():
    content = bytes(range(256)) * 4
    changed = [damaged(content, Random(seed)) for seed in range(50)]
    assert changed == [damaged(content, Random(seed)) for seed in range(50)]
    assert len(set(changed)) > 45
