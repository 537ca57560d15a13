"""Writing and opening are inverse to each other in every format."""

import gzip
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.samples import open_samples

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_records = st.lists(st.dictionaries(texts, values, max_size=4), max_size=8)
# csv on Python 3.10 cannot read NUL.
fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
string_tables = st.lists(fields, min_size=1, max_size=4, unique=True).flatmap(
    lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, fields)), min_size=1)
)


@pytest.mark.parametrize(
    "suffixes", [["jsonl", "ndjson", "jsonl.gz"], ["json", "json.gz"]], ids=str
)
@given(records=json_records, data=st.data())
def test_json_keeps_every_record(suffixes, records, data):
    suffix = data.draw(st.sampled_from(suffixes))
    with tempfile.TemporaryDirectory() as folder:
        check_round_trip(records, Path(folder) / f"out.{suffix}", data)


@pytest.mark.parametrize("suffixes", [["csv", "tsv", "csv.gz"], ["parquet"]], ids=str)
@given(records=string_tables, data=st.data())
def test_tables_keep_every_string(suffixes, records, data):
    suffix = data.draw(st.sampled_from(suffixes))
    with tempfile.TemporaryDirectory() as folder:
        check_round_trip(records, Path(folder) / f"out.{suffix}", data)


def check_round_trip(records, path, data):
    rows = data.draw(st.permutations(range(len(records))))
    rows = rows[: data.draw(st.integers(1, len(rows)))] if records else []

    open_samples(records).write(path, rows)
    back = open_samples(path)

    expected = [records[row] for row in rows]
    assert list(back.records()) == expected
    assert len(back) == len(expected)
    for name in back.columns if expected else ():
        assert back.column(name) == [record.get(name) for record in expected]
    # Write the file again in the same format, which copies the bytes of its records.
    again = path.with_name(f"again.{path.name.partition('.')[2]}")
    back.write(again, range(len(back)))
    assert again.read_bytes() == path.read_bytes() or ".parquet" in path.name
    assert list(open_samples(again).records()) == expected


@given(blocks=st.lists(st.sampled_from(['{"a":1}', ' {"b" : 2.50} ', "", "  ", '{"é":"\\u00e9"}'])))
def test_jsonl_lines_are_counted_and_kept_byte_for_byte(blocks):
    content = "\n".join(blocks).encode()
    samples = open_samples(io.BytesIO(content))
    numbers = [number for number, line in enumerate(blocks, start=1) if line.strip()]
    out = io.BytesIO()

    samples.write(out, range(len(samples)))

    assert [samples.locate(row) for row in range(len(samples))] == [
        f"the stream, line {number}" for number in numbers
    ]
    assert out.getvalue() == b"".join(blocks[n - 1].encode() + b"\n" for n in numbers)


def test_every_pair_of_record_formats_converts(tmp_path):
    records = [{"a": "x", "b": "1"}, {"a": 'say "hi",\r\n\tyou', "b": ""}, {"a": "é", "b": "\r"}]
    names = ["s.jsonl", "s.json", "s.csv", "s.tsv", "s.parquet", "s.csv.gz"]
    for name in names:
        open_samples(records).write(tmp_path / name, [0, 1, 2])
        for other in names:
            target = tmp_path / f"from_{name}_to_{other}"
            open_samples(tmp_path / name).write(target, [2, 0])
            back = open_samples(target)
            assert list(back.records()) == [records[2], records[0]], (name, other)
            assert back.columns == ("a", "b")


def test_gzip_output_is_the_same_every_time(tmp_path):
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        open_samples(["x"]).write(tmp_path / name, [0])
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == b'{"text": "x"}\n'


def test_values_of_other_libraries_become_json(tmp_path):
    import datetime

    record = {"n": np.int64(3), "v": np.arange(2), "d": datetime.date(2024, 1, 2), "s": "\ud800"}
    open_samples([record]).write(tmp_path / "o.jsonl", [0])
    line = (tmp_path / "o.jsonl").read_bytes()
    assert json.loads(line) == {"n": 3, "v": [0, 1], "d": "2024-01-02", "s": "\ud800"}


@given(
    rows=st.lists(st.tuples(st.floats(width=16), st.floats(width=16)), min_size=1),
    dtype=st.sampled_from(["f2", "f4", "f8", "i2"]),
    data=st.data(),
)
def test_npy_keeps_every_bit(rows, dtype, data):
    with np.errstate(all="ignore"):
        array = np.nan_to_num(np.array(rows), posinf=9, neginf=9).clip(-9e3, 9e3).astype(dtype)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    out = io.BytesIO()

    open_samples(array).write(out, chosen)

    out.seek(0)
    back = np.load(out)
    assert back.dtype == array.dtype
    assert back.tobytes() == array[chosen].tobytes()
