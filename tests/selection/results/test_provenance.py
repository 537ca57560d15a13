"""Provenance: what is written down of a result, and what remains of values that cannot be."""

import json

import numpy as np
import pytest

from evenly import Selection, select_uniform
from evenly.options import NotKept
from evenly.selection.results.provenance import EncoderRecord, InputRecord, Provenance
from evenly.selection.resume import options_of
from tests.support.encoders import TopicEncoder, texts_of

FULL = Provenance(
    evenly="1.0",
    input=InputRecord("train.jsonl", 9, 4, "/data/train.jsonl", "sha256:0"),
    options={
        "budget": 3,
        "encoder": NotKept("TopicEncoder"),
        "include": NotKept("1000 values, sha256:1", is_object=False),
        "quotas": {"a": [1, NotKept("f")]},
        "nothing": None,
    },
    versions={"python": "3.12"},
    text="text",
    encoder=EncoderRecord("TopicEncoder", None, "sha256:2", 1, "sha256:3", 4, 5),
    dropped={7: "has no text", 2: "is empty"},
    rules={"include": {"rows": 1, "hash": "sha256:4"}},
    created="2026-01-01T00:00:00+00:00",
    seconds={"reading": 0.5},
    taken_over=2,
    details={"filled": {"rows": 3}},
)


@pytest.mark.parametrize(
    "provenance",
    [FULL, Provenance("1.0", InputRecord("an array", 3, None), {})],
    ids=["full", "least"],
)
def test_provenance_comes_back_from_json(provenance):
    document = json.loads(json.dumps(provenance.as_dict()))

    assert Provenance.from_dict(document) == provenance


@pytest.mark.parametrize("name", ["evenly", "input", "options", "dropped", "details"])
def test_provenance_without_a_field_is_refused(name):
    document = FULL.as_dict()
    del document[name]

    with pytest.raises(KeyError):
        Provenance.from_dict(document)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input", {"origin": "x", "rows": "9", "dimension": 4}),
        ("input", {"origin": "x"}),
        ("encoder", {"name": "x", "more": 1}),
        ("dropped", {"x": "why"}),
        ("dropped", [1]),
        ("options", [1]),
    ],
)
def test_provenance_with_a_wrong_value_is_refused(name, value):
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        Provenance.from_dict({**FULL.as_dict(), name: value})


def test_details_are_named():
    assert FULL.filled == {"rows": 3}
    assert FULL.refined is FULL.by_quality is None
    assert FULL.with_detail("refined", rows=4).refined == {"rows": 4}


def test_python_objects_and_long_lists_are_described(tmp_path):
    many = list(range(150))
    texts = texts_of(200)
    found = select_uniform(
        texts, 160, include=many, exclude=[199], encoder=TopicEncoder(), cache_dir=False
    )
    found.save(tmp_path / "saved.json")

    options = Selection.load(tmp_path / "saved.json").provenance.options

    assert options["exclude"] == [199]
    assert options["encoder"] == NotKept("TopicEncoder")
    assert options["include"].description.startswith("150 values, sha256:")
    assert not options["include"].is_object


def test_options_of_a_selection_grant_no_trust():
    found = select_uniform(np.eye(3), 2, encoder_options={"trust_remote_code": True, "dtype": None})

    assert found.provenance.options["encoder_options"]["trust_remote_code"] is True
    assert options_of(found, overruled=())["encoder_options"] == {"dtype": None}
