"""What is wrong with the options or the records is an error before a text is embedded."""

import numpy as np
import pytest
import torch

from evenly import (
    compare,
    deduplicate,
    embed,
    errors,
    estimate,
    measure,
    select_by_quality,
    select_stream,
    select_uniform,
)
from tests.support.encoders import TopicEncoder, texts_of

ROWS = 12
RECORDS = [
    {"id": f"r{row}", "text": text, "kind": "ab"[row % 2], "score": 1.0 + row, "none": None}
    for row, text in enumerate(texts_of(ROWS))
]
TWICE = [*RECORDS, {**RECORDS[0], "text": "Another text."}]


class Untouched:
    """An encoder that must not be called."""

    def encode(self, texts):
        raise AssertionError("a text was embedded")


class WithTokenizer(Untouched):
    """It also counts tokens, a word each."""

    def tokenizer(self, text):
        return text.split()


def nothing_is_embedded(verb, *arguments, encoder=None, data=RECORDS, **options):
    """Return the message of the error that a verb raises without calling its encoder."""
    options = {"text": "text", **options}
    with pytest.raises(errors.EvenlyError) as raised:
        verb(data, *arguments, encoder=encoder or Untouched(), **options)
    return str(raised.value)


def bad_tokenizer(text):
    raise ValueError("no tokens today")


COLUMN = "column 'nope'"
RULES = {
    "text": ({"text": "nope"}, COLUMN),
    "texts": ({"text": ["text", "nope"]}, COLUMN),
    "budget over the rows": ({"budget": ROWS + 1}, f"pool size {ROWS}, got {ROWS + 1}"),
    "include, no such row": ({"include": [ROWS]}, f"include names row {ROWS}"),
    "include, negative": ({"include": [-1]}, "include names row -1"),
    "include, twice": ({"include": [1, 1]}, "row 1 twice"),
    "include, no such id": ({"include": ["r99"], "id_column": "id"}, "'r99'"),
    "include, more than the budget": ({"include": [0, 1, 2, 3]}, "more than the budget"),
    "include, a mask too short": ({"include": [True]}, "a mask of 1 value"),
    "id_column": ({"include": ["r1"], "id_column": "nope"}, COLUMN),
    "ids too few": ({"include": ["r1"], "id_column": ["r1"]}, "id_column has 1 value"),
    "exclude, no such row": ({"exclude": [ROWS]}, f"exclude names row {ROWS}"),
    "exclude, no such id": ({"exclude": ["r99"], "id_column": "id"}, "'r99'"),
    "exclude everything": ({"exclude": range(ROWS)}, "leave none"),
    "include and exclude": ({"include": [1], "exclude": [1]}, "at once"),
    "away_from, no such row": ({"away_from": [ROWS]}, f"away_from names row {ROWS}"),
    "away_from, no such file": ({"away_from": "nope.jsonl"}, "no file nope.jsonl"),
    "away_from, another column": ({"away_from": [{"question": "Why?"}]}, "'text'"),
}
UNIFORM = {
    **RULES,
    "start, no such row": ({"start": ROWS}, f"0 to {ROWS - 1}, got {ROWS}"),
    "groups": ({"groups": "nope", "balance": "equal"}, COLUMN),
    "groups, all missing": ({"groups": "none", "balance": "equal"}, "no group"),
    "groups too few": ({"groups": ["a"], "balance": "equal"}, "groups has 1 value"),
    "quotas, unknown group": ({"groups": "kind", "quotas": {"c": 1}}, "group 'c'"),
    "quotas over the budget": ({"groups": "kind", "quotas": {"a": 4}}, "more than the budget"),
    "quotas over the rows": ({"budget": 9, "groups": "kind", "quotas": {"a": 7}}, "6 usable rows"),
    "quotas too low": (
        {"groups": "kind", "quotas": {"a": (0, 1), "b": (0, 1)}},
        "at most 2 rows, fewer than the budget 3",
    ),
    "costs": ({"token_budget": 9, "costs": "nope"}, COLUMN),
    "costs, no numbers": ({"token_budget": 9, "costs": "kind"}, "'kind' at row 0 is 'a'"),
    "costs over the token budget": ({"token_budget": 1, "costs": [2] * ROWS}, "cheapest"),
    "tokens over the token budget": ({"token_budget": 1, "tokenizer": str.split}, "cheapest"),
    "tokenizer fails": ({"token_budget": 9, "tokenizer": bad_tokenizer}, "no tokens today"),
    "tokenizer is none": ({"token_budget": 9, "tokenizer": 3}, "tokenizer must be"),
    "tokenizer, no such file": ({"token_budget": 9, "tokenizer": "./nope.json"}, "nope.json"),
    "no tokenizer": ({"token_budget": 9}, "has no tokenizer"),
    "quality": ({"quality": "nope"}, COLUMN),
    "quality, no numbers": ({"quality": "kind"}, "'kind' at row 0 is 'a'"),
    "engine distances": ({"engine": "distances"}, "holds texts"),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_select_uniform(name):
    options, expected = UNIFORM[name]
    assert expected in nothing_is_embedded(select_uniform, **{"budget": 3, **options})


@pytest.mark.parametrize("name", RULES)
def test_select_by_quality(name):
    options, expected = RULES[name]
    options = {"budget": 3, "quality": "score", **options}
    assert expected in nothing_is_embedded(select_by_quality, **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"quality": "nope"}, COLUMN),
        ({"quality": "kind"}, "'kind' at row 0 is 'a'"),
        ({"quality": "score", "engine": "cuda"}, "engine must be one of"),
        ({"quality": "score", "method": "gist", "diversity_weight": -1}, "diversity_weight"),
    ],
)
def test_the_quality_of_select_by_quality(options, expected):
    assert expected in nothing_is_embedded(select_by_quality, 3, **options)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text": "nope", "to": 3}, COLUMN),
        ({"keep": "best", "quality": "nope", "to": 3}, COLUMN),
        ({"keep": "best", "quality": "kind", "min_distance": 0.1}, "'kind' at row 0 is 'a'"),
        ({"to": ROWS + 1}, f"the {ROWS} usable rows, got {ROWS + 1}"),
        ({"to": 3, "engine": "distances"}, "holds texts"),
    ],
)
def test_deduplicate(options, expected):
    assert expected in nothing_is_embedded(deduplicate, **options)


