"""How the text of a record is found, and why some records have none."""

import json
import logging

import numpy as np
import pytest

from evenly.errors import ColumnError, OptionError, TextError
from evenly.samples import open_samples, read_texts

USER = {"role": "user", "content": "hi"}
BOT = {"role": "assistant", "content": "yes"}


def texts_of(records, *args, **options):
    return read_texts(open_samples(records), *args, **options)


@pytest.mark.parametrize(
    ("record", "text", "description"),
    [
        ("x", "x", "the strings"),
        ({"text": "x", "prompt": "y", "messages": []}, "x", "text"),
        ({"prompt": "x", "answer": "y"}, "x", "prompt"),
        ({"instruction": "x", "input": "y", "output": "z"}, "x\ny", "instruction + input"),
        ({"instruction": "x", "input": "", "output": "z"}, "x", "instruction + input"),
        ({"instruction": "x", "output": "z"}, "x", "instruction"),
        ({"question": "x", "answer": "y"}, "x", "question"),
        ({"messages": [USER, BOT], "id": 1}, "hi", "messages"),
        ({"conversations": [{"from": "human", "value": "x"}], "id": 1}, "x", "conversations"),
        ({"prompt": [USER], "id": 1}, "hi", "prompt"),
        ({"sentence": "x"}, "x", "sentence"),
    ],
)
def test_the_text_column_is_detected_and_logged(record, text, description, caplog):
    with caplog.at_level(logging.INFO, logger="evenly"):
        found = texts_of([record, record])
    assert found.values == [text, text]
    assert found.invalid == {}
    assert found.description == description
    detected = f"text column: {description} (detected automatically)"
    assert caplog.messages == ([] if description == "the strings" else [detected])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (
            {"prompt": "x", "messages": []},
            "could be prompt or messages. Name the column with text=",
        ),
        ({"instruction": "x", "question": "y"}, "could be instruction or question"),
        ({"a": "x", "b": "y"}, "is in none of the usual columns.*The columns are: a, b"),
    ],
)
def test_an_ambiguous_text_column_is_an_error(record, message):
    with pytest.raises(ColumnError, match=f"a list of 1 record {message}"):
        texts_of([record])


def test_named_columns_are_joined_and_not_logged(caplog):
    caplog.set_level(logging.INFO, logger="evenly")
    records = [{"a": "x", "b": "y"}, {"a": "", "b": "y"}, {"a": "x", "b": None}, {"a": "x"}]
    found = texts_of(records, ["b", "a"])
    assert found.values == ["y\nx", "y", "", ""]
    assert found.invalid == {2: "column 'b' is None", 3: "column 'b' is missing"}
    assert found.description == "b + a"
    assert texts_of(records, "a").values == ["x", "", "x", "x"]
    assert caplog.messages == []
    with pytest.raises(ColumnError, match="no column 'c'"):
        texts_of(records, ["a", "c"])


def test_every_unusable_text_has_its_reason():
    found = texts_of([{"t": v} for v in ["x", None, 3, "", " \n\t", "a\ud800", {"k": 1}]], "t")
    assert found.values == ["x", "", "", "", "", "", ""]
    assert found.invalid == {
        1: "column 't' is None",
        2: "column 't' is int, not a string",
        3: "is empty",
        4: "is only white space",
        5: "is not valid Unicode: there is a lone surrogate at character 2",
        6: "column 't' is dict, not a string",
    }
    assert texts_of(["x", None, 3]).invalid == {1: "is None", 2: "is int, not a string"}


def test_a_function_of_the_record():
    records = [{"a": "x"}, {"a": "y"}, {"a": None}]
    found = texts_of(records, lambda record: record["a"] and record["a"].upper())
    assert found.values == ["X", "Y", ""]
    assert found.invalid == {2: "is None"}
    assert texts_of(["q"], str.upper).values == ["Q"]
    assert texts_of(["q"], str.upper).description == "the function upper"
    with pytest.raises(TextError, match=r"row 2: the function passed as text= failed .*TypeError"):
        texts_of(records, lambda record: record["a"] + "!")


