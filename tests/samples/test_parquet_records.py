"""Parquet files of records that are read a batch at a time are as those read into memory."""

import datetime
import pickle
from dataclasses import replace

import numpy as np
import pytest

from evenly.errors import ColumnError, DataError, RowError
from evenly.samples import open_samples
from evenly.samples.blocks import BLOCK_SIZES
from evenly.samples.parquet_records import ParquetRecords

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

# Nothing is small enough for memory, and a few rows are taken at once.
STREAMED = replace(BLOCK_SIZES, parquet=0, write=200)


def table(begin, end, number=None):
    rows = range(begin, end)
    return pa.table(
        {
            "text": [f"text {row}" if row % 5 else None for row in rows],
            "n": pa.array(rows, number or pa.int64()),
            "day": [datetime.date(2026, 1, 1) + datetime.timedelta(row) for row in rows],
            "tags": [[str(row)] * (row % 3) for row in rows],
            "kind": pa.array([f"kind {row % 2}" for row in rows]).dictionary_encode(),
            "__index_level_0__": [row * 10 for row in rows],
        }
    )


@pytest.fixture(params=["one file", "files", "files that differ"])
def path(request, tmp_path):
    folder = tmp_path / "pool"
    folder.mkdir()
    if request.param == "one file":
        pq.write_table(table(0, 60), folder / "a.parquet", row_group_size=7)
        return folder / "a.parquet"
    pq.write_table(table(0, 25), folder / "a.parquet", row_group_size=7)
    second = table(25, 60, pa.int16() if request.param != "files" else None)
    if request.param != "files":
        second = second.append_column("more", pa.array(range(35)))
    pq.write_table(second, folder / "b.parquet", row_group_size=100)
    return folder


def test_records_columns_and_taken_rows_are_those_of_files_in_memory(path, tmp_path):
    streamed, whole = open_samples(path, blocks=STREAMED), open_samples(path)
    assert isinstance(streamed, ParquetRecords)
    assert not isinstance(whole, ParquetRecords)

    assert len(streamed) == len(whole) == 60
    assert (streamed.columns, streamed.origin) == (whole.columns, whole.origin)
    assert streamed.content_hash() == whole.content_hash()
    assert streamed.parquet_paths() == whole.parquet_paths()
    assert [streamed.locate(row) for row in (0, 24, 25, 59)] == [
        whole.locate(row) for row in (0, 24, 25, 59)
    ]
    assert list(streamed.records()) == list(whole.records())
    names = [*whole.columns, "text"]
    assert streamed.read_columns(names) == whole.read_columns(names)
    assert list(streamed.iter_columns(["n", "kind"])) == list(whole.iter_columns(["n", "kind"]))
    assert streamed.arrow_column("n").to_pylist() == whole.arrow_column("n").to_pylist()
    for rows in ([], [59, 0, 30, 30, 7, 24, 25], range(60)):
        assert streamed.take(rows).equals(whole.take(rows))
        assert list(streamed.records(rows)) == list(whole.records(rows))
    rows = np.random.default_rng(0).permutation(60)[:40]
    for suffix in ("jsonl", "parquet"):
        one, other = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
        streamed.write(one, rows)
        whole.write(other, rows)
        assert list(open_samples(one).records()) == list(open_samples(other).records())
    copied = pickle.loads(pickle.dumps(streamed))
    assert list(copied.records([3])) == list(whole.records([3]))


def test_wrong_rows_and_columns_are_reported(path):
    streamed = open_samples(path, blocks=STREAMED)

    with pytest.raises(ColumnError, match=r"no column .txt.\. Did you mean .text."):
        streamed.read_columns(["txt"])
    with pytest.raises(RowError, match="row 60 is out of range"):
        streamed.take([60])


def test_damaged_and_changed_files_are_reported(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(table(0, 60), path, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    samples = open_samples(path, blocks=STREAMED)
    place = whole.index(b"text 7")
    path.write_bytes(whole[: place - 40] + b"\xff" * 30 + whole[place - 10 :])
    with pytest.raises(DataError, match="changed after it was opened"):
        list(samples.records())
    with pytest.raises(DataError, match="is not a complete parquet file"):
        list(open_samples(path, blocks=STREAMED).records())
    path.write_bytes(whole[:-5])
    with pytest.raises(DataError, match="is not a complete parquet file"):
        open_samples(path, blocks=STREAMED)
