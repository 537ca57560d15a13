"""A result is measured in its own space: its encoder, text and options."""

import json
import logging

import numpy as np
import pytest

from evenly import (
    Deduplication,
    Selection,
    StreamSelection,
    compare,
    deduplicate,
    errors,
    measure,
    select_stream,
    select_uniform,
)
from tests.support.encoders import TopicEncoder, texts_of

TEXTS = texts_of(30)
RECORDS = [
    {
        "question": text,
        "answer": text[::-1] + str(row),
        "chat": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": f"{text[::-1]} {row}"},
        ],
    }
    for row, text in enumerate(TEXTS)
]
VECTORS = np.random.default_rng(0).standard_normal((30, 5)) * np.arange(1, 31)[:, None]
QUIET = {"random_subsets": 0, "certificate": False, "cache_dir": False}


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(one) + "\n" for one in RECORDS))


SPACES = {
    "another column": {"text": "answer"},
    "several columns": {"text": ["answer", "question"]},
    "other roles": {"text": "chat", "roles": ("user", "assistant")},
    "a prompt": {"text": "question", "encoder_options": {"prompt": "a clear "}},
    "raw lengths": {"text": "question", "normalize": False},
}


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("space", SPACES)
def test_a_selection_is_measured_in_its_own_space(space, saved, caplog):
    pytest.importorskip("wordllama")
    selection = select_uniform("data.jsonl", 6, encoder="static", cache_dir=False, **SPACES[space])
    if saved:
        selection.save("subset.manifest.json")
        selection = Selection.load("subset.manifest.json")

    found = measure("data.jsonl", selection, **QUIET)
    table = compare({"own": selection, "rows": [1, 2]}, "data.jsonl", **QUIET).subsets

    assert found.h_min == pytest.approx(selection.h_min, abs=1e-6)
    assert found.coverage_radius == pytest.approx(selection.coverage_radius, abs=1e-6)
    assert table["own"].h_min == found.h_min
    assert not caplog.records


@pytest.mark.parametrize("kind", [Deduplication, StreamSelection])
def test_other_results_are_measured_in_their_own_space(kind, caplog):
    if kind is Deduplication:
        result = deduplicate(VECTORS, to=8, normalize=False)
        expected = measure(VECTORS, result.indices, normalize=False, **QUIET)
    else:
        result = select_stream([VECTORS], 8, normalize=False)
        expected = measure(VECTORS, result.indices, normalize=False, **QUIET)
    result.save("result.manifest.json")

    for one in (result, kind.load("result.manifest.json")):
        assert measure(VECTORS, one, **QUIET) == expected
    assert expected.h_min > 2
    assert not caplog.records


def test_another_space_is_a_choice_and_is_reported(caplog):
    selection = select_uniform(VECTORS, 6, normalize=False)
    expected = measure(VECTORS, selection.indices, **QUIET)

    with caplog.at_level(logging.WARNING, "evenly"):
        found = measure(VECTORS, selection, normalize=True, **QUIET)
        compare({"a": selection}, VECTORS, normalize=True, **QUIET)

    assert found == expected
    other = "is measured in another space than its own: normalize on, not off"
    assert [record.getMessage() for record in caplog.records] == [
        f"the selection {other}",
        f"a {other}",
    ]


def test_another_encoder_or_text_is_reported(caplog):
    selection = select_uniform(RECORDS, 6, text="question", encoder=TopicEncoder())
    other = TopicEncoder()
    other.name = "another"

    measure(RECORDS, selection, text="answer", encoder=other, **QUIET)

    message = caplog.records[-1].getMessage()
    assert "encoder another" in message
    assert "not TopicEncoder" in message
    assert "text answer, not question" in message


def test_vectors_of_another_dimension_are_reported(caplog):
    selection = select_uniform(VECTORS, 6)

    measure(VECTORS[:, :3], selection, **QUIET)

    assert "dimensions 3, not 5" in caplog.text


def test_an_encoder_that_was_an_object_is_passed_again():
    selection = select_uniform(RECORDS, 6, text="question", encoder=TopicEncoder())

    with pytest.raises(errors.ManifestError, match=r"Pass it again: encoder=…"):
        measure(RECORDS, selection, **QUIET)
    found = measure(RECORDS, selection, encoder=TopicEncoder(), **QUIET)
    assert found.h_min == pytest.approx(selection.h_min)


def test_a_selection_of_other_data_is_refused():
    selection = select_uniform(VECTORS, 6)

    with pytest.raises(errors.ManifestError, match="has 29 rows, but the selection was made from"):
        measure(VECTORS[1:], selection, **QUIET)
    raw = select_uniform(VECTORS, 6, normalize=False)
    with pytest.raises(errors.ManifestError, match="a and b are of different spaces: normalize"):
        compare({"a": selection, "b": raw}, VECTORS, **QUIET)
