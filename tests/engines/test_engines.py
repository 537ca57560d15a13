"""Every engine gives the oracle's rows in the oracle's order, on every kind of pool."""

import tracemalloc
import weakref
from dataclasses import replace
from functools import cache
from threading import get_ident

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evenly.engines.cuda import make_cuda_engine
from evenly.engines.distances import DistancesEngine
from evenly.engines.memory import MemoryEngine
from evenly.engines.registry import check_available
from evenly.errors import OptionError
from evenly.geometry import DistanceMatrix, Points, first_of_the_farthest, row_lengths
from evenly.geometry.screening.tuning import Tuning, TuningThresholds
from evenly.selection.greedy import driver
from evenly.selection.greedy.driver import DEFAULT_SIZES, FrontierSizes, farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.rules.remaining import Limits
from tests.support import oracle
from tests.support.engines import ENGINES, SMALL, sharded
from tests.support.pools import KINDS, make_pool, pools


@cache
def pool(kind, n, d):
    return make_pool(kind, n, d, np.float32, np.random.default_rng(7))


@cache
def expected_picks(kind, n, d, budget, normalize):
    return oracle.farthest_first(pool(kind, n, d), budget, normalize)


def select(engine, vectors, budget, normalize, start=None, sizes=None, frontiers=DEFAULT_SIZES):
    eligible = np.ones(len(vectors), bool)
    points = Points.of(vectors, row_lengths(vectors), eligible, normalize=normalize)
    if start is None:
        start = first_of_the_farthest(points.squared_distances_to_mean())
    picks, coverage_radius = farthest_first(
        ENGINES[engine](points, budget, sizes), budget, Picks.first(start), sizes=frontiers
    )
    return picks.rows, picks.radii, coverage_radius


def assert_same(found, expected):
    picks, radii, coverage_radius = found
    expected_picks, expected_radii, expected_coverage = expected
    np.testing.assert_array_equal(picks, expected_picks)
    np.testing.assert_allclose(radii, expected_radii, rtol=1e-6, atol=1e-13)
    assert coverage_radius == pytest.approx(expected_coverage, rel=1e-6, abs=1e-13)
    assert (np.diff(radii[1:]) <= 0).all()


@pytest.mark.parametrize("engine", ENGINES)
@given(
    vectors=pools(),
    normalize=st.booleans(),
    frontier=st.sampled_from([2, 3, 8, 1024]),
    centres=st.sampled_from([1, 3, 256]),
    few=st.sampled_from([0, 1, 3, 32]),
    data=st.data(),
)
def test_picks_are_the_oracles(engine, vectors, normalize, frontier, centres, few, data):
    budget = data.draw(st.integers(1, len(vectors)))
    start = data.draw(st.none() | st.integers(0, len(vectors) - 1))
    # Small frontiers take many rounds even on small pools.
    single_round = 2 if frontier < 1024 else 2048
    sizes = replace(SMALL, single_round=single_round, cells=centres)
    frontiers = FrontierSizes(min(frontier, 128), frontier, few)
    found = select(engine, vectors, budget, normalize, start, sizes, frontiers)
    assert_same(found, oracle.farthest_first(vectors, budget, normalize, start))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_picks_are_the_oracles_over_many_rounds(engine, kind, normalize):
    found = select(engine, pool(kind, 3000, 24), 900, normalize)
    assert_same(found, expected_picks(kind, 3000, 24, 900, normalize))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("d", [768, 4096])
def test_picks_are_the_oracles_in_many_dimensions(engine, d):
    found = select(engine, pool("clustered", 300, d), 120, normalize=True)
    assert_same(found, expected_picks("clustered", 300, d, 120, True))


