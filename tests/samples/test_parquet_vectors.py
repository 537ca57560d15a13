"""Parquet files of vectors: how they are recognised, and their other columns."""

import io
import json

import numpy as np
import pytest

from evenly.errors import ColumnError, DataError, VectorError
from evenly.samples import open_samples, read_texts
from evenly.samples.blocks import BlockSizes

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

LISTS = pa.array([[1.0, 2.0], [3.0, 4.0]])
FIXED = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(1, 5).astype(np.float16)), 2)


@pytest.fixture
def parquet(tmp_path):
    def write(name="a.parquet", rows_in_group=None, **columns):
        pq.write_table(pa.table(columns), tmp_path / name, row_group_size=rows_in_group)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "columns",
    [
        {"anything": LISTS},
        {"embedding": FIXED},
        {"v": pa.array([[1, 2]], pa.large_list(pa.float32()))},
        {"id": pa.array(["a", "b"]), "v": LISTS},
        {"doc_id": pa.array(["a", "b"], pa.large_string()), "v": LISTS},
        {"sha256_hash": pa.array(["a", "b"]), "UUID": pa.array(["a", "b"]), "v": LISTS},
        {"uuid": pa.array([b"ab", b"cd"], pa.binary(2)), "v": LISTS},
        {"n": [1, 2], "x": [0.5, 1.5], "ok": [True, None], "none": [None, None], "v": LISTS},
        {
            "day": pa.array([1, 2], pa.date32()),
            "sum": pa.array([1, 2], pa.decimal128(3)),
            "v": LISTS,
        },
        {"__index_level_0__": ["a", "b"], "v": LISTS},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_parquet_that_holds_vectors(parquet, columns):
    samples = open_samples(parquet(**columns))
    assert samples.holds_vectors
    assert samples.columns == tuple(columns)
    assert samples.format == "parquet"
    [column] = [name for name in columns if "list" in str(pa.table(columns)[name].type)]
    assert samples.stored[:].tolist() == columns[column].to_pylist()
    assert samples.column(column) == columns[column].to_pylist()


@pytest.mark.parametrize(
    "columns",
    [
        {"text": ["a", "b"], "embedding": LISTS},
        {"id": ["a", "b"], "title": ["a", "b"], "v": LISTS},
        {"idea": ["a", "b"], "v": LISTS},
        {"keyed": ["a", "b"], "v": LISTS},
        {"monkey": ["a", "b"], "v": LISTS},
        {"id": pa.array(["a", "b"]).dictionary_encode(), "label": ["x", "y"], "v": LISTS},
        {"raw": pa.array([b"a", b"b"]), "v": LISTS},
        {"v": LISTS, "w": FIXED},
        {"input_ids": pa.array([[1, 2], [3, 4]])},
        {"input_ids": pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2))},
        {"tags": [["a"], ["b"]], "v": LISTS},
        {"messages": [[{"role": "user", "content": "x"}]] * 2, "v": LISTS},
        {"nested": [[[1.0]], [[2.0]]]},
        {"x": [0.5, 1.5]},
        {"text": ["a", "b"]},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_parquet_that_holds_records(parquet, columns):
    samples = open_samples(parquet(**columns))
    assert not samples.holds_vectors
    assert samples.stored is samples.vectors is None
    if "text" in columns:
        assert read_texts(samples).values == ["a", "b"]


def test_the_other_columns_are_kept(parquet, tmp_path):
    path = parquet(rows_in_group=2, id=["a", "b", "c"], v=[[1.0, 2], [3, 4], [5, 6]], n=[7, 8, 9])
    parquet("b.parquet", id=["d"], v=[[7.0, 8]], n=[10], new=[1])
    parquet("c.parquet", id=pa.array([], pa.string()), v=pa.array([], pa.list_(pa.float64())))
    samples = open_samples(tmp_path)
    assert len(samples) == 4
    assert samples.columns == ("id", "v", "n", "new")
    expected = [
        {"id": "d", "v": [7, 8], "n": 10, "new": 1},
        {"id": "a", "v": [1, 2], "n": 7, "new": None},
        {"id": "c", "v": [5, 6], "n": 9, "new": None},
        {"id": "a", "v": [1, 2], "n": 7, "new": None},
    ]
    rows = [3, 0, 2, 0]
    assert samples.take(rows).to_pylist() == expected
    assert list(samples.records(rows)) == expected
    assert [record["id"] for record in samples.records()] == ["a", "b", "c", "d"]
    assert samples.read_columns(["n", "id"]) == [[7, 8, 9, 10], ["a", "b", "c", "d"]]
    assert samples.column("new") == [None, None, None, 1]
    assert samples.read_columns([]) == []
    assert samples.take([]).num_rows == 0
    with pytest.raises(ColumnError, match=r"no column 'idd'. Did you mean 'id'"):
        samples.column("idd")
    for suffix in ("parquet", "jsonl", "json"):
        samples.write(tmp_path / "out" / f"o.{suffix}", rows)
        assert list(open_samples(tmp_path / "out" / f"o.{suffix}").records()) == expected
    samples.write(tmp_path / "out" / "o.csv", [0])
    assert (tmp_path / "out" / "o.csv").read_text() == 'id,v,n,new\na,"[1.0, 2.0]",7,\n'
    stream = io.BytesIO()
    samples.write(stream, [1])
    assert pq.read_table(stream).to_pylist() == [{"id": "b", "v": [3, 4], "n": 8, "new": None}]
    assert open_samples(path).take([1, 0]).schema == pq.read_table(path).schema


def test_parquet_is_written_in_blocks(parquet, tmp_path):
    path = parquet(id=[str(n) for n in range(20)], v=[[float(n), 0] for n in range(20)])
    blocks = BlockSizes(write_parquet=6 * 16)
    open_samples(path, blocks=blocks).write(tmp_path / "o.parquet", range(19, -1, -1))
    written = pq.ParquetFile(tmp_path / "o.parquet")
    groups = [written.metadata.row_group(g).num_rows for g in range(4)]
    assert groups == [6, 6, 6, 2]
    assert written.read().column("id").to_pylist() == [str(n) for n in range(19, -1, -1)]


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.float32()), pa.list_(pa.float32(), 2), pa.list_(pa.float16(), 2)],
    ids=str,
)
def test_a_missing_vector_or_number_becomes_nan(parquet, kind):
    number = np.float16 if kind.value_type == pa.float16() else float
    lists = [None, [number(1), number(2)], [number(3), None], None, [number(5), number(6)]]
    try:
        path = parquet(v=pa.array(lists, kind))
        pq.read_table(path)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:  # old versions of pyarrow
        pytest.skip(str(error))
    samples = open_samples(path)
    expected = [[np.nan] * 2, [1, 2], [3, np.nan], [np.nan] * 2, [5, 6]]
    np.testing.assert_array_equal(samples.stored[:], expected)
    np.testing.assert_array_equal(samples.stored[[4, 0]], [[5, 6], [np.nan] * 2])
    assert samples.take(range(5)).column("v").to_pylist() == lists


