"""Data in memory are returned in their original type with all columns."""

import subprocess
import sys

import numpy as np
import pytest

from evenly.errors import ColumnError, DataError, EvenlyError, VectorError
from evenly.samples import open_aligned, open_samples, read_batches, read_texts

datasets = pytest.importorskip("datasets")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
torch = pytest.importorskip("torch")

COLUMNS = {"text": ["a", None, "c"], "n": [1, 2, 3], "v": [[1], [2], [3]]}
RECORDS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
TABLES = {
    "list": lambda: [dict(record) for record in RECORDS],
    "dataset": lambda: datasets.Dataset.from_dict(COLUMNS),
    "pandas": lambda: pd.DataFrame(COLUMNS, index=["x", "y", "z"]),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "arrow": lambda: pa.table(COLUMNS),
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_table_reads_and_writes_the_same_records(kind, tmp_path):
    data = TABLES[kind]()
    samples = open_samples(data)
    assert samples.format == kind
    assert "3" in samples.origin
    assert samples.columns == ("text", "n", "v")
    assert samples.column("n") == [1, 2, 3]
    assert samples.column("text") == ["a", None, "c"]
    assert list(samples.records()) == RECORDS
    assert list(samples.records([2, 0])) == [RECORDS[2], RECORDS[0]]
    assert samples.locate(2) == "row 2"
    assert samples.vectors is None
    with pytest.raises(ColumnError, match=r"no column 'txt'. Did you mean 'text'\?.*text, n, v"):
        samples.column("txt")
    for suffix in ("jsonl", "json", "parquet"):
        samples.write(tmp_path / f"o.{suffix}", [2, 0])
        back = open_samples(tmp_path / f"o.{suffix}")
        assert [r["text"] for r in back.records()] == ["c", "a"]
        assert back.column("v") == [[3], [1]]
    texts = read_texts(samples)
    assert texts.values == ["a", "", "c"]
    assert texts.invalid == {1: "column 'text' is None"}


@pytest.mark.parametrize("kind", TABLES)
def test_take_returns_the_type_of_the_input(kind):
    data = TABLES[kind]()
    taken = open_samples(data).take(np.array([2, 0]))
    assert type(taken) is type(data)
    assert list(open_samples(taken).records()) == [RECORDS[2], RECORDS[0]]
    assert len(open_samples(data).take([])) == 0


@pytest.mark.parametrize("kind", TABLES)
def test_the_hash_of_a_table_is_its_content(kind):
    first, second = open_samples(TABLES[kind]()), open_samples(TABLES[kind]())
    assert first.content_hash() == second.content_hash()
    other = open_samples(first.take([0, 2, 1]))
    assert other.content_hash() != first.content_hash()


def test_pandas_keeps_its_index_and_a_dataset_its_features_and_selection():
    assert list(open_samples(TABLES["pandas"]()).take([2, 0]).index) == ["z", "x"]
    dataset = TABLES["dataset"]().select([2, 1, 0]).with_format("numpy")
    samples = open_samples(dataset)
    assert samples.column("n") == [3, 2, 1]
    taken = samples.take([0, 2])
    assert taken.features == dataset.features
    assert taken.format["type"] == "numpy"
    assert taken["n"][:].tolist() == [3, 1]


@pytest.mark.parametrize(
    "data",
    [
        ["a", "b", "c"],
        ("a", "b", "c"),
        pd.Series(["a", "b", "c"]),
        pl.Series(["a", "b", "c"]),
        np.array(["a", "b", "c"]),
    ],
)
def test_strings_of_every_kind(data, tmp_path):
    samples = open_samples(data)
    assert samples.columns == ()
    assert read_texts(samples).values == ["a", "b", "c"]
    taken = samples.take([2, 0])
    assert type(taken) is type(data)
    assert list(taken) == ["c", "a"]
    samples.write(tmp_path / "o.csv", [1])
    assert (tmp_path / "o.csv").read_text() == "text\nb\n"
    with pytest.raises(ColumnError, match="has no columns, so there is no column 'text'"):
        samples.column("text")


def test_json_strings_stay_strings_in_json(tmp_path):
    (tmp_path / "a.json").write_text('["x", "y"]')
    samples = open_samples(tmp_path / "a.json")
    samples.write(tmp_path / "b.json", [1, 0])
    samples.write(tmp_path / "b.jsonl", [1])
    assert open_samples(tmp_path / "b.json").take([0, 1]) == ["y", "x"]
    assert (tmp_path / "b.jsonl").read_text() == '{"text": "y"}\n'


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1]}, "cannot read data from a dict"),
        ({"a"}, "cannot read data from a set"),
        (iter(["a"]), r"has no length: pass list\(...\), or pass it to select_stream"),
        (3, "cannot read data from a int. Pass a list of strings"),
        ([{"a": 1}, "x"], "row 1 is of type str, but other rows are dicts"),
        ([{"a": 1}, None], "row 1 is None, but other rows are dicts"),
        ([1, 2], "row 0 is of type int"),
        (pd.Series([1.0]), "Series must hold strings"),
        (pl.Series([1.0]), "Series must hold strings"),
        (pl.LazyFrame({"a": [1]}), r"Pass data.collect\(\)"),
        (
            datasets.DatasetDict({"train": TABLES["dataset"]()}),
            r"Pass one of them: data\['train'\]",
        ),
        (
            TABLES["dataset"]().to_iterable_dataset(),
            "no fixed number of rows. Pass it to select_stream",
        ),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "2 columns named 'a'"),
    ],
)
def test_unsupported_data(data, message):
    with pytest.raises(DataError, match=message):
        open_samples(data)


