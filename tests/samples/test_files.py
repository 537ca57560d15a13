"""Files, shards and streams: the location of rows, and the errors of invalid files."""

import gzip
import io
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from evenly.errors import (
    ColumnError,
    DataError,
    MissingExtraError,
    OptionError,
    OutputError,
    OutputExistsError,
    RecordError,
    RowError,
    VectorError,
)
from evenly.samples import lines, open_samples, read_texts


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# name, content, error, message after the path
BAD_FILES = [
    ("a.jsonl", '{"a": 1}\n\n{"a": }\n', RecordError, ", line 3: invalid JSON: Expecting value at"),
    (
        "a.jsonl",
        '{"a": 1}\n{"a": 1} {}\n',
        RecordError,
        ", line 2: invalid JSON: Extra data at character 10",
    ),
    ("a.jsonl", '{"a": 1}\x0b\n', RecordError, ", line 1: invalid JSON: Extra data at"),
    ("a.jsonl", '{"a": 1}\n[1]\n', RecordError, ", line 2: a JSON array instead of an object"),
    ("a.jsonl", '{"a": 1}\nnull\n', RecordError, ", line 2: a JSON null instead of an object"),
    (
        "a.jsonl",
        b'{"a": "x"}\n{"a": "\xff"}',
        RecordError,
        ", line 2: invalid UTF-8: byte 8 is 0xff",
    ),
    ("a.jsonl", '{"a": %s}' % ("9" * 5000), RecordError, ", line 1: cannot be parsed: Exceeds"),
    ("a.jsonl", "[" * 200_000, RecordError, ", line 1: cannot be parsed:"),
    ("a.jsonl.gz", b"plain", DataError, " is not a complete gzip file"),
    (
        "a.jsonl.gz",
        gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-9],
        DataError,
        " is not a complete gzip file",
    ),
    ("a.json", '[\n{"a": 1},\n{"a" 2}]', RecordError, ", line 3: invalid JSON: Expecting ':'"),
    ("a.json", '{"a": 1}', DataError, " holds a JSON object instead of an array of objects"),
    ("a.json", '{"a": [], "b": 1}', DataError, "under one of its keys ('a', 'b')"),
    (
        "a.json",
        '{"a": [{"a": 1}], "b": [{"a": 1}]}',
        DataError,
        "under several keys: 'a', 'b'. Save the one",
    ),
    (
        "a.json",
        '{"a": 1,\n"b": 2}\n{"a": 2}',
        RecordError,
        ", line 3: invalid JSON: Extra data at character 1",
    ),
    ("a.json", '{"a": 1}\n{"a": }', RecordError, ", line 2: invalid JSON: Expecting value at"),
    ("a.json", "[" * 200_000, RecordError, " is not a complete JSON file: maximum recursion"),
    ("a.json", '[{"a": 1}, "b"]', RecordError, ", record 2: a JSON string instead of an object"),
    ("a.json", '["a", 2]', RecordError, ", record 2: a JSON number instead of a string"),
    ("a.json", b'["\xff"]', RecordError, ": invalid UTF-8: byte 3 is 0xff"),
    (
        "a.csv",
        'a,b\n1,2\n"x\ny",2\n1\n',
        RecordError,
        ", line 5: the record has 1 field, but the header",
    ),
    (
        "a.csv",
        "a,b\n1,2,3\n",
        RecordError,
        ", line 2: the record has 3 fields, but the header has 2 (a, b)",
    ),
    (
        "a.csv",
        'a,b\n1,2\n1,"2\n3,4\n',
        RecordError,
        ", line 3: the record cannot be parsed: unexpected end of data",
    ),
    ("a.csv", b"a,b\n1,\xff\n", RecordError, ", line 2: invalid UTF-8: byte 3 is 0xff"),
    ("a.csv", "a,b,a\n1,2,3\n", ColumnError, " has 2 columns named 'a'"),
    ("a.tsv", "a\tb\n1\n", RecordError, ", line 2: the record has 1 field,"),
    ("a.parquet", b"PAR1 no", DataError, " is not a complete parquet file"),
    ("a.npy", b"no", VectorError, " is not a complete .npy file of numbers"),
    ("a.npy", b"", VectorError, " is not a complete .npy file of numbers"),
    (
        "a.text",
        "x",
        DataError,
        " from its suffix. Known suffixes: .jsonl, .ndjson, .json, .csv",
    ),
    ("a.parquet.gz", "x", DataError, " from its suffix. Known suffixes"),
]


