"""Duplicates on workers: the rows, representatives and groups of one machine."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from evenly import deduplicate
from evenly.distributed.prepare import prepare
from evenly.errors import DataError, OptionError
from evenly.options import InputOptions
from evenly.selection.packing.on_workers import packing_on_workers
from evenly.selection.packing.packer import packing_in_order
from tests.distributed.test_engine import records, write_jsonl
from tests.support.cluster import CALM, LocalCluster
from tests.support.command_line import fail, succeed
from tests.support.encoders import TopicEncoder

CUTS = [0, 40, 1000, 1001, 3000]


def vectors():
    """Rows in tight groups, of which some are equal, also on two workers."""
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((400, 6))[rng.integers(0, 400, 3000)]
    rows += rng.choice([0.0, 0.02, 0.2], (3000, 1)) * rng.standard_normal(rows.shape)
    rows = rows.astype(np.float32)
    rows[1000] = rows[2999] = rows[3]  # a worker's only row
    rows[17, 2], rows[2500] = 0.0, rows[17]
    rows[2500, 2] = -0.0
    return rows


@pytest.fixture
def cluster(monkeypatch):
    """What cluster= connects to."""
    started = LocalCluster(4)
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: started)
    return started


@pytest.fixture
def shards(cluster):
    Path("s").mkdir()
    for number, (begin, end) in enumerate(pairwise(CUTS)):
        np.save(f"s/{number}.npy", vectors()[begin:end])
    return "s"


@pytest.fixture
def texts(cluster):
    Path("t").mkdir()
    rows = records()
    for row in (8, 150, 299):
        rows[row]["text"] = rows[160]["text"]
    rows[20]["text"] = " "
    for number, (begin, end) in enumerate(pairwise([0, 3, 160, 161, 300])):
        write_jsonl(Path(f"t/{number}.jsonl"), rows[begin:end])
    return "t"


def assert_same(one, other):
    assert one.indices.tolist() == other.indices.tolist()
    assert one.representative.tolist() == other.representative.tolist()
    assert one.distances.tobytes() == other.distances.tobytes()
    assert one.duplicates == other.duplicates
    assert one.min_distance == other.min_distance
    for name in ("input", "options", "encoder", "text", "dropped"):
        assert getattr(one.provenance, name) == getattr(other.provenance, name)


QUALITY = np.random.default_rng(1).integers(0, 50, 3000).astype(float)


@pytest.mark.parametrize(
    "options",
    [
        {"min_distance": 0},
        {"min_distance": 0.05},
        {"min_distance": 0.9},
        {"similarity": 0.98},
        {"min_distance": 0.3, "normalize": False},
        {"min_distance": 0.05, "keep": "best", "quality": QUALITY},
        {"to": 0.2},
        {"to": 2500, "engine": "mapped"},
    ],
    ids=str,
)
def test_vectors_in_files(cluster, shards, options):
    together = deduplicate(shards, cluster="auto", **options)
    assert_same(together, deduplicate(shards, **options))
    assert any(call == "ask_points" for _, _, call in cluster.calls) is ("to" not in options)


def test_rows_on_the_disk_of_workers(cluster, shards):
    options = {"min_distance": 0.2, "engine": "mapped"}
    assert_same(deduplicate(shards, cluster="auto", **options), deduplicate(shards, **options))


@pytest.mark.parametrize("keep", ["first", "longest"])
@pytest.mark.parametrize("distance", [0, 0.2])
def test_hashes_of_texts_travel_and_texts_do_not(cluster, texts, keep, distance):
    options = {"keep": keep, "encoder": TopicEncoder(), "text": "text", "on_invalid": "drop"}

    together = deduplicate(texts, distance, cluster="auto", **options)

    assert_same(together, deduplicate(texts, distance, **options))
    assert max(map(len, together.duplicates)) >= 4
    calls = {call for _, _, call in cluster.calls}
    assert ("embed" in calls) is (distance > 0)
    assert not calls & {"records", "packed"}


@pytest.mark.parametrize("block", [1, 7, 500])
def test_packings_do_not_depend_on_blocks(cluster, shards, block):
    points = prepare(shards, InputOptions(cluster="auto"), transport=cluster).points
    order = np.random.default_rng(2).permutation(3000)[:900]
    seen, counts = [], []

    kept = packing_on_workers(
        points, order, 0.3, check=counts.append, progress=seen.append, block=block
    )

    expected = packing_in_order(points.take(np.arange(3000)), order, 0.3)
    assert kept.tolist() == expected.rows.tolist()
    assert (sum(seen), counts[-1]) == (900, len(kept))


def test_a_worker_is_lost_between_two_blocks(cluster, shards):
    asked = []

    def faults(worker, generation, request):
        if (worker, request.call) != (2, "ask_points"):
            return CALM
        asked.append(generation)
        return {3: "dies before", 4: "dies after", 7: "dies after"}.get(len(asked), CALM)

    cluster.faults = faults
    points = prepare(shards, InputOptions(cluster="auto"), transport=cluster).points
    order = np.arange(3000)

    kept = packing_on_workers(points, order, 0.1, check=abs, progress=abs, block=200)

    expected = packing_in_order(points.take(order), order, 0.1)
    assert kept.tolist() == expected.rows.tolist()
    assert asked[-1] == 3


def test_a_file_that_changes_is_an_error(cluster, shards):
    def faults(worker, generation, request):
        if request.call == "ask_points" and not generation:
            np.save("s/3.npy", vectors()[1001:3000][::-1])
            return "dies before"
        return CALM

    cluster.faults = faults
    with pytest.raises(DataError, match="changed"):
        deduplicate(shards, 0.1, cluster="auto")


def test_vectors_that_do_not_fit_are_refused(cluster, shards):
    with pytest.raises(OptionError, match=r"^all rows are compared .* do not fit"):
        deduplicate(shards, 0.0, cluster="auto", memory=2e6)
    with pytest.raises(OptionError, match=r"^to= needs all vectors in the memory"):
        deduplicate(shards, to=100, cluster="auto", memory=2e6)
    with pytest.raises(OptionError, match=r"^vectors= cannot be used with cluster="):
        deduplicate(shards, 0.0, cluster="auto", vectors="v")


def test_data_in_memory_are_compared_here(cluster):
    assert_same(deduplicate(vectors(), 0.2, cluster="auto"), deduplicate(vectors(), 0.2))
    assert not cluster.started


def test_the_command_line_writes_what_one_machine_does(cluster, texts):
    command = ["deduplicate", texts, "--on-invalid", "drop", "--min-distance", "0"]
    succeed(*command, "-o", "alone.jsonl")
    succeed(*command, "-o", "together.jsonl", "--cluster", "auto")
    assert Path("alone.jsonl").read_bytes() == Path("together.jsonl").read_bytes()
    np.save("v.npy", vectors())
    told = fail("deduplicate", "v.npy", "--to", "9", "--memory", "2MB", "--cluster", "auto")
    assert "--to needs all vectors" in told
