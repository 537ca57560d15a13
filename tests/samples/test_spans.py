"""Parts of a file of lines have the records, and the line numbers, of the whole file."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.support.encoders import texts_of

from evenly.errors import DataError
from evenly.samples import open_samples
from evenly.samples.spans import spans_of

RECORDS = [
    {"id": f"r{row}", "text": text, "long": "é" * (row * 7 % 40)}
    for row, text in enumerate(texts_of(60))
]
LINES = [json.dumps(record, ensure_ascii=False).encode() for record in RECORDS]

CONTENTS = {
    "plain": b"\n".join(LINES) + b"\n",
    "no line break at the end": b"\n".join(LINES),
    "blank lines": b"\n\n  \n".join(LINES) + b"\n\n",
    "blank at both ends": b"\n" * 3000 + b"\n".join(LINES) + b"\n" * 9000,
    "CRLF": b"\r\n".join(LINES) + b"\r\n",
    "byte order mark": b"\xef\xbb\xbf" + b"\n".join(LINES),
    "one long line": b"\n".join([*LINES, b'{"text": "' + b"long " * 9000 + b'"}', *LINES[:3]]),
    "one line": LINES[0],
    "nothing": b"",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def numbered(path, parts):
    """Return the spans of a file as workers get them."""
    spans, before = spans_of(path, parts), 0
    for number, span in enumerate(spans):
        spans[number] = replace(span, before=before)
        before += span.count_lines()
    return spans


@pytest.mark.parametrize("format", ["jsonl", "txt"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7, 500])
@pytest.mark.parametrize("content", CONTENTS)
def test_parts_are_the_whole(content, parts, format):
    path = f"a.{format}"
    Path(path).write_bytes(CONTENTS[content])
    whole = open_samples(path)

    spans = numbered(path, parts)
    opened = [pickle.loads(pickle.dumps(span.open(format))) for span in spans]

    assert b"".join(span.content[:] for span in spans) == CONTENTS[content]
    assert len(spans) <= parts
    assert sum(len(one) for one in opened) == len(whole)
    assert [record for one in opened for record in one.records()] == list(whole.records())
    places = [one.locate(row) for one in opened for row in range(len(one))]
    assert places == [whole.locate(row) for row in range(len(whole))]
    assert all(one.content_hash() == whole.content_hash() for one in opened)


def test_parts_are_of_about_the_same_size():
    Path("a.jsonl").write_bytes(CONTENTS["plain"])
    sizes = [len(span.content) for span in spans_of("a.jsonl", 4)]
    assert max(sizes) < 2 * min(sizes)


def test_no_part_begins_with_a_byte_order_mark():
    bom = b"\xef\xbb\xbf"
    Path("a.txt").write_bytes(b"\n".join(bom + bytes([97 + row]) * 50 for row in range(9)))
    whole = list(open_samples("a.txt").records())
    for parts in range(1, 12):
        opened = [span.open("txt") for span in spans_of("a.txt", parts)]
        assert [record for one in opened for record in one.records()] == whole


def test_a_file_that_changed_is_not_opened():
    Path("a.jsonl").write_bytes(CONTENTS["plain"])
    span = spans_of("a.jsonl", 3)[1]
    Path("a.jsonl").write_bytes(CONTENTS["plain"] + b"\n")
    for use in (span.count_lines, lambda: span.open("jsonl")):
        with pytest.raises(DataError, match=r"a\.jsonl changed after it was opened"):
            use()


def test_a_part_is_read_in_blocks():
    rows = np.arange(30_000)
    Path("a.txt").write_bytes(b"".join(b"%d %s\n" % (row, b"x" * 80) for row in rows.tolist()))
    spans = numbered("a.txt", 3)
    assert spans[2].before + len(spans[2].open("txt")) == 30_000
    last = spans[2].open("txt")
    assert last.locate(len(last) - 1) == "a.txt, line 30000"
