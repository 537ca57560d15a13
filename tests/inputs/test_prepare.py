"""Preparing data: unusable rows are rejected by name, or dropped and never chosen."""

import json
import logging
from fractions import Fraction

import numpy as np
import pytest

from evenly import embed, errors, select_uniform
from evenly.inputs.prepare import prepare
from evenly.options import InputOptions, NotKept, as_json_value
from tests.support.encoders import TopicEncoder, texts_of

BAD_TEXTS = {2: None, 5: 7, 8: "", 11: " \n\t ", 14: 3.5, 17: "half \ud800"}


def records_with_bad_texts():
    return [{"text": BAD_TEXTS.get(row, text)} for row, text in enumerate(texts_of(20))]


class Returning:
    """An encoder that returns given vectors for the texts of `texts_of`."""

    def __init__(self, vectors):
        self.vector_of = dict(zip(texts_of(len(vectors)), vectors, strict=True))

    def encode(self, texts):
        return np.array([self.vector_of[text] for text in texts])


@pytest.mark.parametrize(("budget", "rows"), [(1, 1), (7, 7), (1.0, 14)])
def test_dropped_texts_are_listed_and_never_chosen(budget, rows):
    records, encoder = records_with_bad_texts(), TopicEncoder()

    chosen = select_uniform(records, budget, encoder=encoder, on_invalid="drop")

    assert len(chosen) == rows
    assert not set(chosen.indices.tolist()) & set(BAD_TEXTS)
    assert chosen.provenance.dropped == {
        2: "column 'text' is None",
        5: "column 'text' is int, not a string",
        8: "is empty",
        11: "is only white space",
        14: "column 'text' is float, not a string",
        17: "is not valid Unicode: there is a lone surrogate at character 6",
    }
    assert len(encoder.seen) == 14
    assert [record["text"] for record in chosen.take(records)] == [
        records[row]["text"] for row in chosen.indices
    ]


def test_rows_keep_their_numbers_when_others_are_dropped():
    records = records_with_bad_texts()
    kept = [row for row in range(20) if row not in BAD_TEXTS]

    chosen = select_uniform(records, 6, encoder=TopicEncoder(), on_invalid="drop")

    expected = select_uniform([records[row] for row in kept], 6, encoder=TopicEncoder())
    assert chosen.indices.tolist() == [kept[row] for row in expected.indices]
    np.testing.assert_array_equal(chosen.radii, expected.radii)
    assert chosen.coverage_radius == expected.coverage_radius


def test_unusable_texts_are_rejected_with_their_rows():
    with pytest.raises(errors.TextError) as raised:
        select_uniform(records_with_bad_texts(), 3, encoder=TopicEncoder())

    message = str(raised.value)
    assert message.startswith(
        "6 of 20 rows have no usable text: row 2 column 'text' is None; row 5 "
    )
    assert "; and 1 more" in message
    assert 'on_invalid="drop"' in message


@pytest.mark.parametrize(
    ("suffix", "line"), [(".jsonl", "line 3"), (".csv", "line 4"), (".json", "record 3")]
)
def test_messages_name_file_and_line(tmp_path, suffix, line):
    path = tmp_path / f"train{suffix}"
    texts = ["one", "two", "", "four"]
    path.write_text(
        {
            ".jsonl": "\n".join(json.dumps({"text": text}) for text in texts),
            ".json": json.dumps([{"text": text} for text in texts]),
            ".csv": "text\n" + "\n".join(f'"{text}"' for text in texts) + "\n",
        }[suffix]
    )

    with pytest.raises(errors.TextError, match=f"train{suffix}, {line} is empty"):
        select_uniform(path, 1, encoder=TopicEncoder())


def test_dropped_rows_are_logged(caplog):
    with caplog.at_level(logging.WARNING, logger="evenly"):
        select_uniform(["a", "", "b"], 1, encoder=TopicEncoder(), on_invalid="drop")

    assert caplog.messages == ["1 of 3 rows dropped for their text: row 1 is empty"]


BAD_VECTORS = {
    1: ([0.0, 0.0], "is a zero vector, which has no direction to normalise"),
    3: ([np.nan, 1.0], "coordinate 0 is nan"),
    4: ([1.0, -np.inf], "coordinate 1 is -inf"),
    6: ([1e200, 1.0], "has no coordinate beyond 1e+200, which float64 cannot square"),
    7: ([1e-200, 0.0], "has no coordinate beyond 1e-200"),
}


def vectors_with_bad_rows():
    vectors = np.random.default_rng(0).normal(size=(12, 2))
    for row, (vector, _) in BAD_VECTORS.items():
        vectors[row] = vector
    return vectors


def test_unusable_vectors_are_rejected_or_dropped():
    vectors = vectors_with_bad_rows()

    with pytest.raises(errors.VectorError, match=r"5 of 12 rows.*row 1 is a zero vector"):
        select_uniform(vectors, 2)
    chosen = select_uniform(vectors, 1.0, on_invalid="drop")

    assert sorted(chosen.indices) == [0, 2, 5, 8, 9, 10, 11]
    assert list(chosen.provenance.dropped) == list(BAD_VECTORS)
    for row, (_, reason) in BAD_VECTORS.items():
        assert chosen.provenance.dropped[row].startswith(reason)


def test_a_zero_vector_is_usable_without_normalising():
    chosen = select_uniform(np.array([[0.0, 0.0], [3.0, 4.0], [0.1, 0.0]]), 2, normalize=False)

    assert sorted(chosen.indices) == [0, 1]
    assert chosen.h_min == 5.0


