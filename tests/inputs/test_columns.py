"""Columns are arrays where they hold numbers, and lists otherwise."""

import numpy as np
import pytest

from evenly.inputs.columns import compact_column

MANY = 40_000  # more than are looked at together


@pytest.mark.parametrize(
    ("values", "kind"), [([3, -1, 2**62], np.int64), ([0.5, float("nan"), -1e300], np.float64)]
)
def test_numbers_of_one_type_become_an_array(values, kind):
    column = compact_column(iter(values * (MANY // 3)))

    assert column.dtype == kind
    np.testing.assert_array_equal(column, np.array(values * (MANY // 3)))


@pytest.mark.parametrize("odd", ["7", None, True, 2.0, 2**80, [1]])
def test_all_other_values_stay_as_they_are(odd):
    values = [*range(MANY), odd, 5]

    column = compact_column(values)

    assert isinstance(column, list)
    assert [(type(value), value) for value in column] == [(type(value), value) for value in values]


def test_equal_words_are_kept_once():
    column = compact_column("".join(parts) for parts in [("a", "bc"), ("ab", "c")] * MANY)

    assert len(set(map(id, column))) == 1


def test_no_values_are_an_empty_column():
    assert len(compact_column([])) == 0