def test_splits_are_named_by_folders_and_streams_too(tmp_path):
    splits = datasets.DatasetDict({"train": TABLES["dataset"]()})
    with pytest.raises(DataError, match=r"one of them: data\['train'\]"):
        list(read_batches(splits, 2))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(DataError, match=r"one of its splits: datasets.load_from_disk"):
        open_samples(tmp_path)


def test_importing_the_package_imports_no_data_library():
    code = (
        "import sys, evenly.samples; evenly.samples.open_samples(['a']); "
        "print(*(m for m in ('torch','pandas','polars','pyarrow','datasets') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# Vectors


def test_arrays_are_not_copied_and_memory_maps_stay_maps(tmp_path, monkeypatch):
    array = np.arange(6, dtype=np.float16).reshape(3, 2)
    assert open_samples(array).vectors is array
    np.save(tmp_path / "v.npy", array)
    samples = open_samples(tmp_path / "v.npy")
    assert not isinstance(samples.vectors, np.memmap)
    with monkeypatch.context() as patch:
        patch.setattr("evenly.samples.stored.free_memory", lambda: 1)
        assert isinstance(open_samples(tmp_path / "v.npy").vectors, np.memmap)
    assert samples.vectors.dtype == np.float16
    assert samples.locate(2) == f"{tmp_path / 'v.npy'}, row 2"
    assert samples.take([2, 0]).tolist() == [[4, 5], [0, 1]]
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    assert open_samples(mapped).vectors is mapped
    np.save(tmp_path / "none.npy", array[:0])
    assert open_samples(tmp_path / "none.npy").vectors.shape == (0, 2)


@pytest.mark.parametrize(
    ("dtype", "result"),
    [("i1", "f4"), ("u2", "f4"), ("i4", "f8"), ("u8", "f8"), (">f4", "f4"), ("f8", "f8")],
)
def test_numbers_become_floats_that_hold_them(dtype, result):
    array = np.array([[1, 2], [3, 4]], dtype=dtype)
    samples = open_samples(array)
    assert samples.vectors.dtype == np.dtype(result)
    assert samples.vectors.dtype.isnative
    assert samples.vectors.tolist() == [[1, 2], [3, 4]]
    assert samples.take([1]).dtype == array.dtype


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones(3), r"is of shape \(3,\). Vectors must be .* \(n, d\)"),
        (np.ones((1, 2, 3)), r"is of shape \(1, 2, 3\)"),
        (np.ones((3, 0)), "d at least 1"),
        (np.ones((2, 2), bool), "has the type bool"),
        (np.ones((2, 2), complex), "has the type complex128"),
        (np.ones((2, 2), object), "has the type object"),
        (np.array([["a"]]), "has the type <U1"),
        (np.ma.ones((2, 2)), "is masked"),
        (np.array([[1, 2], [3, 2**53 + 1]]), r"row 1: 9007199254740993 has no exact float64"),
        (np.array([[1], [-(2**53) - 1]]), "row 1: -9007199254740993 has no exact float64"),
        ([[1, 2], [3, 4], [5]], "row 0 has 2 numbers, row 2 has 1"),
        ([[1, 2], []], "row 0 has 2 numbers, row 1 has 0"),
        ([[1, 2], ["a", "b"]], "row 1 is not a list of numbers"),
        ([[1, 2], None], "row 1 is not a list of numbers: it is 'None'"),
        ([[1, 2], [1, [2]]], "row 1 is not a list of numbers"),
        ([[True, False]], "row 0 is not a list of numbers"),
        ([np.ones(2), np.ones(3)], "row 0 has 2 numbers, row 1 has 3"),
        (torch.ones(3), r"is of shape \(3,\)"),
        (torch.ones(2, 2, dtype=torch.bool), "has the type bool"),
        (torch.ones(2, 2).to_sparse(), "is sparse"),
        (torch.ones(2, 2).to(torch.float8_e4m3fn), "has the type torch.float8_e4m3fn"),
    ],
)
def test_invalid_vectors(data, message):
    with pytest.raises(VectorError, match=message):
        open_samples(data)


