import pytest

from evenly.inputs.prepare import prepare
from evenly.options import InputOptions
from tests.support.rules import INPUTS, RECORDS, VECTORS


@pytest.fixture(scope="module")
def words():
    return prepare(RECORDS, INPUTS)


@pytest.fixture(scope="module")
def vectors():
    return prepare(VECTORS, InputOptions())
