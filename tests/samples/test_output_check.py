"""Records that a format cannot hold are found before anything is computed."""

import json
import re

import pytest

from evenly.errors import DataError, OutputError
from evenly.samples import check_output, open_samples

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def opened(tmp_path):
    """Return what opens records as a file of a format."""

    def open_as(suffix, records):
        path = tmp_path / f"in.{suffix}"
        if suffix == "parquet":
            pq.write_table(pa.Table.from_pylist(records), path)
        else:
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return open_samples(path)

    return open_as


MANY = 1 << 14  # rows in a block of the check
FITS = [{"text": "a", "n": 1, "c": [{"k": None}]}, {"text": "b", "n": 0.5, "c": []}]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_what_can_be_written_passes(kind, suffix, opened, tmp_path, caplog):
    samples = opened(kind, [*FITS, {"text": "c", "n": float("nan"), "c": None}])
    check_output(samples, tmp_path / f"out.{suffix}")
    assert not list(tmp_path.glob("out*"))
    assert caplog.messages == []
    samples.write(tmp_path / f"out.{suffix}", [0, 1, 2])


@pytest.mark.parametrize(
    ("kind", "suffix", "bad"),
    [
        ("jsonl", "parquet", [{"x": 1}, {"x": "a"}]),
        ("jsonl", "parquet", [{"x": 1}] * MANY + [{"x": "a"}]),
        ("jsonl", "parquet", [{"x": {}}]),
        ("jsonl", "parquet", [{"x": 2**70}]),
        ("jsonl", "csv", [{"x": "\ud800"}]),
        ("parquet", "jsonl", [{"x": b"a"}, {"x": None}]),
        ("parquet", "csv", [{"x": [b"\x00"]}]),
        ("parquet", "json", [{"x": {"inner": b"\x00"}}]),
    ],
)
def test_a_column_that_does_not_fit_is_named(kind, suffix, bad, opened, tmp_path):
    samples = opened(kind, [{"text": "t", **record} for record in bad])
    with pytest.raises(OutputError, match="the column 'x'"):
        check_output(samples, tmp_path / f"out.{suffix}")


def test_values_that_python_cannot_hold_are_found(tmp_path):
    table = pa.table({"text": ["a"], "x": pa.array([10**8], pa.date32())})
    with pytest.raises(DataError, match="a value in the column 'x'"):
        check_output(open_samples(table), tmp_path / "out.jsonl")
    check_output(open_samples(table), tmp_path / "out.parquet")


def test_types_that_parquet_has_not_are_found(tmp_path):
    table = pa.table({"x": pa.array([(1, 2, 3)], pa.month_day_nano_interval())})
    with pytest.raises(OutputError, match="parquet cannot hold the column 'x'"):
        check_output(open_samples(table), tmp_path / "out.parquet")


def test_records_are_not_vectors(opened, tmp_path):
    for suffix in ("npy", "safetensors"):
        with pytest.raises(OutputError, match="hold only vectors"):
            check_output(opened("jsonl", FITS), tmp_path / f"out.{suffix}")


def test_opened_data_know_their_path(tmp_path, opened):
    assert opened("jsonl", FITS).path == str(tmp_path / "in.jsonl")
    assert open_samples(tmp_path).path == str(tmp_path)
    assert open_samples(["a"]).path is None


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("key", [1, None, ("a", "b"), 0.5])
def test_a_key_that_is_no_name_is_not_dropped(key, suffix, tmp_path):
    samples = open_samples([{"text": "a"}, {"text": "b", key: 3}])
    message = re.escape(f"{suffix} has names of columns, which are strings, but a record has the ")
    for act in (check_output, lambda samples, path: samples.write(path, [0, 1])):
        with pytest.raises(OutputError, match=message + re.escape(f"key {key!r}")):
            act(samples, tmp_path / f"out.{suffix}")
    assert not list(tmp_path.glob("out*"))
    samples.write(tmp_path / f"out.{suffix}", [0])
