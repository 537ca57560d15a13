"""Names of groups and rows."""

import pytest

from evenly.errors import DataError
from evenly.samples.rows import name_of


def test_names_are_the_same_in_every_run():
    assert [name_of(value) for value in (17, "17", 17.0, None, {"a": 1})] == [
        *["17"] * 3,
        None,
        "{'a': 1}",
    ]
    with pytest.raises(DataError, match="an object of type object cannot name a group or a row"):
        name_of(object())
