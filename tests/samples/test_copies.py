"""Samples and selections can be pickled and copied, whatever they were made from."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from evenly import Selection, select_uniform
from evenly.samples import open_samples

RECORDS = [{"text": f"text {n}", "number": str(n)} for n in range(6)]
VECTORS = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
FILES = ["jsonl", "json", "csv", "tsv", "txt", "jsonl.gz", "parquet", "npy", "safetensors"]


def pandas_frame(folder):
    return pytest.importorskip("pandas").DataFrame(RECORDS)


def pandas_series(folder):
    return pytest.importorskip("pandas").DataFrame(RECORDS)["text"]


def polars_frame(folder):
    return pytest.importorskip("polars").DataFrame(RECORDS)


def polars_series(folder):
    return pytest.importorskip("polars").DataFrame(RECORDS)["text"]


def arrow_table(folder):
    return pytest.importorskip("pyarrow").Table.from_pylist(RECORDS)


def hub_dataset(folder):
    return pytest.importorskip("datasets").Dataset.from_list(RECORDS)


def tensor(folder):
    return pytest.importorskip("torch").from_numpy(VECTORS)


def memory_map(folder):
    np.save(folder / "m.npy", VECTORS)
    return np.load(folder / "m.npy", mmap_mode="r")


def parquet_of_vectors(folder):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table({"vector": VECTORS.tolist()}), folder / "v.parquet")
    return folder / "v.parquet"


def shards(folder):
    for name in ("s1", "s2"):
        open_samples(RECORDS).write(folder / f"{name}.jsonl", range(6))
    return f"{folder}/s*.jsonl"


MADE = {
    "list of records": lambda folder: RECORDS,
    "list of strings": lambda folder: ["a", "b", "c", "d", "e", "f"],
    "tuple": lambda folder: ("a", "b", "c", "d", "e", "f"),
    "list of vectors": lambda folder: VECTORS.tolist(),
    "array": lambda folder: VECTORS,
    "array of strings": lambda folder: np.array(["a", "b", "c", "d", "e", "f"]),
    **{
        make.__name__: make
        for make in (
            *(pandas_frame, pandas_series, polars_frame, polars_series, arrow_table, hub_dataset),
            *(tensor, memory_map, parquet_of_vectors, shards),
        )
    },
}


def from_file(suffix):
    def make(folder):
        if suffix == "txt":
            (folder / "a.txt").write_text("a\nb\nc\nd\ne\nf\n")
        else:
            data = VECTORS if suffix in ("npy", "safetensors") else RECORDS
            open_samples(data).write(folder / f"a.{suffix}", range(6))
        return folder / f"a.{suffix}"

    return make


MADE.update({suffix: from_file(suffix) for suffix in FILES})


@pytest.mark.parametrize("kind", MADE)
def test_samples_can_be_pickled_and_copied(tmp_path, kind):
    samples = open_samples(MADE[kind](tmp_path))
    if samples.holds_vectors:
        _ = samples.vectors
    for again in (pickle.loads(pickle.dumps(samples)), copy.deepcopy(samples)):
        assert len(again) == len(samples)
        assert again.content_hash() == samples.content_hash()
        assert type(again.take([2, 0])) is type(samples.take([2, 0]))
        name = f"o.{'npy' if samples.holds_vectors else 'jsonl'}"
        again.write(tmp_path / name, [3, 1], force=True)
        samples.write(tmp_path / f"expected-{name}", [3, 1], force=True)
        assert (tmp_path / name).read_bytes() == (tmp_path / f"expected-{name}").read_bytes()


def test_a_copy_of_vectors_in_files_does_not_carry_them(tmp_path):
    open_samples(np.ones((10_000, 4), np.float32)).write(tmp_path / "a.npy", range(10_000))
    samples = open_samples(tmp_path / "a.npy")
    assert samples.vectors.shape == (10_000, 4)
    assert len(pickle.dumps(samples)) < 5_000


def choose(path):
    return select_uniform(path, 3)


def test_a_selection_is_returned_by_another_process(tmp_path):
    np.save(tmp_path / "v.npy", VECTORS)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        [found] = pool.map(choose, [str(tmp_path / "v.npy")])
    assert isinstance(found, Selection)
    assert found.indices.tolist() == choose(str(tmp_path / "v.npy")).indices.tolist()
    found.write(tmp_path / "o.npy")
    assert np.load(tmp_path / "o.npy").tolist() == VECTORS[found.indices].tolist()
    assert copy.deepcopy(found).h_min == found.h_min