@pytest.mark.parametrize(
    ("messages", "roles", "text"),
    [
        ([USER, BOT, {"role": "user", "content": "bye"}], ("user",), "hi\nbye"),
        ([USER, BOT], "assistant", "yes"),
        ([USER, BOT], ("assistant", "user"), "hi\nyes"),
        ([{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], ("user",), "q"),
        ([{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], ("gpt",), "a"),
        ([{"from": "gpt", "value": "a"}], ("assistant",), "a"),
        ([{"from": "system", "value": "s"}, USER], ("system",), "s"),
        ([{"role": "user", "content": None}, USER], ("user",), "hi"),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "look"},
                        {"type": "image", "url": "u"},
                        {"type": "text", "text": "here"},
                    ],
                }
            ],
            ("user",),
            "look\nhere",
        ),
    ],
)
def test_chats(messages, roles, text):
    assert texts_of([{"c": messages}], "c", roles=roles).values == [text]


SHAPES = {
    "turns": [["human", "hi"], ["assistant", "yes"], ["system", None]],
    "tuples": (("user", "hi"), ("assistant", "yes")),
    "lists": {"role": ["user", "assistant"], "content": ["hi", "yes"]},
    "arrays": {"from": np.array(["human", "gpt"]), "value": np.array(["hi", "yes"])},
    "parts": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}, BOT],
    "tool call": [USER, {"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_messages_in_every_shape_and_their_source_are_the_same_chat(shape):
    chat = SHAPES[shape]
    sources = [chat]
    if shape != "arrays":
        sources += [json.dumps(chat), f" {json.dumps(chat, indent=1)}\n"]
    if isinstance(chat, list) and isinstance(chat[0], dict):
        sources.append(str(chat))  # as pandas writes it to CSV
    found = texts_of([{"c": source} for source in sources], "c")
    assert found.values == ["hi"] * len(sources)
    assert found.invalid == {}


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        "[]",
        "{}",
        '["user", "hi"]',
        '[["a", "b"]]',
        '[["user", 3]]',
        '[{"from": "Rome", "to": "Oslo"}]',
        '{"role": "user"}',
        "[see below] {x}",
        "[{role: user}]",
        "[" * 100_000,
        " \u00a0[{'a': 1}]",
    ],
)
def test_texts_that_merely_look_like_source_stay_texts(text):
    assert texts_of([{"c": text}], "c").values == [text]


NO_TEXT = (
    "column 'c' has no text in its messages of role user: its roles are user, assistant, and "
    "roles= (on the command line: --roles) names those to read"
)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "column 'c' has no message of role user: it is empty"),
        ([BOT], "column 'c' has no message of role user: its roles are assistant"),
        (
            [USER, "hi"],
            "column 'c' message 2 is str, but must have role and content or from and value",
        ),
        (
            [{"who": "me"}],
            "column 'c' message 1 has the keys who, but must have role and content or",
        ),
        ([{"role": "user", "content": 3}], "column 'c' the content of message 1 is int"),
        ([{"role": "user", "content": [3]}], "column 'c' a part of message 1 is int without"),
        ([{"role": "user", "content": [{"type": "text"}]}], "column 'c' a text part of message 1"),
        ([{"role": "user", "content": ""}, BOT], NO_TEXT),
        ([{"role": "user", "content": None}, {"role": "assistant", "content": None}], NO_TEXT),
        ([["customer", "hi"]], "column 'c' message 1 is list, but must have role and content or"),
        ([["user", "hi"], ["user", "hi", "x"]], "column 'c' message 2 is list, but must have"),
        (
            {"role": ["user"], "content": []},
            "column 'c' has lists of different lengths: 1 of role and 0 of content",
        ),
        ({"role": ["user"]}, "column 'c' is dict, not a string"),
        (json.dumps([BOT]), "column 'c' has no message of role user: its roles are assistant"),
        ('[{"role": "user", "content": "cut', "column 'c' looks like messages as JSON, but is"),
        ("[{'role': 'user', 'content': 'hi'}\n {'role'", "column 'c' looks like messages as JSON"),
    ],
)
def test_chats_of_an_unknown_shape_are_invalid_rows(messages, reason):
    found = texts_of([{"c": messages}], "c")
    assert found.values == [""]
    assert found.invalid[0].startswith(reason)


def test_invalid_options():
    for text in (3, [], [""], [1]):
        with pytest.raises(OptionError, match="text must be a column"):
            texts_of(["x"], text)
    for roles in ((), "", [3]):
        with pytest.raises(OptionError, match="roles must name"):
            texts_of(["x"], roles=roles)
    with pytest.raises(TextError, match=r"an array of shape .* holds vectors"):
        texts_of(np.eye(2))
    with pytest.raises(ColumnError, match="has no columns"):
        texts_of(["x"], "text")
