"""What a selection on a cluster is expected to cost: each worker tries its own part."""

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import estimate, select_uniform
from evenly.errors import BudgetError, EmptyPoolError, OptionError
from tests.distributed.test_engine import write_jsonl
from tests.support.cluster import LocalCluster
from tests.support.command_line import succeed
from tests.support.encoders import TopicEncoder, texts_of


@pytest.fixture
def cluster(folder, monkeypatch):
    """What cluster= connects to."""
    started = LocalCluster(3)
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: started)
    (folder / "s").mkdir()
    return started


def test_files_of_vectors(cluster):
    for number, rows in enumerate([3000, 500, 4000]):
        np.save(f"s/{number}.npy", np.ones((rows, 20), np.float16))

    found = estimate("s", 0.1, cluster="auto")

    alone = estimate("s", 0.1)
    assert (found.rows, found.budget, found.dimension) == (7500, 750, 20)
    assert found.memory < alone.memory
    between = found.cluster
    assert (between.workers, between.rows) == (len({call[0] for call in cluster.calls}), 4000)
    assert between.rounds == 3
    parts = between.worker_seconds, between.driver_seconds, between.network_seconds
    assert found.selection_seconds == pytest.approx(sum(parts))
    assert "cluster" not in alone.as_dict()
    # Nothing but the structure of the files was read, and no worker is left.
    assert {call for _, _, call in cluster.calls} == {"hello", "open", "try_task"}


def test_what_travels_is_about_what_a_model_of_other_pools_says(cluster):
    rng = np.random.default_rng(0)
    for number in range(3):
        np.save(f"s/{number}.npy", rng.standard_normal((5000, 32)).astype(np.float32))
    expected = estimate("s", 1500, cluster="auto").cluster
    before = cluster.bytes_moved

    select_uniform("s", 1500, cluster="auto")

    moved = cluster.bytes_moved - before
    assert 1 / 4 < (expected.received + expected.sent) / moved < 4


def test_texts_are_tried_by_the_workers_that_have_them(cluster):
    texts = texts_of(700)
    for number, (begin, end) in enumerate([(0, 100), (100, 400), (400, 700)]):
        write_jsonl(Path(f"s/{number}.jsonl"), [{"text": text} for text in texts[begin:end]])

    found = estimate("s", 10, cluster="auto", encoder=TopicEncoder(), memory="1MB")

    assert found.rows == 700
    assert found.embedding_seconds > 0
    assert found.dimension == estimate("s", 10, encoder=TopicEncoder()).dimension


def test_data_in_memory_are_sent_to_workers(cluster):
    vectors = np.ones((3000, 40), np.float32)
    found = estimate(vectors, 100, cluster="auto")
    assert (found.cluster.workers, found.cluster.rows) == (3, 1000)
    assert found.cluster.sent > vectors.nbytes

    found = estimate(texts_of(90), 10, cluster="auto", encoder=TopicEncoder())
    assert (found.rows, found.cluster.rows) == (90, 30)
    assert found.embedding_seconds > 0


def test_errors_are_those_of_a_selection(cluster):
    np.save("s/0.npy", np.ones((50, 4)))
    with pytest.raises(BudgetError, match="between 1 and the pool size 50"):
        estimate("s", 51, cluster="auto")
    with pytest.raises(OptionError, match=r"^vectors= cannot be used with cluster="):
        estimate("s", 5, cluster="auto", vectors="v")
    with pytest.raises(EmptyPoolError):
        estimate([], 5, cluster="auto")
    np.save("s/0.npy", np.ones((20_000, 400), np.float32))
    with pytest.raises(OptionError, match="memory= is too little for 6,666 rows of 400"):
        estimate("s", 9000, cluster="auto", memory="25MB")


def test_the_command_line(cluster):
    for number in range(2):
        np.save(f"s/{number}.npy", np.ones((300, 8), np.float32))
    told = succeed("estimate", "s", "-b", "30", "--cluster", "auto").stdout
    assert "2, of at most 300 rows" in told
    assert "MB to the driver" in told
    numbers = json.loads(succeed("estimate", "s", "-b", "30", "--cluster", "auto", "--json").stdout)
    assert numbers["cluster"]["workers"] == 2
    assert numbers["seconds"] == numbers["embedding_seconds"] + numbers["selection_seconds"]
