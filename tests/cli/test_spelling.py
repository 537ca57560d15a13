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
        ("min_distance must be a finite distance.", "--min-distance must be a finite distance."),
        ("quality: the value at row 3 is -1.", "--quality: the value at row 3 is -1."),
        ("rows of quality must be", "rows of quality must be"),
        ("in.jsonl, line 3: column 'text' is None", "in.jsonl, line 3: column 'text' is null"),
        ("a smaller one is prefix(4), at no cost", "a smaller one is its first 4 rows, at no cost"),
        ('Refine(method="exact") does not support', "--refine exact does not support"),
        ("its minimum above its maximum: (3, 2).", "its minimum above its maximum: 3..2."),
        (
            "Refine(seconds=) must be a number of more than 0, or None for no limit, got -1.",
            "--refine-seconds must be a number of more than 0, got -1.",
        ),
        ("for more rows, fill().", "for more rows, evenly fill."),
        ("give limits only: (0, most).", "give limits only: ..most."),
        ("https://example.org/?text=3", "https://example.org/?text=3"),
    ],
)
def test_a_parameter_becomes_a_flag(message, spelled):
    assert as_flags(message) == spelled


def test_an_error_of_the_library_names_flags():
    assert "pass --budget 1.0" in fail("select", "vectors.npy", "-b", 99)