@pytest.mark.parametrize(("name", "content", "error", "message"), BAD_FILES)
def test_the_error_of_an_invalid_file_names_the_file_and_the_line(
    file, name, content, error, message
):
    path = file(name, content)
    with pytest.raises(error) as raised:
        open_samples(path).column("a")
    assert type(raised.value) is error
    assert str(path) in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv"])
@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_file_has_no_rows_and_every_column(file, name, content):
    samples = open_samples(file(name, content if "sv" not in name else content.replace(" ", "")))
    assert len(samples) == 0
    assert samples.column("text") == []
    assert samples.take([]) == []
    assert read_texts(samples, "text").values == []


def test_byte_order_mark_carriage_returns_and_blank_lines(file):
    content = '\ufeff{"a": 1}\r\n\r\n \t\r\n{"a": 2}'
    samples = open_samples(file("a.jsonl", content))
    assert samples.column("a") == [1, 2]
    assert samples.locate(1).endswith("a.jsonl, line 4")
    out = io.BytesIO()
    samples.write(out, [1, 0])
    assert out.getvalue() == b'{"a": 2}\n{"a": 1}\r\n'
    assert open_samples(file("a.json", '\ufeff["x"]')).take([0]) == ["x"]
    assert open_samples(file("a.csv", "\ufeffa,b\r\n1,2\r\n")).columns == ("a", "b")


def test_csv_records_keep_their_bytes_and_their_lines(file, tmp_path):
    path = file("a.csv", 'a;b\n"x\n\ny";\'1\'\n\n"q"; 2')
    samples = open_samples(path)
    assert list(samples.records()) == [{"a": "x\n\ny", "b": "'1'"}, {"a": "q", "b": " 2"}]
    assert [samples.locate(row) for row in (0, 1)] == [f"{path}, line 2", f"{path}, line 6"]
    samples.write(tmp_path / "o.csv", [1, 0])
    assert (tmp_path / "o.csv").read_text() == 'a;b\n"q"; 2\n"x\n\ny";\'1\'\n'


@pytest.mark.parametrize(
    ("content", "record"),
    [
        ("a;b\n1;2,3", {"a": "1", "b": "2,3"}),
        ("a\tb\n1\t2", {"a": "1", "b": "2"}),
        ("a|b\n1|2", {"a": "1", "b": "2"}),
        ('a;"b,c"\n1;2', {"a": "1", "b,c": "2"}),
        ('"a;b",c\n1,2', {"a;b": "1", "c": "2"}),
        ('"a;\nb"\n1', {"a;\nb": "1"}),
        ("a\n1;2", {"a": "1;2"}),
    ],
)
def test_the_separator_is_detected_in_the_csv_header(file, content, record):
    assert list(open_samples(file("a.csv", content)).records()) == [record]


def test_csv_reads_long_texts_and_restores_the_global_limit(file):
    import csv

    before = csv.field_size_limit()
    samples = open_samples(file("a.csv", "text\n" + "x" * 200_000 + "\n"))
    assert len(samples.column("text")[0]) == 200_000
    assert len(samples.take([0])[0]["text"]) == 200_000
    assert csv.field_size_limit() == before


def test_the_error_of_a_missing_column_lists_the_columns(file):
    samples = open_samples(file("a.jsonl", '{"prompt": "x", "n": 1}\n{"other": 2}\n'))
    with pytest.raises(ColumnError, match=r"no column 'promt'. Did you mean 'prompt'\?") as raised:
        samples.column("promt")
    assert "The columns are: prompt, n, other." in str(raised.value)
    assert samples.column("other") == [None, 2]


