"""Records that are on workers are written as one machine writes them, some at a time."""

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import select_uniform
from evenly.errors import OutputError
from tests.support.cluster import CALM, LocalCluster, select_on
from tests.support.encoders import TopicEncoder, texts_of

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")

ROWS, SHARDS = 600, 3
OF_TEXTS = {"budget": 400, "text": "text", "encoder": TopicEncoder(), "cache_dir": False}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s").mkdir()
    return tmp_path


def rows_of(shard, note="x"):
    texts = texts_of(ROWS)[shard::SHARDS]
    return [{"text": text, "row": row, "note": note} for row, text in enumerate(texts)]


def write_lines(note="x"):
    for shard in range(SHARDS):
        lines = map(json.dumps, rows_of(shard, note))
        Path(f"s/{shard}.jsonl").write_text("\n".join(lines) + "\n")


def assert_written_alike(together, alone, suffix):
    together.write(f"together.{suffix}")
    alone.write(f"alone.{suffix}")
    assert Path(f"together.{suffix}").read_bytes() == Path(f"alone.{suffix}").read_bytes()


def test_what_is_written_arrives_in_pieces():
    write_lines(note="x" * 100_000)
    alone, cluster = select_uniform("s", **OF_TEXTS), LocalCluster(3)
    together = select_on(cluster, "s", **OF_TEXTS)
    before = cluster.bytes_moved

    together.write("together.jsonl")

    assert cluster.bytes_moved - before > 40_000_000
    # 64 rows first, and then 16 MB at once.
    assert [(worker, call) for worker, _, call in cluster.calls].count((0, "copies")) == 4
    alone.write("alone.jsonl")
    assert Path("together.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()


@pytest.mark.parametrize("fault", ["dies before", "dies after", "twice", "late", "empty"])
@pytest.mark.parametrize(("suffix", "call"), [("jsonl", "copies"), ("csv", "records")])
def test_a_worker_is_lost_in_the_middle_of_writing(suffix, call, fault):
    write_lines()
    alone, met = select_uniform("s", **OF_TEXTS), []

    def faults(worker, generation, request):
        if worker != 1 or request.call != call:
            return CALM
        met.append(request)
        return fault if len(met) == 2 else CALM

    together = select_on(LocalCluster(3, faults), "s", **OF_TEXTS)

    assert_written_alike(together, alone, suffix)
    assert len(met) >= 2


@pytest.mark.parametrize("headers", [["a", "a", "a"], ["a", "b", "a"]])
def test_files_of_csv_with_the_same_header_or_another(headers):
    for shard, name in enumerate(headers):
        lines = [f'"{row["text"]}",{row["row"]}' for row in rows_of(shard)]
        Path(f"s/{shard}.csv").write_text("\n".join([f"text,{name}", *lines]) + "\n")

    together = select_on(LocalCluster(3), "s", **OF_TEXTS)

    assert_written_alike(together, select_uniform("s", **OF_TEXTS), "csv")


def test_numbers_that_json_does_not_have_become_null(caplog):
    write_lines()
    with Path("s/1.jsonl").open("a") as file:
        file.write('{"text": "Is there a map of nothing?", "row": NaN}\n')
    options = {**OF_TEXTS, "include": [400]}

    together = select_on(LocalCluster(3), "s", **options)

    assert_written_alike(together, select_uniform("s", **options), "jsonl")
    assert "null in the column row" in caplog.text


def test_a_tensor_keeps_its_name():
    safetensors = pytest.importorskip("safetensors.numpy")
    for shard in range(SHARDS):
        rows = np.random.default_rng(shard).standard_normal((300, 4)).astype(np.float32)
        safetensors.save_file({"sentences": rows}, f"s/{shard}.safetensors")

    together = select_on(LocalCluster(3), "s", budget=200)

    assert_written_alike(together, select_uniform("s", 200), "safetensors")
    assert list(safetensors.load_file("together.safetensors")) == ["sentences"]
    with pytest.raises(OutputError, match="which cannot be written as jsonl"):
        together.write("together.jsonl")


@pytest.mark.parametrize("suffix", ["parquet", "npy", "jsonl"])
def test_parquet_with_vectors(suffix):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for shard in range(SHARDS):
        rows = np.random.default_rng(shard).standard_normal((300, 4)).astype(np.float32)
        kind = pa.int32() if shard else pa.int64()
        table = {"row": pa.array(range(300), kind), "v": pa.array(list(rows))}
        pq.write_table(pa.table(table), f"s/{shard}.parquet", row_group_size=70)
    cluster = LocalCluster(3)

    together = select_on(cluster, "s", budget=200)

    assert_written_alike(together, select_uniform("s", 200), suffix)
    # Workers decode the records.
    assert ("packed" in {call for _, _, call in cluster.calls}) == (suffix != "npy")


def test_parquet_that_does_not_fit_in_memory():
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    for shard in range(SHARDS):
        noise = rng.integers(97, 122, (200, 60_000), np.uint8)
        rows = rows_of(shard)
        for row, note in zip(rows, noise, strict=True):
            row["note"] = note.tobytes().decode()
        pq.write_table(pa.Table.from_pylist(rows), f"s/{shard}.parquet")

    together = select_on(LocalCluster(3), "s", **OF_TEXTS)

    assert_written_alike(together, select_uniform("s", **OF_TEXTS), "parquet")
    assert pq.ParquetFile("together.parquet").num_row_groups > 1
