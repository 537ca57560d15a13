"""A real cluster: two nodes of Ray on this machine."""

import json

import numpy as np
import pytest

from evenly import select_uniform
from evenly.errors import ClusterError
from tests.support.cluster import assert_same
from tests.support.encoders import TopicEncoder, texts_of

pytest.importorskip("ray", reason="the extra ray is not installed")

from tests.support.ray import ray_cluster


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster() as started:
        yield started


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def write_vectors(folder, rows=6000):
    rng = np.random.default_rng(1)
    (folder / "s").mkdir()
    for number in range(4):
        shard = rng.standard_normal((rows // 4 + number, 12)).astype(np.float32)
        np.save(folder / "s" / f"{number}.npy", shard)
    return "s"


def test_an_address_without_a_cluster(folder):
    with pytest.raises(ClusterError, match="ray start --head"):
        select_uniform(np.eye(4), 2, cluster="127.0.0.1:1")


def test_files_of_vectors_and_an_array(cluster, folder):
    data = write_vectors(folder)
    alone = select_uniform(data, 300)

    together = select_uniform(data, 300, cluster="auto")

    assert_same(together, alone)
    array = np.concatenate([np.load(f"s/{number}.npy") for number in range(4)])
    assert_same(select_uniform(array, 300, cluster="auto"), select_uniform(array, 300))


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_texts_are_embedded_by_workers(cluster, folder):
    for number in range(3):
        lines = [json.dumps({"text": text, "row": number}) for text in texts_of(40 + number)]
        (folder / f"{number}.jsonl").write_text("\n".join(lines))
    alone = select_uniform("*.jsonl", 12, encoder=TopicEncoder())

    together = select_uniform("*.jsonl", 12, encoder=TopicEncoder(), cluster="auto")

    assert_same(together, alone)
    alone.write("alone.jsonl")
    together.write("together.jsonl")
    assert (folder / "alone.jsonl").read_bytes() == (folder / "together.jsonl").read_bytes()