def test_the_error_of_a_missing_file_suggests_a_similar_one(file):
    path = file("train.jsonl", "")
    with pytest.raises(DataError, match=r"there is no file .*trian.jsonl. Did you mean .*train"):
        open_samples(path.with_name("trian.jsonl"))
    with pytest.raises(DataError, match=r"there is no file nowhere/x.jsonl\.$"):
        open_samples("nowhere/x.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json", "a.npy", "a.parquet"])
def test_a_changed_file_is_rejected(tmp_path, name):
    path = tmp_path / name
    source = np.ones((3, 2)) if name == "a.npy" else [{"a": "1"}, {"a": "2"}]
    open_samples(source).write(path, [0, 1])
    samples = open_samples(path)
    os.utime(path, ns=(1, 1))
    for use in (lambda: samples.write(tmp_path / f"o-{name}", [0]), samples.content_hash):
        with pytest.raises(DataError, match=f"{name} changed after it was opened"):
            use()
    assert not (tmp_path / f"o-{name}").exists()


def test_a_changed_jsonl_file_is_not_read(file):
    path = file("a.jsonl", '{"a": 1}\n{"a": 2}\n')
    samples = open_samples(path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="changed after it was opened"):
        samples.take([1])


def test_overwriting_the_input(file):
    path = file("a.jsonl", '{"a": 1}\n{"a": 2}\n')
    samples = open_samples(path)
    with pytest.raises(OutputExistsError, match=r"a\.jsonl already exists"):
        samples.write(path, [1])
    samples.write(path, [1], force=True)
    assert path.read_bytes() == b'{"a": 2}\n'


def test_shards_are_one_data_set_in_the_order_of_file_names(file, tmp_path):
    file("b.jsonl", '{"a": 3, "z": 0}')
    file("a.jsonl.gz", gzip.compress(b'{"a": 1}\n\n{"a":  2}\n'))
    file("README.md", "no data")
    file(".hidden.json", "[]")
    folder = open_samples(str(tmp_path))
    assert folder.origin == f"2 files in {tmp_path}"
    assert open_samples(f"{tmp_path}/*.jsonl*").origin == f"2 files matching {tmp_path}/*.jsonl*"
    assert folder.column("a") == [1, 2, 3]
    assert folder.column("z") == [None, None, 0]
    assert folder.columns == ("a", "z")
    assert [folder.locate(row).rpartition("/")[2] for row in range(3)] == [
        "a.jsonl.gz, line 1",
        "a.jsonl.gz, line 3",
        "b.jsonl, line 1",
    ]
    assert folder.take([2, 0, 1]) == [{"a": 3, "z": 0}, {"a": 1}, {"a": 2}]
    out = io.BytesIO()
    folder.write(out, [2, 1])
    assert out.getvalue() == b'{"a": 3, "z": 0}\n{"a":  2}\n'


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet", "npy"])
def test_shards_of_every_format(tmp_path, suffix):
    rows = np.eye(3) if suffix == "npy" else [{"a": "1"}, {"a": "2"}, {"a": "3"}]
    open_samples(rows).write(tmp_path / f"1.{suffix}", [0, 1])
    open_samples(rows).write(tmp_path / f"2.{suffix}", [2])
    samples = open_samples(tmp_path)
    samples.write(tmp_path / "out" / f"o.{suffix}", [2, 0])
    back = open_samples(tmp_path / "out" / f"o.{suffix}")
    if suffix == "npy":
        assert samples.vectors.tolist() == np.eye(3).tolist()
        assert back.vectors.tolist() == [[0, 0, 1], [1, 0, 0]]
    else:
        assert list(samples.records()) == rows
        assert list(back.records()) == [{"a": "3"}, {"a": "1"}]
    assert "2." in samples.locate(2)
    (tmp_path / f"2.{suffix}").unlink()
    with pytest.raises(DataError, match="cannot read"):
        samples.content_hash()


