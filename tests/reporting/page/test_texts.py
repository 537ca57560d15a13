"""Texts as the page shows them."""

import pytest

from evenly.reporting.page.texts import shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\nlines\tand  spaces", "two lines and spaces"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00\x07b", "a\\u0000\\u0007b"),
        ("a\ud800b", "a\\ud800b"),
        ("a\U000e0041b", "a\\U000e0041b"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("שלום 😀", "שלום 😀"),
    ],
)
def test_characters_that_act_are_spelled_out(text, expected):
    assert shown(text) == expected


def test_long_texts_are_shortened():
    assert shown("x" * 100_000, 10) == "x" * 9 + "…"
    assert shown(" " * 100_000 + "x", 10) == "…"
    assert len(shown("\u202e" * 100, 50)) == 50
    assert shown("y" * 10, 10) == "y" * 10
