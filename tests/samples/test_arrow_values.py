"""Values of Arrow columns, rows of large tables, and files whose types differ."""

import datetime as dt
import json

import numpy as np
import pytest

from evenly.errors import DataError
from evenly.samples import open_samples, read_texts
from evenly.samples.arrow_values import take_rows

datasets = pytest.importorskip("datasets")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

CHAT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None}]
JSON_RECORDS = [
    {"m": CHAT, "tags": [{"n": 1}, "two", None], "inner": {"j": [3], "k": 1}, "none": None},
    {"m": "just a text", "tags": [], "inner": {"j": {"n": 1.5}, "k": 2}, "none": None},
]


def json_dataset():
    features = datasets.Features(
        m=datasets.Json(),
        tags=datasets.List(datasets.Json()),
        inner={"j": datasets.Json(), "k": datasets.Value("int64")},
        none=datasets.Json(),
    )
    return datasets.Dataset.from_list(JSON_RECORDS, features=features)


def json_parquet(folder):
    pq.write_table(json_dataset().with_format("arrow")[:], folder / "j.parquet")
    return folder / "j.parquet"


@pytest.mark.skipif(not hasattr(datasets, "Json"), reason="a datasets library without Json")
@pytest.mark.parametrize("kind", ["dataset", "table", "parquet"])
def test_columns_of_json_are_values_and_not_their_source(kind, tmp_path):
    made = {
        "dataset": json_dataset,
        "table": lambda: json_dataset().with_format("arrow")[:],
        "parquet": lambda: json_parquet(tmp_path),
    }
    samples = open_samples(made[kind]())
    assert list(samples.records()) == JSON_RECORDS
    assert list(samples.records([1])) == JSON_RECORDS[1:]
    assert samples.column("inner") == [record["inner"] for record in JSON_RECORDS]
    assert read_texts(samples, "m").values == ["hi", "just a text"]
    for suffix in ("jsonl", "json"):
        samples.write(tmp_path / f"o.{suffix}", [1, 0])
        assert open_samples(tmp_path / f"o.{suffix}").take([1, 0]) == JSON_RECORDS
    samples.write(tmp_path / "o.csv", [0, 1])
    written = open_samples(tmp_path / "o.csv")
    assert [json.loads(value) for value in written.column("inner")] == samples.column("inner")
    assert read_texts(written, "m").values == ["hi", "just a text"]
    samples.write(tmp_path / "o.parquet", [0, 1])
    assert list(open_samples(tmp_path / "o.parquet").records()) == JSON_RECORDS
    taken = open_samples(samples.take([1]))
    assert list(taken.records()) == JSON_RECORDS[1:]


def test_damaged_json_is_an_error_that_names_the_column():
    damaged = pa.array(["{"]).cast(pa.string())
    field = pa.field("j", pa.string(), metadata={"ARROW:extension:name": "arrow.json"})
    samples = open_samples(pa.Table.from_arrays([damaged], schema=pa.schema([field])))
    with pytest.raises(DataError, match="a value in the column 'j' of type string cannot be read"):
        samples.column("j")


@pytest.mark.skipif(not hasattr(pa, "json_"), reason="a pyarrow without JSON")
def test_maps_with_json_are_parsed():
    items = pa.array(["[1]"]).cast(pa.json_())
    column = pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a"]), items)
    assert open_samples(pa.table({"m": column})).column("m") == [[("a", [1])]]


def test_times_that_python_cannot_hold_are_kept_or_named():
    day = pa.array([0, 10**8], pa.date32())
    table = pa.table({"t": pa.array([1_000, 1], pa.time64("ns")), "d": day})
    samples = open_samples(table)
    assert samples.column("t") == ["00:00:00.000001000", "00:00:00.000000001"]
    assert open_samples(table[:1]).column("t") == [dt.time(0, 0, 0, 1)]
    with pytest.raises(DataError, match=r"an Arrow table of 2 rows: a value in the column 'd' of"):
        list(samples.records())


def test_an_index_without_a_name_is_no_column(tmp_path):
    pd = pytest.importorskip("pandas")
    pd.DataFrame({"text": ["a", "b"]}, index=[7, 9]).to_parquet(tmp_path / "i.parquet")
    samples = open_samples(tmp_path / "i.parquet")
    assert samples.columns == ("text",)
    assert list(samples.records([1])) == [{"text": "b"}]
    samples.write(tmp_path / "o.parquet", [1])
    assert pd.read_parquet(tmp_path / "o.parquet").index.tolist() == [9]


@pytest.mark.parametrize("chunks", [1, 3])
def test_rows_of_a_table_in_any_order(chunks):
    table = pa.concat_tables([pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})] * chunks)
    for rows in ([2, 0, 1], [0, 1], [], [1, 1, 0, 2], [3 * chunks - 1, 0]):
        expected = table.take(pa.array(rows, pa.int64()))
        assert take_rows(table, np.array(rows, np.int64)).equals(expected)


def test_columns_are_joined_only_up_to_a_size():
    """pyarrow cannot join strings over 2 GiB; a smaller limit is the same code."""
    table = pa.table({"a": range(64), "s": pa.chunked_array([[f"{n:>1000}"] for n in range(64)])})
    rows = np.random.default_rng(0).permutation(64)
    for largest, chunks in ((2**20, 1), (40_000, 2), (9_000, 8), (1, 64)):
        taken = take_rows(table, rows, largest=largest)
        assert taken["a"].to_pylist() == rows.tolist()
        assert [int(text) for text in taken["s"].to_pylist()] == rows.tolist()
        assert taken["s"].num_chunks == chunks
    in_order = take_rows(table, np.arange(64), largest=1)
    assert in_order.equals(table)


def shards(folder, *columns):
    for number, column in enumerate(columns):
        pq.write_table(
            pa.table({"text": ["t"] * len(column), "c": column}), folder / f"{number}.parquet"
        )
    return open_samples(folder)


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (pa.array([1], pa.int32()), pa.array([2**40]), [1, 2**40]),
        (pa.array([None]), pa.array(["x"]), [None, "x"]),
        (pa.array([None]), pa.array([[{"role": "user"}]]), [None, [{"role": "user"}]]),
        (pa.array(["x"]), pa.array(["y"], pa.large_string()), ["x", "y"]),
        (pa.array(["x"]).dictionary_encode(), pa.array(["y"]), ["x", "y"]),
        (pa.array(["x"], pa.string_view()), pa.array(["y"]), ["x", "y"]),
        (
            pa.array([{"a": 1}]),
            pa.array([{"b": "x"}]),
            [{"a": 1, "b": None}, {"a": None, "b": "x"}],
        ),
        (pa.array([[1]], pa.list_(pa.int8())), pa.array([[300]]), [[1], [300]]),
        (pa.array([1]), pa.array([0.5]), [1, 0.5]),
    ],
)
def test_shards_whose_types_can_be_promoted_are_joined(first, second, values, tmp_path):
    samples = shards(tmp_path, first, second)
    assert samples.column("c") == values
    samples.write(tmp_path / "o.parquet", [1, 0])
    assert open_samples(tmp_path / "o.parquet").column("c") == values[::-1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.array([1]), pa.array(["x"])),
        (pa.array(["x"]), pa.array([b"x"])),
        (pa.array(["x"]).dictionary_encode(), pa.array([b"x"])),
        (pa.array([2**53 + 1]), pa.array([0.5])),
    ],
)
def test_shards_whose_values_would_change_are_an_error(first, second, tmp_path):
    with pytest.raises(DataError, match=r"2 files in .* have different schemas"):
        shards(tmp_path, first, second)