def test_csv_shards_of_different_headers_are_converted(file, tmp_path):
    file("1.csv", "a,b\n1,2\n")
    file("2.csv", "b,c\n3,4\n")
    samples = open_samples(tmp_path)
    out = io.BytesIO()
    samples.write(out, [1, 0])
    assert out.getvalue() == b"a,b,c\n,3,4\n1,2,\n"


def test_incompatible_shards(file, tmp_path):
    file("1.csv", "a\n1\n")
    file("2.json", "[]")
    with pytest.raises(DataError, match=r"different formats: .*1.csv is csv, .*2.json is json"):
        open_samples(tmp_path)
    with pytest.raises(DataError, match=r"no file matches .*\*.tsv"):
        open_samples(f"{tmp_path}/*.tsv")
    np.save(tmp_path / "x1.npy", np.ones((2, 3)))
    np.save(tmp_path / "x2.npy", np.ones((2, 4)))
    with pytest.raises(VectorError, match=r"x1.npy has 3 numbers per row, .*x2.npy has 4"):
        open_samples(f"{tmp_path}/x*.npy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no file of a known format"):
        open_samples(tmp_path / "empty")


@pytest.mark.parametrize("text", ["x" * 5000, "one\n" * 300, "a\0b"])
def test_a_text_is_no_file(text):
    with pytest.raises(DataError, match="there is no file"):
        open_samples(text)


def test_a_text_file_has_one_text_a_line(file, tmp_path):
    path = file("a.txt", "\ufeffb c \r\n\n \nd\re\nf")
    samples = open_samples(path)
    assert samples.columns == ("text",)
    assert samples.column("text") == ["b c ", "d\re", "f"]
    assert samples.locate(2) == f"{path}, line 5"
    samples.write(tmp_path / "o.txt", [2, 0])
    assert (tmp_path / "o.txt").read_bytes() == b"f\nb c \r\n"
    open_samples(["x", "y"]).write(tmp_path / "p.txt.gz", [1, 0])
    assert open_samples(tmp_path / "p.txt.gz").column("text") == ["y", "x"]


def test_a_text_file_beside_records_in_a_folder_is_left_out(file, tmp_path):
    file("README.txt", "About these data")
    assert open_samples(tmp_path).column("text") == ["About these data"]
    file("a.jsonl", '{"text": "x"}')
    assert open_samples(tmp_path).column("text") == ["x"]


def test_a_saved_dataset_folder_is_recognised(file, tmp_path):
    file("state.json", "{}")
    file("dataset_info.json", "{}")
    with pytest.raises(DataError, match="load_from_disk"):
        open_samples(tmp_path)


def test_streams(monkeypatch):
    stdin = SimpleNamespace(buffer=io.BytesIO(b'{"a": 1}\n'))
    monkeypatch.setattr(sys, "stdin", stdin)
    samples = open_samples(stdin.buffer)
    assert samples.origin == "standard input"
    assert samples.locate(0) == "standard input, line 1"
    assert open_samples(io.BytesIO(b"a\tb\n1\t2\n"), format="tsv").column("b") == ["2"]
    assert open_samples(io.BytesIO(b'["x"]'), format="json").take([0]) == ["x"]
    with pytest.raises(OptionError, match="one of jsonl, json, csv, tsv, txt, got 'parquet'"):
        open_samples(io.BytesIO(b""), format="parquet")
    with pytest.raises(DataError, match="yields str, not bytes"):
        open_samples(io.StringIO("x"))


def test_format_takes_precedence_over_the_suffix(file):
    path = file("data.txt", '{"a": 1}\n')
    assert open_samples(path, format="jsonl").column("a") == [1]
    with pytest.raises(OptionError, match="got 'xml'"):
        open_samples(path, format="xml")
    with pytest.raises(OptionError, match="in memory"):
        open_samples(["x"], format="jsonl")