def test_an_archive_or_a_pickle_is_rejected(tmp_path):
    np.savez(tmp_path / "a.npz", np.ones(2))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([[{}]]))
    with pytest.raises(VectorError, match=r"a.npy is an archive"):
        open_samples(tmp_path / "a.npy")
    with pytest.raises(VectorError, match=r"b.npy has the type object"):
        open_samples(tmp_path / "b.npy")


@pytest.mark.parametrize("data", [[[1.0, 2.0], [3, 4]], [np.ones(2), [3, 4]], [torch.ones(2)] * 2])
def test_lists_of_vectors(data, tmp_path):
    samples = open_samples(data)
    assert samples.format == "list"
    assert samples.vectors.shape == (2, 2)
    taken = samples.take([1, 0])
    assert taken[0] is data[1]
    samples.write(tmp_path / "v.npy", [1])
    assert open_samples(tmp_path / "v.npy").vectors.tolist() == [list(map(float, data[1]))]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int8])
def test_tensors(dtype):
    tensor = torch.tensor([[1, 2], [3, 4]], dtype=dtype)
    samples = open_samples(tensor)
    assert samples.vectors.tolist() == [[1, 2], [3, 4]]
    taken = samples.take([1])
    assert taken.dtype == dtype
    assert taken.tolist() == [[3, 4]]


def test_a_tensor_with_a_gradient():
    samples = open_samples(torch.nn.Parameter(torch.ones(2, 3)))
    assert samples.format == "tensor"
    assert samples.vectors.shape == (2, 3)


@pytest.mark.cuda
def test_a_tensor_on_the_gpu_stays_there():
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    tensor = torch.arange(6.0, device="cuda").reshape(3, 2)
    samples = open_samples(tensor)
    assert samples.vectors.tolist() == tensor.tolist()
    assert samples.take([2]).device.type == "cuda"


# Values that belong to rows

ALIGNED = {
    "array": np.arange(4),
    "images": np.zeros((4, 2, 2, 3)),
    "objects": np.array([1, "a", None, {}], dtype=object),
    "tensor": torch.arange(4),
    "list": [1, "a", None, {}],
    "tuple": (1, 2, 3, 4),
    "range": range(4),
    "series": pd.Series([1, 2, 3, 4], index=list("abcd")),
    "categories": pd.Categorical(list("abca")),
    "index": pd.Index([1, 2, 3, 4]),
    "polars": pl.Series([1, 2, 3, 4]),
    "arrow": pa.array([1, 2, 3, 4]),
    "chunks": pa.chunked_array([[1], [2, 3, 4]]),
    "frame": pd.DataFrame({"a": [1, 2, 3, 4]}),
    "vectors": [[1.0], [2.0], [3.0], [4.0]],
}


@pytest.mark.parametrize("kind", ALIGNED)
def test_rows_of_anything_with_a_value_for_each_row_can_be_taken(kind):
    data = ALIGNED[kind]
    values = open_aligned(data)
    assert len(values) == 4
    assert "4" in values.origin
    taken = values.take(np.array([2, 0]))
    assert type(taken) is (list if kind == "range" else type(data))
    expected = data.iloc[[2, 0]] if hasattr(data, "iloc") else [data[2], data[0]]
    assert list(map(str, taken)) == list(map(str, expected))


def test_rows_of_a_sparse_matrix_can_be_taken():
    sparse = pytest.importorskip("scipy.sparse")
    values = open_aligned(sparse.coo_array(np.eye(4)))
    assert len(values) == 4
    assert values.take(np.array([2])).toarray().tolist() == [[0, 0, 1, 0]]


def test_what_has_no_rows_cannot_be_taken_from():
    for data in ({"a": [1]}, 3, b"abcd", np.array(3)):
        with pytest.raises(EvenlyError):
            open_aligned(data)


@pytest.mark.parametrize(
    "data",
    [
        np.array(["a", None, "c"], dtype=object),
        np.array([{"text": "a"}, {"text": None}, {"text": "c"}], dtype=object),
        pa.array(["a", None, "c"]),
        pa.chunked_array([["a"], [None, "c"]]),
        pa.array([{"text": "a"}, {"text": None}, {"text": "c"}]),
    ],
)
def test_arrays_of_objects_are_texts_or_records(data):
    samples = open_samples(data)
    assert samples.format == "array"
    assert read_texts(samples).values == ["a", "", "c"]
    taken = samples.take([2, 0])
    assert type(taken) is type(data)
    assert read_texts(open_samples(taken)).values == ["c", "a"]


def test_arrays_of_lists_are_vectors():
    array = np.empty(2, dtype=object)
    array[:] = [[1.0, 2.0], [3.0, 4.0]]
    for data in (array, pa.array([[1.0, 2.0], [3.0, 4.0]])):
        assert open_samples(data).vectors.tolist() == [[1, 2], [3, 4]]
