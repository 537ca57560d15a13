"""Workers that die, repeat themselves or answer out of turn: the same answer, or one error."""

import gc
import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

from evenly import select_uniform
from evenly.distributed import crew, worker
from evenly.errors import ClusterError, DataError
from tests.support.cluster import CALM, LocalCluster, assert_same, select_on
from tests.support.encoders import TopicEncoder, texts_of

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")

FAULTS = ("dies before", "dies after", "twice", "late", "empty")


@pytest.fixture
def vectors(folder):
    """Three files of more rows than a single round takes."""
    (folder / "v").mkdir()
    for number in range(3):
        rows = np.random.default_rng(number).standard_normal((2200, 5)).astype(np.float32)
        np.save(folder / "v" / f"{number}.npy", rows)
    return "v"


@pytest.fixture
def texts(folder):
    (folder / "t").mkdir()
    for number in range(3):
        lines = [{"text": text, "group": len(text) % 3} for text in texts_of(30, seed=number)]
        (folder / "t" / f"{number}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return "t"


class Once:
    """A fault that happens to one request: the given number of a call, to one worker."""

    def __init__(self, fault, call, number=1, worker=1):
        self.fault, self.call, self.left, self.worker = fault, call, number, worker

    def __call__(self, worker, generation, request):
        if worker != self.worker or request.call != self.call:
            return CALM
        self.left -= 1
        return self.fault if self.left == 0 else CALM


OF_TEXTS = ("hello", "open", "columns", "read_texts", "embed", "measure", "settle", "begin")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", [*OF_TEXTS, "frontier", "block_sums", "file_digests"])
def test_one_fault_at_any_request_changes_nothing(texts, call, fault):
    options = {"budget": 30, "groups": "group", "balance": "equal", "encoder": TopicEncoder()}
    cluster = LocalCluster(3, Once(fault, call))

    chosen = select_on(cluster, texts, **options)

    assert_same(chosen, select_uniform(texts, **options))
    replaced = [started for started in cluster.started if started[1]]
    # To answer a question twice does no harm, and who is asked first is empty anyway.
    harmless = fault == "twice" and call != "frontier"
    harmless |= fault == "empty" and call in ("hello", "open")
    assert replaced == ([] if harmless else [(1, 1)])


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("round", [2, 5, 9])
def test_a_fault_after_some_picks(vectors, round, fault):
    cluster = LocalCluster(3, Once(fault, "frontier", round))

    chosen = select_on(cluster, vectors, budget=600)

    assert_same(chosen, select_uniform(vectors, 600))
    if fault != "twice":
        assert [started for started in cluster.started if started[1]] == [(1, 1)]


class Often:
    """Random faults, at most three of a worker in a row."""

    def __init__(self, seed, share=0.1):
        self.random, self.share = np.random.default_rng(seed), share
        self.faults, self.in_a_row = 0, {}

    def __call__(self, worker, generation, request):
        if self.random.random() > self.share or self.in_a_row.get(worker, 0) == 3:
            if request.call == "frontier":
                self.in_a_row[worker] = 0
            return CALM
        self.faults += 1
        self.in_a_row[worker] = self.in_a_row.get(worker, 0) + 1
        return FAULTS[self.random.integers(len(FAULTS))]


def test_a_soak_of_random_faults(vectors):
    """A hundred by default; EVENLY_SOAK=10000 makes as many."""
    wanted, faults, seed = int(os.environ.get("EVENLY_SOAK", 100)), 0, 0
    alone = select_uniform(vectors, 400)
    while faults < wanted:
        often = Often(seed)
        assert_same(select_on(LocalCluster(3, often), vectors, budget=400), alone)
        faults, seed = faults + often.faults, seed + 1


def test_workers_that_are_lost_again_and_again_end_in_one_error(vectors):
    def always(worker, generation, request):
        return "dies before" if worker == 2 and request.call == "frontier" else CALM

    cluster = LocalCluster(3, always)

    with pytest.raises(ClusterError, match=r"^5 workers that held v/2\.npy were lost") as raised:
        select_on(cluster, vectors, budget=100)

    assert "it died before it answered" in str(raised.value)
    assert sum(started[0] == 2 for started in cluster.started) == crew.MOST_LOSSES + 1


@pytest.mark.parametrize("keep_date", [False, True])
def test_a_file_that_changed_is_found_by_the_next_worker(vectors, keep_date):
    def changes(worker, generation, request):
        if worker != 1 or generation or request.call != "frontier":
            return CALM
        before = Path("v/1.npy").stat()
        np.save("v/1.npy", np.load("v/1.npy")[::-1])
        if keep_date:
            os.utime("v/1.npy", ns=(before.st_atime_ns, before.st_mtime_ns))
        return "dies before"

    with pytest.raises(DataError, match=r"v/1\.npy changed after it was opened"):
        select_on(LocalCluster(3, changes), vectors, budget=100)


def test_a_machine_with_other_versions(vectors, monkeypatch):
    found = {**worker.versions(), "evenly": "0.0.7"}
    monkeypatch.setattr(worker, "versions", lambda: found)

    with pytest.raises(ClusterError, match=r"has evenly 0\.0\.7, and this one"):
        select_on(LocalCluster(2), vectors, budget=100)


def test_an_interrupted_run_continues_from_its_checkpoint(vectors):
    class Stopped(Exception):
        pass

    def stops(worker, generation, request):
        if request.call == "frontier" and len(request.operations) and request.number > 40:
            raise Stopped
        return CALM

    with pytest.raises(Stopped):
        select_on(LocalCluster(3, stops), vectors, budget=600, checkpoint="c")

    chosen = select_on(LocalCluster(2), vectors, budget=600, checkpoint="c")

    alone = select_uniform(vectors, 600)
    assert chosen.indices.tolist() == alone.indices.tolist()
    assert chosen.radii.tobytes() == alone.radii.tobytes()
    assert 0 < chosen.provenance.taken_over < 600


def test_records_are_written_after_a_worker_was_lost(texts):
    options = {"budget": 30, "encoder": TopicEncoder()}
    alone = select_uniform(texts, **options)
    cluster = LocalCluster(3, Once("dies before", "copies"))

    select_on(cluster, texts, **options).write("together.jsonl")

    alone.write("alone.jsonl")
    assert Path("together.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
    assert (1, 1) in cluster.started


@pytest.mark.parametrize("fault", [CALM, "dies before"])
def test_workers_are_free_once_the_selection_is(vectors, caplog, fault):
    caplog.set_level(logging.DEBUG, "evenly")
    cluster = LocalCluster(3, Once(fault, "frontier"))

    chosen = select_on(cluster, vectors, budget=30)

    assert len(cluster.links) == 3
    del chosen
    gc.collect()
    assert len(cluster.links) == 0


def test_a_damaged_file_is_the_error_of_one_machine(texts):
    with Path("t/1.jsonl").open("a") as file:
        file.write("\n{")
    with pytest.raises(DataError) as alone:
        select_uniform(texts, 5, encoder=TopicEncoder())

    with pytest.raises(DataError) as together:
        select_on(LocalCluster(3), texts, budget=5, encoder=TopicEncoder())

    assert str(together.value) == str(alone.value)