@pytest.mark.parametrize("first", [[1.0, 2], [1.0], [], None])
def test_a_list_of_another_length_than_most_becomes_nan(parquet, first):
    lists = [first, [3.0, 4], [5, 6], [7, 8, 9], [8, 9], [0, 1]]
    samples = open_samples(parquet(v=lists), blocks=BlockSizes(decode=2 * 16))
    expected = [row if row and len(row) == 2 else [np.nan] * 2 for row in lists]

    for _ in range(2):
        np.testing.assert_array_equal(samples.stored[:], expected)

    faults = [samples.vector_fault(row) for row in range(6)]
    assert faults[1:3] == faults[4:] == [None, None]
    assert faults[3] == "has 3 numbers, but others have 2"
    assert (
        faults[0]
        == {
            "[1.0, 2]": None,
            "[1.0]": "has 1 numbers, but others have 2",
            "[]": "is an empty list",
            "None": "is None",
        }[str(first)]
    )


@pytest.mark.parametrize("lists", [[[], []], [None, None]])
def test_empty_lists(parquet, lists):
    with pytest.raises(VectorError, match=r"'v' of .*a.parquet is of shape \(2, 0\)"):
        open_samples(parquet(v=pa.array(lists, pa.list_(pa.float32()))))


def test_a_file_without_rows(parquet):
    samples = open_samples(parquet(v=pa.array([], pa.list_(pa.float32()))))
    assert samples.vectors.shape == samples.stored[:].shape == (0, 0)
    assert list(samples.records()) == []
    assert samples.take([]).column_names == ["v"]


