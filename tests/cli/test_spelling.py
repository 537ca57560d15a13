"""The command line spells options as flags in the messages of the library."""

import pytest

from evenly.cli.spelling import as_flags
from tests.support.command_line import fail


@pytest.mark.parametrize(
    ("message", "spelled"),
    [
        ("give budget= (rows) or min_distance=.", "give --budget (rows) or --min-distance."),
        ("pass budget=1.0.", "pass --budget 1.0."),
        ('leave it out: on_invalid="drop".', "leave it out: --on-invalid drop."),
        ("pass force=True (on the command line: --force).", "pass --force."),
        ("what it costs: costs=…", "what it costs: --costs"),
        ("a filter of another tool, limit=3", "a filter of another tool, limit=3"),
        ("https://example.org/?text=3", "https://example.org/?text=3"),
    ],
)
def test_a_parameter_becomes_a_flag(message, spelled):
    assert as_flags(message) == spelled


def test_an_error_of_the_library_names_flags():
    assert "pass --budget 1.0" in fail("select", "vectors.npy", "-b", 99)
