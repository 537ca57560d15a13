"""Records with vectors beside them: from a column, a file or an array."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenly.errors import ColumnError, DataError, OptionError, VectorError
from evenly.samples import open_samples, open_with_vectors

VECTORS = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
RECORDS = [
    {"id": f"r{row}", "text": f"text {row}", "embedding": VECTORS[row].tolist()} for row in range(9)
]
FIXED = pa.list_(pa.float32(), 4)


def table_of(kind=FIXED):
    columns = {name: [record[name] for record in RECORDS] for name in ("id", "text")}
    return pa.table({**columns, "embedding": pa.array(VECTORS.tolist(), kind)})


def write_lines(path, records=RECORDS):
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def write_json(path):
    Path(path).write_text(json.dumps(RECORDS))
    return path


def write_csv(path):
    pd = pytest.importorskip("pandas")
    pd.DataFrame(RECORDS).to_csv(path, index=False)  # lists become strings: "[0.1, 0.2]"
    return path


def write_parquet(path, table=None, **options):
    pq.write_table(table_of() if table is None else table, path, **options)
    return path


def write_shards(folder):
    Path(folder).mkdir()
    for part in range(3):
        write_parquet(f"{folder}/{part}.parquet", table_of().slice(3 * part, 3))
    return folder


def frame_of(library):
    return pytest.importorskip(library).DataFrame(RECORDS)


def dataset():
    return pytest.importorskip("datasets").Dataset.from_list(RECORDS)


DATA = {
    "list": lambda: RECORDS,
    "jsonl": lambda: write_lines("d.jsonl"),
    "json": lambda: write_json("d.json"),
    "csv": lambda: write_csv("d.csv"),
    "parquet": lambda: write_parquet("d.parquet"),
    "parquet shards": lambda: write_shards("shards"),
    "arrow": table_of,
    "arrow of lists": lambda: table_of(pa.list_(pa.float64())),
    "arrow of large lists": lambda: table_of(pa.large_list(pa.float32())),
    "arrow in chunks": lambda: pa.concat_tables([table_of()[:2], table_of()[2:]]),
    "pandas": lambda: frame_of("pandas"),
    "polars": lambda: frame_of("polars"),
    "dataset": dataset,
}


def save(path):
    np.save(path, VECTORS)
    return path


def save_parquet(path):
    """A file of vectors and ids alone."""
    return write_parquet(path, table_of().drop_columns(["text"]))


def series(library):
    return frame_of(library)["embedding"]


BESIDE = {
    "column": lambda: "embedding",
    "npy": lambda: save("emb.npy"),
    "path": lambda: Path(save("emb.npy")),
    "file without a known suffix": lambda: Path(save("emb.npy")).rename("./emb2.npy"),
    "parquet of vectors": lambda: save_parquet("emb.parquet"),
    "jsonl": lambda: write_lines("emb.jsonl"),
    "array": lambda: VECTORS,
    "memory map": lambda: np.load(save("emb.npy"), mmap_mode="r"),
    "lists": VECTORS.tolist,
    "objects": lambda: np.array([*VECTORS, None], object)[:-1],
    "pandas series": lambda: series("pandas"),
    "polars series": lambda: series("polars"),
    "arrow column": lambda: table_of()["embedding"],
    "arrow table": lambda: table_of(),
    "frame": lambda: frame_of("pandas"),
    "tensor": lambda: pytest.importorskip("torch").from_numpy(VECTORS),
}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("vectors", [BESIDE["column"], BESIDE["npy"]], ids=["column", "file"])
def test_every_kind_of_data_can_have_vectors(data, vectors, tmp_path):
    records = data()

    samples = open_with_vectors(records, vectors())

    assert samples.holds_vectors
    assert samples.holds_records
    np.testing.assert_array_equal(samples.vectors, VECTORS)
    if samples.stored is not None:
        np.testing.assert_array_equal(samples.stored[:], VECTORS)
    assert [record["id"] for record in samples.records([8, 0])] == ["r8", "r0"]
    taken = samples.take([5, 2])
    assert type(taken) is type(open_samples(records).take([5, 2]))
    samples.write("out.jsonl", [5, 2])
    written = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [record["id"] for record in written] == ["r5", "r2"]
    assert samples.content_hash() == open_samples(records).content_hash()


@pytest.mark.parametrize("vectors", BESIDE.values(), ids=BESIDE)
def test_vectors_come_in_every_form(vectors):
    samples = open_with_vectors(RECORDS, vectors())

    np.testing.assert_array_equal(samples.vectors, VECTORS)
    assert samples.take([3]) == [RECORDS[3]]


def test_a_column_of_arrow_is_not_copied():
    table = table_of()
    samples = open_with_vectors(table, "embedding")

    assert np.shares_memory(samples.vectors, table["embedding"].chunk(0).flatten().to_numpy())


def test_files_of_vectors_stay_on_disk():
    data, vectors = write_lines("d.jsonl"), save("emb.npy")

    assert open_with_vectors(data, vectors).stored is not None
    assert open_with_vectors(write_parquet("d.parquet"), "embedding").stored is not None


def test_integers_become_floats():
    data = [{"v": [1, 2]}, {"v": [3, -4]}]

    vectors = open_with_vectors(data, "v").vectors

    assert vectors.dtype.kind == "f"
    assert vectors.tolist() == [[1, 2], [3, -4]]
    assert open_with_vectors(pa.table({"v": [[1, 2], [3, -4]]}), "v").vectors.dtype.kind == "f"


# What is no vector, and the reason.
BROKEN = {
    "None": (None, "is None"),
    "empty": ([], "is an empty list"),
    "ragged": ([0.5, 2.0], "has 2 numbers, but others have 4"),
}
BROKEN_VALUES = {
    **BROKEN,
    "text": ("a text", "is str, not a list of numbers"),
    "number": (7, "is int, not a list of numbers"),
    "words": (["a", "b", "c", "d"], "is not a list of numbers"),
    "nested": ([[1.0, 2.0]], "is not a list of numbers"),
    "yes or no": ([True, False, True, True], "is not a list of numbers"),
    "cut": ("[0.5, 1", "is a string that is no list of numbers"),
}


@pytest.mark.parametrize("row", [0, 4])
@pytest.mark.parametrize(("value", "reason"), BROKEN_VALUES.values(), ids=BROKEN_VALUES)
def test_a_broken_vector_is_nan_with_a_reason(value, reason, row):
    records = [dict(record) for record in RECORDS]
    records[row]["embedding"] = value

    for samples in (
        open_with_vectors(records, "embedding"),
        open_with_vectors(RECORDS, records),
    ):
        assert samples.vector_fault(row) == reason
        assert np.isnan(samples.vectors[row]).all()
        good = [other for other in range(9) if other != row]
        assert not any(samples.vector_fault(other) for other in good)
        np.testing.assert_array_equal(samples.vectors[good], VECTORS[good])


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), FIXED], ids=str)
@pytest.mark.parametrize("source", ["table", "file"])
@pytest.mark.parametrize(("value", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_vector_of_arrow_is_nan_with_a_reason(value, reason, source, kind):
    if kind == FIXED and value is not None:
        pytest.skip("a list of fixed size has no other length")
    values = [*VECTORS.tolist()[:6], value, *VECTORS.tolist()[7:]]
    table = table_of().set_column(2, "embedding", pa.array(values, kind))
    data = table if source == "table" else write_parquet("d.parquet", table, row_group_size=4)

    samples = open_with_vectors(data, "embedding")

    assert np.isnan(samples.vectors[6]).all()
    assert samples.vector_fault(6) == reason
    assert samples.vector_fault(5) is None
    np.testing.assert_array_equal(np.delete(samples.vectors, 6, 0), np.delete(VECTORS, 6, 0))


def test_a_missing_number_is_nan():
    records = [{"v": [1.0, None]}, {"v": [1.0, 2.0]}]

    for data in (records, pa.table({"v": [[1.0, None], [1.0, 2.0]]})):
        np.testing.assert_array_equal(open_with_vectors(data, "v").vectors, [[1, np.nan], [1, 2]])


def test_a_key_that_records_lack():
    samples = open_with_vectors([{"v": [1.0]}, {"id": 1}], "v")

    assert samples.vector_fault(1) == "is missing"


@pytest.mark.parametrize("data", [RECORDS, table_of()], ids=["list", "table"])
def test_unknown_columns_and_columns_without_vectors_are_errors(data):
    with pytest.raises(ColumnError, match=r"no column 'embeding'. Did you mean 'embedding'"):
        open_with_vectors(data, "embeding")
    with pytest.raises(VectorError, match=r"column 'text' of .* holds no vectors: at row 0 it is"):
        open_with_vectors(data, "text")


def test_a_missing_file_is_an_error():
    with pytest.raises(DataError, match=r"there is no file emb.npy"):
        open_with_vectors(RECORDS, "emb.npy")


@pytest.mark.parametrize("count", [0, 8, 10])
def test_another_number_of_vectors_is_an_error(count):
    vectors = np.zeros((count, 4))

    with pytest.raises(DataError, match=rf"9 records has 9 rows, and .* has {count} vectors"):
        open_with_vectors(RECORDS, vectors)


def test_a_table_of_vectors_must_have_one_column_of_them():
    two = [{"a": [1.0], "b": [2.0], "id": 1}]
    none = [{"id": 1}]

    with pytest.raises(ColumnError, match=r"exactly one of its columns .*, and a and b do"):
        open_with_vectors([{"id": 1}], two)
    with pytest.raises(ColumnError, match=r"exactly one of its columns .*, and none does"):
        open_with_vectors([{"id": 1}], none)


def test_data_that_are_vectors_have_no_others_beside_them():
    with pytest.raises(OptionError, match=r"holds vectors itself"):
        open_with_vectors(VECTORS, VECTORS)


def test_a_parquet_file_of_vectors_can_have_others():
    data = save_parquet("own.parquet")
    other = -VECTORS

    samples = open_with_vectors(data, other)

    np.testing.assert_array_equal(samples.vectors, other)
    assert samples.take([1]).column("id").to_pylist() == ["r1"]


SHUFFLED = [5, 0, 8, 2, 7, 1, 4, 3, 6]


def shuffled_table(ids=None):
    table = table_of().take(SHUFFLED).drop_columns(["text"])
    return table if ids is None else table.set_column(0, "id", pa.array(ids))


TABLES = {
    "parquet": lambda: write_parquet("emb.parquet", shuffled_table()),
    "arrow": shuffled_table,
    "jsonl": lambda: write_lines("emb.jsonl", [RECORDS[row] for row in SHUFFLED]),
    "frame": lambda: shuffled_table().to_pandas(),
}


@pytest.mark.parametrize("vectors", TABLES.values(), ids=TABLES)
def test_vectors_in_a_table_are_matched_by_id(vectors):
    samples = open_with_vectors(RECORDS, vectors(), "id")

    np.testing.assert_array_equal(samples.vectors, VECTORS)
    assert samples.beside.origin.endswith(", matched by 'id'")


def test_a_table_may_have_more_vectors_than_there_are_rows_or_fewer():
    samples = open_with_vectors(RECORDS[2:6], shuffled_table(), "id")
    np.testing.assert_array_equal(samples.vectors, VECTORS[2:6])

    samples = open_with_vectors(RECORDS, shuffled_table()[1:], "id")  # without row 5
    assert samples.vector_fault(5) == "has the id 'r5', which is not in an Arrow table of 8 rows"
    assert np.isnan(samples.vectors[5]).all()
    good = [0, 1, 2, 3, 4, 6, 7, 8]
    np.testing.assert_array_equal(samples.vectors[good], VECTORS[good])


def test_ids_in_the_same_order_leave_the_vectors_on_disk():
    samples = open_with_vectors(RECORDS, write_parquet("emb.parquet"), "id")

    assert samples.stored is not None
    assert samples.beside.origin == "emb.parquet, matched by 'id'"


def test_numbers_and_strings_are_the_same_ids():
    records = [{"id": row} for row in range(9)]
    table = shuffled_table([str(row) for row in SHUFFLED])

    np.testing.assert_array_equal(open_with_vectors(records, table, "id").vectors, VECTORS)


def test_two_vectors_of_one_id_are_an_error():
    table = shuffled_table(["r1", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"])

    with pytest.raises(DataError, match=r"two vectors have the id 'r1': row 0 and row 1"):
        open_with_vectors(RECORDS, table, "id")
    assert open_with_vectors(RECORDS[2:], table, "id").vectors.shape == (7, 4)


def test_a_column_of_ids_must_be_in_both():
    with pytest.raises(ColumnError, match=r"Arrow table of 9 rows has no column 'key'"):
        open_with_vectors([{"key": 1}], shuffled_table(), "key")
    with pytest.raises(ColumnError, match=r"list of 1 record has no column 'id'"):
        open_with_vectors([{"key": 1}], shuffled_table(), "id")


def test_vectors_without_ids_are_matched_by_position():
    for vectors in (VECTORS, save("emb.npy"), table_of().select(["embedding"])):
        samples = open_with_vectors(RECORDS, vectors, "id")
        np.testing.assert_array_equal(samples.vectors, VECTORS)