def test_the_error_of_missing_pyarrow_names_the_extra(file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"reading .*a.parquet needs .*evenly\[parquet\]"):
        open_samples(file("a.parquet", ""))
    with pytest.raises(MissingExtraError, match=r"writing .*b.parquet needs .*evenly\[parquet\]"):
        open_samples([{"a": 1}]).write(tmp_path / "b.parquet", [0])
    assert not (tmp_path / "b.parquet").exists()


def test_invalid_outputs(tmp_path):
    samples = open_samples([{"a": 1, "b": object()}, {"a": "x", "b": None}])
    with pytest.raises(OutputError, match=r"output format from the suffix of .*out.text"):
        samples.write(tmp_path / "out.text", [0])
    with pytest.raises(OutputError, match="the column 'b': it has a value of type object"):
        samples.write(tmp_path / "out.jsonl", [1, 0])
    with pytest.raises(OutputError, match="parquet cannot hold the column 'a'"):
        samples.write(tmp_path / "out.parquet", [0, 1])
    with pytest.raises(OutputError, match="npy files hold only vectors"):
        samples.write(tmp_path / "out.npy", [0])
    for suffix in ("csv", "txt"):
        with pytest.raises(OutputError, match="lone surrogate"):
            open_samples(["\ud800"]).write(tmp_path / f"out.{suffix}", [0])
    with pytest.raises(OutputError, match=r".txt holds one text a line, but a record is \{'a': 1"):
        samples.write(tmp_path / "out.txt", [0])
    with pytest.raises(OutputError, match=r"but a text has line breaks: 'x\\ny'"):
        open_samples(["x\ny"]).write(tmp_path / "out.txt", [0])
    with pytest.raises(
        OutputError, match=r"which cannot be written as jsonl. Write .npy or .safetensors"
    ):
        open_samples(np.ones((2, 2))).write(tmp_path / "out.jsonl", [0])
    with pytest.raises(RowError, match=r"row 2 is out of range: the data have 2 rows"):
        samples.write(tmp_path / "out.jsonl", [0, 2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [[-1], [3], [0.0], np.array([True, False, True]), [[0]]])
def test_invalid_row_numbers(file, rows):
    for data in (["a", "b", "c"], file("a.jsonl", '{"a": 1}\n' * 3), np.eye(3)):
        with pytest.raises(RowError):
            open_samples(data).take(rows)


def test_the_hash_covers_the_content(file, tmp_path):
    path = file("a.jsonl", '{"a": 1}\n')
    import hashlib

    assert open_samples(path).content_hash() == (
        "sha256:" + hashlib.sha256(b'{"a": 1}\n').hexdigest()
    )
    hashes = {
        open_samples(data).content_hash()
        for data in (["a"], ["a", ""], [{"a": 1}], [{"a": 2}], [{"b": 1}], np.eye(2), np.eye(3))
    } | {open_samples(np.eye(2, dtype="f4")).content_hash()}
    assert len(hashes) == 8
    assert (
        open_samples([{"x": object()}]).content_hash()
        == open_samples([{"x": object()}]).content_hash()
    )


@pytest.mark.parametrize("read_at_once", [1, 40, 1 << 20])
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.csv"])
def test_all_records_are_read_as_single_ones_are(file, name, read_at_once, monkeypatch):
    monkeypatch.setattr(lines, "_READ_BYTES", read_at_once)
    words = ["one", "ж" * 30, "x" * 100, "2"]
    content = {
        "a.jsonl": '\ufeff{"text": "one"}\r\n\n  {"text": "%s"} \n{"text": "%s"}\n\n{"text": "2"}',
        "a.txt": "one\r\n\n%s\n%s\n \n2",
        "a.csv": 'text\none\r\n\n"%s"\n%s\n\n2',
    }[name] % (words[1], words[2])

    samples = open_samples(file(name, content))

    expected = [{"text": word} for word in words]
    assert list(samples.records()) == expected
    assert [record for row in range(4) for record in samples.records([row])] == expected
    assert samples.column("text") == words
