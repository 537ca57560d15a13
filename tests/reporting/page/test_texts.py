"""Texts as the page shows them."""

import json
import tracemalloc

import pytest

from evenly.inputs.prepare import prepare
from evenly.options import InputOptions
from evenly.reporting.page.texts import RowTexts, shown
from tests.support.encoders import TopicEncoder


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


def test_only_what_is_shown_of_texts_is_in_memory(tmp_path):
    path = tmp_path / "long.jsonl"
    texts = [f"text {row} " + "x" * 100_000 for row in range(60)]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    options = InputOptions(encoder=TopicEncoder(), memory="2MB", cache_dir=tmp_path)
    prepared = prepare(path, options, embedding=False)

    tracemalloc.start()
    found = RowTexts(prepared)
    rows = list(range(60))
    beginnings = found.beginnings(rows, 20)
    found.read(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert beginnings == [text[:20] for text in texts]
    assert found.lengths().tolist() == [len(text) for text in texts]
    assert [found.of(row, 8) for row in (3, 59)] == ["text 3…", "text 59…"]
    assert peak < 3e6  # all texts are 6 MB


def test_vectors_have_no_texts():
    prepared = prepare([[1.0, 0.0], [0.0, 1.0]], InputOptions())

    found = RowTexts(prepared)

    assert not found
    assert found.beginnings([0, 1], 5) == ["", ""]
    assert found.of(1) == ""
