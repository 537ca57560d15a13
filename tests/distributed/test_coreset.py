"""Two rounds on workers: the rows of one machine, whatever the workers hold."""

from itertools import pairwise

import numpy as np
import pytest

from evenly import select_uniform
from evenly.errors import DataError, OptionError
from evenly.selection.greedy import coreset
from tests.distributed.test_engine import records, vectors, write_jsonl
from tests.support.cluster import CALM, LocalCluster, assert_same, select_on
from tests.support.encoders import TopicEncoder

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")

CUTS = [0, 40, 3000, 3001, 5500, 9000]


@pytest.fixture
def shards(folder):
    """Files whose ends are not those of the ranges, with rows that cannot be chosen."""
    (folder / "s").mkdir()
    rows = vectors(9000)
    rows[[7, 3000, 8999]] = 0
    for number, (begin, end) in enumerate(pairwise(CUTS)):
        np.save(folder / "s" / f"{number}.npy", rows[begin:end])
    return "s"


COUNTED = ("compute", "begin", "frontier")


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 12])
def test_parts_that_workers_share(shards, workers):
    options = {"budget": 50, "method": "coreset", "on_invalid": "drop"}
    cluster = LocalCluster(workers)

    together = select_on(cluster, shards, **options)

    assert_same(together, select_uniform(shards, **options))
    asked = [call for worker, _, call in cluster.calls if call in COUNTED]
    # All workers compute at once; then they are asked once or twice for the farthest row.
    assert asked.count("compute") <= min(workers, 5)
    assert asked.count("frontier") <= 2 * min(workers, 5)


@pytest.mark.parametrize("engine", ["memory", "mapped", "sharded"])
def test_whatever_workers_compute_with(shards, engine):
    options = {"budget": 50, "method": "coreset", "on_invalid": "drop", "exclude": [3, 3002]}
    alone = select_uniform(shards, **options)

    together = select_on(LocalCluster(3), shards, engine=engine, **options)

    assert together.indices.tolist() == alone.indices.tolist()
    assert together.radii.tobytes() == alone.radii.tobytes()
    assert together.coverage_radius == alone.coverage_radius
    assert together.provenance.details == alone.provenance.details


def test_texts_one_file_and_an_array(folder):
    (folder / "t").mkdir()
    for number, (begin, end) in enumerate(pairwise([0, 3, 160, 161, 300])):
        write_jsonl(folder / "t" / f"{number}.jsonl", records()[begin:end])
    options = {"encoder": TopicEncoder(), "text": "text", "budget": 20, "method": "coreset"}
    assert_same(select_on(LocalCluster(4), "t", **options), select_uniform("t", **options))

    np.save("one.npy", vectors())
    options = {"budget": 40, "method": "coreset", "start": 8000}
    alone = select_uniform("one.npy", **options)
    assert_same(select_on(LocalCluster(3), "one.npy", **options), alone)
    together = select_on(LocalCluster(4), vectors(), **options)
    assert_same(together, select_uniform(vectors(), **options))


def test_a_worker_is_lost_while_it_computes(shards):
    options = {"budget": 50, "method": "coreset", "on_invalid": "drop"}
    lost = []

    def faults(worker, generation, request):
        if request.call == "compute" and generation < 2:
            lost.append((worker, generation))
            return "dies after" if generation else "dies before"
        return CALM

    together = select_on(LocalCluster(3, faults), shards, **options)

    assert_same(together, select_uniform(shards, **options))
    assert len(lost) == 6


def test_rows_of_another_worker_that_have_changed_are_an_error(shards):
    def faults(worker, generation, request):
        if request.call == "compute":
            np.save("s/3.npy", vectors(9000)[3001:5500][::-1])
        return CALM

    with pytest.raises(DataError, match=r"3\.npy.*changed|changed after they were opened"):
        select_on(LocalCluster(5, faults), shards, budget=50, method="coreset", on_invalid="drop")


def test_candidates_that_do_not_fit_are_refused(shards):
    options = {"budget": 2000, "method": "coreset", "on_invalid": "drop", "memory": 4e6}
    with pytest.raises(OptionError, match=r'^method="coreset" chooses .* 16,000 vectors'):
        select_on(LocalCluster(2), shards, **options)
    assert len(coreset.parts_of(9000, 2000)) == 8
