"""Comparisons: each subset as `measure` measures it, with random ones of the same size."""

import json
import math

import numpy as np
import pytest

from evenly import compare, errors, measure, select_uniform
from tests.support.encoders import TopicEncoder, texts_of

ROWS = np.random.default_rng(0).standard_normal((300, 6)) * np.geomspace(2, 0.5, 6)
PLAIN = np.arange(30)


@pytest.fixture(scope="module")
def uniform():
    return select_uniform(ROWS, 30)


def without_bounds(measures):
    left_out = ("seconds", "random", "bounds", "upper_bound", "certified_fraction")
    return {name: value for name, value in vars(measures).items() if name not in left_out}


def test_each_subset_is_measured_as_by_measure(uniform):
    found = compare({"uniform": uniform, "plain": PLAIN}, ROWS, random_subsets=2, seed=3)

    assert list(found.subsets) == ["uniform", "plain"]
    for name, rows in (("uniform", uniform), ("plain", PLAIN)):
        alone = measure(ROWS, rows, details=True, seed=3)
        assert without_bounds(found.subsets[name]) == without_bounds(alone)
        assert found.subsets[name].upper_bound == pytest.approx(alone.upper_bound, rel=1e-3)
    assert found.subsets["uniform"].certified_fraction > found.subsets["plain"].certified_fraction


def test_random_subsets_of_the_same_size_are_added(uniform):
    found = compare({"uniform": uniform, "plain": PLAIN}, ROWS, random_subsets=4, seed=7)

    assert list(found.random) == [30]
    assert [one.size for one in found.random[30]] == [30] * 4
    random = measure(ROWS, uniform, random_subsets=4, seed=7).random
    assert np.mean([one.h_min for one in found.random[30]]) == pytest.approx(random.h_min.mean)
    [*_, last] = found.rows
    assert last["subset"] == "4 random"
    assert last["h_min"] == pytest.approx(random.h_min.mean)
    assert last["vendi_score"] == pytest.approx(
        np.mean([one.diversity.vendi_score for one in found.random[30]])
    )


def test_each_size_has_random_subsets_and_a_bound_of_its_own(uniform):
    found = compare({"long": uniform, "short": uniform.prefix(10)}, ROWS, random_subsets=1)

    assert list(found.random) == [10, 30]
    assert [row["subset"] for row in found.rows] == [
        "long",
        "short",
        "1 random of 10",
        "1 random of 30",
    ]
    for size, name in ((10, "short"), (30, "long")):
        assert found.random[size][0].upper_bound == found.subsets[name].upper_bound
    assert found.subsets["short"].upper_bound > found.subsets["long"].upper_bound


def test_all_rows_and_a_single_row_can_be_compared():
    found = compare({"all": range(12), "one": [4]}, ROWS[:12], random_subsets=1)

    assert found.subsets["all"].certified_fraction == pytest.approx(1.0)
    assert found.subsets["one"].h_min == math.inf
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["subsets"]["one"]["upper_bound"] is None
    assert "inf" in str(found)


def test_it_prints_as_a_table(uniform):
    table = str(compare({"uniform": uniform, "plain": PLAIN}, ROWS, random_subsets=2))

    lines = {line[:24].strip(): line[24:].split() for line in table.splitlines()[1:]}
    assert table.splitlines()[0].split() == ["uniform", "plain", "2", "random"]
    assert lines["size"] == ["30", "30", "30"]
    assert lines["h min"][0] == f"{uniform.h_min:.4f}"
    assert {"upper bound", "vendi score", "singleton share", "cluster entropy"} <= set(lines)
    assert len({len(line) for line in table.splitlines() if line}) == 1


def test_measures_that_were_not_requested_have_no_line():
    found = compare({"plain": PLAIN}, ROWS, random_subsets=0, certificate=False, details=False)

    assert (found.random, found.subsets["plain"].upper_bound) == ({}, None)
    assert found.rows[0]["vendi_score"] is None
    assert "vendi" not in str(found)
    assert "upper bound" not in str(found)


def test_texts_are_embedded_once():
    texts, encoder = texts_of(40), TopicEncoder()

    found = compare({"a": range(5), "b": range(5, 10)}, texts, encoder=encoder, cache_dir=False)

    assert len(encoder.seen) == 40
    assert found.subsets["a"].h_min == measure(texts, range(5), encoder=encoder).h_min


def test_invalid_arguments_are_rejected():
    with pytest.raises(errors.OptionError, match="subsets must be a dict of at least one"):
        compare({}, ROWS)
    with pytest.raises(errors.OptionError, match="subsets must be a dict"):
        compare([PLAIN], ROWS)
    with pytest.raises(errors.RowError, match="subset 'b': row numbers go from 0 to 299, got 300"):
        compare({"a": [1], "b": [300]}, ROWS)
    with pytest.raises(errors.OptionError, match="random_subsets"):
        compare({"a": [1]}, ROWS, random_subsets=-1)
    with pytest.raises(errors.OptionError, match="certificate"):
        compare({"a": [1]}, ROWS, certificate="maybe")