@pytest.mark.parametrize(
    ("verb", "arguments", "options", "expected"),
    [
        (embed, (), {"text": "nope"}, COLUMN),
        (estimate, (3,), {"text": "nope"}, COLUMN),
        (estimate, (ROWS + 1,), {}, f"got {ROWS + 1}"),
        (measure, ([0, 1],), {"text": "nope"}, COLUMN),
        (measure, ([0, ROWS],), {}, f"got {ROWS}"),
        (measure, ([0, 0],), {}, "row 0 is named 2 times"),
        (measure, ([],), {}, "non-empty"),
        (select_stream, (3,), {"text": "nope"}, COLUMN),
    ],
)
def test_other_verbs(verb, arguments, options, expected):
    data = [RECORDS] if verb is select_stream else RECORDS
    assert expected in nothing_is_embedded(verb, *arguments, data=data, **options)


def test_compare():
    with pytest.raises(errors.RowError, match=r"subset 'b': row numbers go from 0 to 11, got 12"):
        compare({"a": [0, 1], "b": [ROWS]}, RECORDS, text="text", encoder=Untouched())


@pytest.mark.parametrize("name", ["nope.jsonl", "nope*.jsonl"])
def test_a_later_file_of_a_stream_that_is_not_there(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.jsonl").write_text('{"text": "a"}\n')

    message = nothing_is_embedded(select_stream, 1, data=["first.jsonl", name])

    assert name in message


def test_the_tokens_of_the_encoder_are_counted_first():
    message = nothing_is_embedded(select_uniform, token_budget=2, encoder=WithTokenizer())

    assert "cheapest usable row" in message


def test_an_engine_without_its_gpu():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")

    assert "needs a GPU" in nothing_is_embedded(select_uniform, 3, engine="cuda")


def test_an_id_that_two_rows_have():
    message = nothing_is_embedded(select_uniform, 3, data=TWICE, include=["r0"], id_column="id")

    assert "not unique" in message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": [ROWS]}, f"include names row {ROWS}"),
        ({"groups": "nope", "quotas": {"a": 1}}, COLUMN),
    ],
)
def test_extend(options, expected):
    earlier = select_uniform(RECORDS, 3, text="text", encoder=TopicEncoder())

    with pytest.raises(errors.EvenlyError) as raised:
        earlier.extend(5, RECORDS, encoder=Untouched(), **options)

    assert expected in str(raised.value)


def test_a_selection_of_another_encoder_to_keep_away_from():
    earlier = select_uniform(RECORDS, 3, text="text", encoder=TopicEncoder())
    message = nothing_is_embedded(select_uniform, 3, data=TWICE, away_from=earlier)

    assert "made with the encoder TopicEncoder" in message


def test_rows_that_only_lose_their_vectors_do_not_spoil_the_check():
    # Half of the rows that are left is 1, and the quota allows it; half of all rows would be 2.
    class Partly:
        def encode(self, texts):
            vectors = np.eye(len(texts))
            vectors[2:] = np.nan
            return vectors

    records = [{"text": text, "kind": "a"} for text in "pqrs"]
    chosen = select_uniform(
        records,
        0.5,
        text="text",
        groups="kind",
        quotas={"a": (0, 1)},
        on_invalid="drop",
        encoder=Partly(),
    )

    assert len(chosen) == 1


def test_every_column_is_read_once(tmp_path, monkeypatch):
    from evenly.samples.lists import ListSamples

    read, original = [], ListSamples.iter_columns

    def iter_columns(self, names, absent=None):
        read.extend(names)
        return original(self, names, absent)

    monkeypatch.setattr(ListSamples, "iter_columns", iter_columns)
    select_uniform(
        RECORDS,
        3,
        text="text",
        groups="kind",
        balance="equal",
        quality="score",
        include=["r1"],
        id_column="id",
        encoder=TopicEncoder(),
    )

    assert sorted(set(read) - {"text"}) == ["id", "kind", "score"]
    assert len(read) == read.count("text") + 3