def test_sequential_reading_decodes_each_block_once(parquet, monkeypatch):
    decoded = []

    class CountingFile(pq.ParquetFile):
        def iter_batches(self, **options):
            for batch in super().iter_batches(**options):
                decoded.append(batch.column("v")[0].as_py()[0] // 2)
                yield batch

    array = np.arange(60.0).reshape(30, 2)
    path = parquet(v=list(array), rows_in_group=10)
    vectors = open_samples(path, blocks=BlockSizes(decode=4 * 16)).stored
    monkeypatch.setattr(pq, "ParquetFile", CountingFile)
    for start in range(0, 30, 3):
        np.testing.assert_array_equal(vectors[start : start + 3], array[start : start + 3])
    assert decoded == [0, 4, 8, 10, 14, 18, 20, 24, 28]
    decoded.clear()
    np.testing.assert_array_equal(vectors[[29, 1, 6, 1]], array[[29, 1, 6, 1]])
    assert decoded == [0, 4, 20, 24, 28]  # a row group is decoded from its start


def test_incompatible_shards(parquet, tmp_path):
    parquet("1.parquet", id=[1, 2], v=LISTS)
    for other, error, message in (
        ({"text": ["a"]}, VectorError, "1.parquet holds vectors, but .*2.parquet holds records"),
        (
            {"id": ["a", "b"], "v": LISTS},
            DataError,
            "1.parquet and .*2.parquet have different schemas.*'?id",
        ),
        ({"id": [1, 2], "w": LISTS}, DataError, "different columns, 'v' and 'w'"),
    ):
        parquet("2.parquet", **other)
        with pytest.raises(error, match=message):
            open_samples(tmp_path)


def test_shards_with_lists_of_fixed_and_of_any_length_are_joined(parquet, tmp_path):
    parquet("1.parquet", id=pa.array([1, 2], pa.int32()), v=LISTS)
    parquet("2.parquet", id=[2**40, 4], v=FIXED)
    samples = open_samples(tmp_path)
    assert samples.vectors.tolist() == [[1, 2], [3, 4], [1, 2], [3, 4]]
    samples.write(tmp_path / "o.parquet", [3, 2, 0])
    back = open_samples(tmp_path / "o.parquet")
    assert back.column("id") == [4, 2**40, 1]
    assert back.vectors.tolist() == [[3, 4], [1, 2], [1, 2]]


def test_a_damaged_or_changed_parquet_file(parquet, tmp_path):
    message = r"a\.parquet is not a complete parquet file.* Copy it or write it again"
    for kind in (pa.list_(pa.float64()), pa.list_(pa.float64(), 8)):
        array = np.random.default_rng(0).random((1000, 8))
        path = parquet(v=pa.array(list(array), kind))
        samples = open_samples(path)
        content = bytearray(path.read_bytes())
        path.write_bytes(content[:-20])
        with pytest.raises(DataError, match=message):
            open_samples(path)
        content[4:99] = bytes(95)
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_samples(path).stored[:]
        with pytest.raises(DataError, match="changed after it was opened"):
            samples.stored[:]


def test_records_with_vectors_can_be_written_as_json_lines(parquet, tmp_path):
    samples = open_samples(parquet(id=["a", "b"], v=LISTS))
    samples.write(tmp_path / "o.jsonl", [1])
    assert json.loads((tmp_path / "o.jsonl").read_bytes()) == {"id": "b", "v": [3, 4]}