def test_vectors_of_an_encoder_are_checked():
    vectors = np.random.default_rng(0).normal(size=(20, 4))
    vectors[9] = np.nan
    encoder = Returning(vectors)

    with pytest.raises(errors.VectorError, match="row 9 coordinate 0 is nan"):
        select_uniform(texts_of(20), 5, encoder=encoder)
    chosen = select_uniform(records_with_bad_texts(), 1.0, encoder=encoder, on_invalid="drop")

    assert set(chosen.provenance.dropped) == {9, *BAD_TEXTS}
    assert len(chosen) == 13


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "holds no rows"),
        (np.empty((0, 3)), "holds no rows"),
        (["", " "], "none of the 2 rows .*row 0 is empty; row 1 is only white space"),
        (np.zeros((2, 3)), "none of the 2 rows.*zero vector"),
    ],
)
def test_a_pool_without_a_usable_row_is_empty(data, message):
    encoder = TopicEncoder()

    with pytest.raises(errors.EmptyPoolError, match=message):
        select_uniform(data, 1, encoder=encoder, on_invalid="drop")
    assert encoder.seen == []


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ('{"text": "a"}\n{"text": \n', errors.RecordError, r"train\.jsonl, line 2: invalid JSON"),
        ('{"text": "a"}\n[1]\n', errors.RecordError, r"train\.jsonl, line 2: a JSON array"),
        ('{"a": "x", "b": "y"}\n', errors.ColumnError, r"The columns are: a, b"),
        ("", errors.EmptyPoolError, r"train\.jsonl holds no rows"),
    ],
)
def test_unusable_files_are_rejected(tmp_path, content, error, message):
    (tmp_path / "train.jsonl").write_text(content)

    with pytest.raises(error, match=message):
        select_uniform(tmp_path / "train.jsonl", 1, encoder=TopicEncoder())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1.0, 2.0], [3.0]], "row 0 has 2 numbers, row 1 has 1"),
        (np.array([["a", "b"]], dtype=object), "type object"),
        (np.ones((2, 2), complex), "type complex"),
        (np.ones(3), r"shape \(3,\)"),
    ],
)
def test_arrays_of_a_wrong_kind_are_rejected(data, message):
    with pytest.raises(errors.VectorError, match=message):
        select_uniform(data, 1)


def test_roles_choose_whose_messages_are_read():
    chats = [
        {"messages": [{"role": "user", "content": f"{a} u"}, {"role": "assistant", "content": b}]}
        for a, b in [("a", "jj"), ("b", "ii")]
    ]

    def seen_with(**options):
        encoder = TopicEncoder()
        select_uniform(chats, 1, encoder=encoder, **options)
        return sorted(encoder.seen)

    assert seen_with() == ["a u", "b u"]
    assert seen_with(roles="assistant") == ["ii", "jj"]
    assert seen_with(roles=("user", "assistant")) == ["a u\njj", "b u\nii"]


def test_text_may_be_columns_or_a_function():
    records = [{"q": "a", "r": "b"}, {"q": "c", "r": ""}]

    def seen_with(text):
        encoder = TopicEncoder()
        select_uniform(records, 1, text=text, encoder=encoder)
        return sorted(encoder.seen)

    assert seen_with(["q", "r"]) == ["a\nb", "c"]
    assert seen_with(lambda record: record["q"] * 2) == ["aa", "cc"]


def test_embed_returns_one_vector_a_row():
    texts, encoder = texts_of(9), TopicEncoder()

    embeddings = embed([*texts, texts[0]], encoder=encoder)

    np.testing.assert_array_equal(embeddings.vectors, TopicEncoder().encode([*texts, texts[0]]))
    np.testing.assert_array_equal(np.asarray(embeddings), embeddings.vectors)
    assert sorted(encoder.seen) == sorted(texts)
    assert embeddings.truncated == 0
    with pytest.raises(errors.TextError, match="row 1 is empty"):
        embed(["a", ""], encoder=encoder)
    with pytest.raises(errors.OptionError, match="holds vectors already"):
        embed(np.eye(3))


def test_the_vectors_of_embed_can_be_selected_from():
    texts = texts_of(30)

    by_text = select_uniform(texts, 8, encoder=TopicEncoder())

    by_vector = select_uniform(embed(texts, encoder=TopicEncoder()).vectors, 8)
    np.testing.assert_array_equal(by_text.indices, by_vector.indices)
    np.testing.assert_array_equal(by_text.radii, by_vector.radii)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int64(5), 5),
        (np.float32(0.5), 0.5),
        (np.bool_(False), False),
        (True, True),
        (None, None),
        ("x", "x"),
        (("a", np.int8(1)), ["a", 1]),
        ({"k": np.float64(2.0)}, {"k": 2.0}),
        (TopicEncoder(), NotKept("TopicEncoder")),
        (texts_of, NotKept("texts_of")),
        (Fraction(10**400), NotKept("Fraction")),
    ],
)
def test_options_become_json_values(value, expected):
    found = as_json_value(value)

    assert found == expected
    assert type(found) is type(expected)


def test_files_that_are_slow_to_read_row_by_row_are_reported(tmp_path, caplog):
    by_row = np.random.default_rng(0).normal(size=(20, 3))
    np.save(tmp_path / "rows.npy", by_row)
    np.save(tmp_path / "columns.npy", np.asfortranarray(by_row))

    prepare(tmp_path / "columns.npy", InputOptions())
    prepare(tmp_path / "rows.npy", InputOptions(engine="mapped"))
    assert not caplog.records

    prepare(tmp_path / "columns.npy", InputOptions(engine="mapped"))
    [record] = caplog.records
    assert "columns.npy stays on disk" in record.getMessage()
    assert "write it as .npy" in record.getMessage()