@cache
def corners_of_a_cube():
    """4,096 corners with very many equal distances, and the expected picks."""
    corners = ((np.arange(4096)[:, None] >> np.arange(12)) & 1).astype(np.float32)
    return corners, oracle.farthest_first(corners, 4096, normalize=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_more_ties_than_a_frontier_holds(engine):
    corners, expected = corners_of_a_cube()
    assert_same(select(engine, corners, 4096, normalize=False), expected)


@cache
def inexact_lattice():
    """A lattice whose equal distances differ in their last bits, and the expected picks."""
    rng = np.random.default_rng(3)
    lattice = rng.integers(0, 6, (5000, 3)) * 0.1 + rng.integers(0, 2, (5000, 1)) * 0.3
    return lattice, oracle.farthest_first(lattice, 800, normalize=False)


@pytest.mark.parametrize("engine", ENGINES)
def test_ties_split_by_rounding_alone(engine):
    lattice, expected = inexact_lattice()
    assert_same(select(engine, lattice, 800, normalize=False), expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_that_are_not_eligible_are_never_read(engine):
    vectors = make_pool("random", 60, 8, np.float32, np.random.default_rng(0))
    eligible = np.arange(60) % 3 > 0
    spoiled = vectors.copy()
    spoiled[~eligible] = np.nan
    points = Points.of(spoiled, row_lengths(spoiled), eligible, normalize=False)
    start = first_of_the_farthest(points.squared_distances_to_mean())
    picks, coverage = farthest_first(ENGINES[engine](points, 20), 20, Picks.first(start))
    expected = oracle.farthest_first(vectors[eligible], 20, normalize=False)
    found = picks.rows, picks.radii, coverage
    assert_same(found, (np.flatnonzero(eligible)[expected[0]], *expected[1:]))


@pytest.mark.parametrize(("picks", "times"), [(20, 0), (32, 0), (33, 1), (100, 1)])
def test_rows_of_a_frontier_are_multiplied_for_many_picks_only(picks, times):
    vectors = make_pool("random", 100, 8, np.float32, np.random.default_rng(0))
    points = Points.of(vectors, row_lengths(vectors), np.ones(100, bool), normalize=True)
    frontier = MemoryEngine(points, 100).frontier()
    made = []

    def between():
        made.append(frontier.between())
        return made[-1]

    seen = replace(frontier, between=between)
    found = driver.farthest_first_within(seen, picks, Limits(), few=FrontierSizes().few)

    assert len(made) == times
    expected = oracle.farthest_first(vectors, picks, normalize=True, start=0)
    np.testing.assert_array_equal(frontier.rows[found.positions], expected[0])


def test_a_frontier_does_not_keep_its_engine_alive():
    # The engine on disk makes a new engine in memory while the driver holds the last frontier.
    vectors = make_pool("random", 3000, 8, np.float32, np.random.default_rng(0))
    points = Points.of(vectors, row_lengths(vectors), np.ones(3000, bool), normalize=True)
    engine = MemoryEngine(points, 100)
    engine.add(np.array([0]), engine.fetch(np.array([0])))
    frontier, gone = engine.frontier(), weakref.ref(engine)

    del engine

    assert gone() is None
    assert frontier.between().shape == (len(frontier.rows),) * 2


@pytest.mark.parametrize("threads", [1, 2])
def test_axes_are_made_beside_the_first_picks(threads):
    random = np.random.default_rng(1)
    vectors = (random.normal(size=(3000, 8)) @ random.normal(size=(8, 96))).astype(np.float32)
    vectors += np.float32(0.01) * random.normal(size=vectors.shape).astype(np.float32)
    points = Points.of(vectors, row_lengths(vectors), np.ones(3000, bool), normalize=True)
    made = []

    class Watched(Tuning):
        def make_axes(self):
            made.append(get_ident())
            return super().make_axes()

    tuning = Watched(points, 900, thresholds=TuningThresholds(long=1.0))
    engine = MemoryEngine(points, 900, tuning, threads=threads)
    picks, coverage_radius = farthest_first(engine, 900, Picks.first(0))

    assert engine.proxies.transform.axes is not None
    assert [ident == get_ident() for ident in made] == [threads == 1]
    expected = oracle.farthest_first(vectors, 900, normalize=True, start=0)
    assert_same((picks.rows, picks.radii, coverage_radius), expected)


def test_memory_beyond_the_vectors_is_small():
    vectors = make_pool("clustered", 40_000, 64, np.float32, np.random.default_rng(0))
    tracemalloc.start()
    select("memory", vectors, 500, normalize=True, start=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < vectors.nbytes / 4 + 256e6


@pytest.mark.parametrize("engine", ENGINES)
@given(vectors=pools(max_rows=60), data=st.data())
def test_a_partial_selection_continues_to_the_same_answer(engine, vectors, data):
    budget = data.draw(st.integers(1, len(vectors)))
    initial = data.draw(st.integers(1, budget))
    rows, radii, coverage_radius = select(engine, vectors, budget, normalize=True)
    points = Points.of(vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=True)
    continued = farthest_first(
        ENGINES[engine](points, budget), budget, Picks(rows[:initial], radii[:initial])
    )
    np.testing.assert_array_equal(continued[0].rows, rows)
    # Sums may be taken in another order, which changes the last bits of a radius.
    np.testing.assert_allclose(continued[0].radii, radii, rtol=1e-12)
    assert continued[1] == pytest.approx(coverage_radius, rel=1e-12)


@given(vectors=pools(max_rows=60), shards=st.integers(1, 6), data=st.data())
def test_sharding_changes_nothing(vectors, shards, data):
    budget = data.draw(st.integers(1, len(vectors)))
    points = Points.of(vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=True)
    start = Picks.first(data.draw(st.integers(0, len(vectors) - 1)))
    whole = farthest_first(MemoryEngine(points, budget), budget, start)
    frontiers = FrontierSizes(2, data.draw(st.sampled_from([2, 5, 1024])))
    engine = sharded(points, budget, shards=shards)
    parts = farthest_first(engine, budget, start, sizes=frontiers)
    np.testing.assert_array_equal(parts[0].rows, whole[0].rows)
    np.testing.assert_array_equal(parts[0].radii, whole[0].radii)
    assert parts[1] == whole[1]


@given(vectors=pools(max_rows=60), frontier=st.sampled_from([2, 5, 1024]), data=st.data())
def test_distances_give_the_picks_of_vectors(vectors, frontier, data):
    budget = data.draw(st.integers(1, len(vectors)))
    start = data.draw(st.integers(0, len(vectors) - 1))
    rows = vectors.astype(np.float64)
    matrix = np.sqrt([oracle.squared_distances(rows, row, normalize=False) for row in rows])
    metric = DistanceMatrix(matrix, np.ones(len(matrix), bool))
    assert metric.fault() is None
    engine, frontiers = DistancesEngine(metric), FrontierSizes(2, frontier)
    picks, coverage = farthest_first(engine, budget, Picks.first(start), sizes=frontiers)
    expected = oracle.farthest_first(vectors, budget, False, start)
    assert_same((picks.rows, picks.radii, coverage), expected)


def test_faults_of_a_distance_matrix_are_described():
    matrix = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])
    everyone = np.ones(3, bool)
    for row, column, value, message in [
        (0, 1, 5.0, "is not symmetric: row 0, column 1 is 5.0, row 1, column 0 is 1.0"),
        (1, 2, -3.0, "has -3.0 at row 1, column 2"),
        (2, 2, 0.5, "has 0.5 on its diagonal, at row 2"),
        (0, 2, np.nan, "has nan at row 0, column 2"),
    ]:
        wrong = matrix.copy()
        wrong[row, column] = value
        assert message in DistanceMatrix(wrong, everyone).fault()
    assert "square" in DistanceMatrix(matrix[:2], everyone[:2]).fault()
    assert DistanceMatrix(matrix.astype(np.float16), everyone).fault() is None


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_oracles_picks(kind, normalize):
    vectors = pool(kind, 3000, 24)
    points = Points.of(vectors, row_lengths(vectors), np.ones(3000, bool), normalize=normalize)
    start = first_of_the_farthest(points.squared_distances_to_mean())
    picks, coverage = farthest_first(make_cuda_engine(points, 900), 900, Picks.first(start))
    expected = expected_picks(kind, 3000, 24, 900, normalize)
    assert_same((picks.rows, picks.radii, coverage), expected)


def test_without_a_gpu_the_error_says_what_to_do(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match='engine="memory"'):
        check_available("cuda", "auto")
    check_available("cuda", "cpu")
    check_available("memory", "auto")
