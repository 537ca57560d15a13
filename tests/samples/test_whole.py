"""What a model is trained on of each record, at any depth, without what is no text."""

import numpy as np
import pandas as pd
import pytest

from evenly.errors import ColumnError, TextError
from evenly.samples import open_samples, read_whole


def whole(*arguments, **options):
    texts, counted = read_whole(*arguments, **options)
    return list(texts), counted


TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "Say hi."}, {"type": "image"}]},
    {"role": "assistant", "content": "Hi there."},
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        (TURNS, "Be brief.\nSay hi.\nHi there."),
        ([{"from": "human", "value": "Say hi."}, {"from": "gpt", "value": "Hi."}], "Say hi.\nHi."),
        ([["user", "Say hi."], ["assistant", "Hi."]], "Say hi.\nHi."),
        ({"role": ["user", "assistant"], "content": ["Say hi.", "Hi."]}, "Say hi.\nHi."),
        (
            '[{"role": "user", "content": "Say hi."}, {"role": "tool", "content": "1"}]',
            "Say hi.\n1",
        ),
        ({"text": ["in 1066", "then"], "answer_start": [3, 5]}, "in 1066\nthen"),
        (np.array(["in 1066", "then"], object), "in 1066\nthen"),
        ([0.5, 1.5], ""),
        (None, ""),
        (7, ""),
    ],
)
def test_texts_are_found_at_any_depth(value, text):
    samples = open_samples([{"answer": value, "prompt": "p"}])

    assert whole(samples, "answer") == ([text], "answer")


def test_columns_of_ids_names_and_numbers_do_not_count():
    records = [
        {
            "uid": f"row-{row}",
            "lang": "en",
            "n": row,
            "question_body": "why so",
            "reply": "it is so",
            "answer": "yes",
            "url": "https://example.org",
            "vector": [0.1, 0.2],
        }
        for row in range(3)
    ]
    expected = "why so\nit is so\nyes"
    for data in (records, pd.DataFrame(records)):
        samples = open_samples(data)
        texts, counted = whole(samples)
        assert texts == [expected] * 3
        assert counted == "question_body + reply + answer"
        assert whole(samples, embedded=["lang"])[0][0] == f"en\n{expected}"
        assert whole(samples, leave_out=["reply"])[0][0] == "why so\nyes"


def test_rows_that_lack_a_column_count_what_they_have():
    samples = open_samples(
        [{"prompt": "a b"}, {"prompt": "c d", "output": "e f"}, {"prompt": None}]
    )

    assert whole(samples) == (["a b", "c d\ne f", ""], "prompt + output")


def test_columns_or_a_function_are_a_choice():
    samples = open_samples([{"a": "x y", "b": "z", "c": "w v"}])

    assert whole(samples, ["c", "b"]) == (["w v\nz"], "c + b")
    assert whole(samples, lambda record: record["b"] * 2)[0] == ["zz"]
    assert whole(open_samples(["one", "two"])) == (["one", "two"], "the strings")
    with pytest.raises(ColumnError, match="no column 'd'"):
        whole(samples, "d")
    with pytest.raises(TextError, match=r"count= failed with KeyError"):
        whole(samples, lambda record: record["d"])
    with pytest.raises(TextError, match=r"count= returned int, not a string"):
        whole(samples, lambda record: 1)
