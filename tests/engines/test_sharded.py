"""Many engines as one: the same rows, and no more work or rows to merge than one engine has."""

import numpy as np
import pytest

from evenly.engines.memory import MemoryEngine
from evenly.engines.merging import Merger
from evenly.engines.protocol import Frontier
from evenly.engines.sharded import ShardedEngine
from evenly.engines.sizes import EngineSizes
from evenly.geometry import Points, row_lengths
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from tests.support import oracle
from tests.support.engines import ENGINES, SMALL, sharded
from tests.support.pools import KINDS, make_pool


def points_of(vectors):
    eligible = np.ones(len(vectors), bool)
    return Points.of(vectors, row_lengths(vectors), eligible, normalize=False)


def squared_to(vectors, chosen):
    """The squared distance of every row to the nearest chosen one; -inf if it is chosen."""
    gaps = vectors[:, None].astype(np.float64) - vectors[chosen].astype(np.float64)
    squared = (gaps**2).sum(axis=2).min(axis=1)
    squared[chosen] = -np.inf
    return squared


class Counting(ShardedEngine):
    """Counts how often engines are asked, and the rows that they answer with."""

    def __init__(self, engines):
        super().__init__(engines)
        self.rows = []

    def ask(self, sizes, floor):
        parts = super().ask(sizes, floor)
        self.rows.append(sum(len(part.rows) for part in parts))
        return parts


def counting(points, budget, shards):
    cuts = np.linspace(0, len(points), shards + 1).astype(int)
    return Counting(
        [
            MemoryEngine(
                points.part(slice(*cut)), budget, threads=1, sizes=EngineSizes(single_round=2)
            )
            for cut in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
        ]
    )


@pytest.mark.parametrize("shards", [5, 60])
@pytest.mark.parametrize("is_sorted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_many_engines_give_the_oracles_picks(kind, is_sorted, shards):
    vectors = make_pool(kind, 1200, 12, np.float32, np.random.default_rng(5))
    if is_sorted:  # then most far rows are in few engines
        vectors = vectors[np.argsort(vectors[:, 0], kind="stable")]
    expected = oracle.farthest_first(vectors, 500, normalize=False, start=0)
    picks, coverage_radius = farthest_first(
        counting(points_of(vectors), 500, shards), 500, Picks.first(0)
    )
    np.testing.assert_array_equal(picks.rows, expected[0])
    assert coverage_radius == pytest.approx(expected[2], rel=1e-6, abs=1e-13)


def test_an_engine_of_sharded_engines_gives_the_oracles_picks():
    vectors = make_pool("clustered", 900, 12, np.float32, np.random.default_rng(5))
    points = points_of(vectors)
    halves = [points.part(slice(0, 400)), points.part(slice(400, 900))]
    engine = ShardedEngine([sharded(half, 300, SMALL, shards=7) for half in halves])
    picks, _ = farthest_first(engine, 300, Picks.first(0))
    np.testing.assert_array_equal(picks.rows, oracle.farthest_first(vectors, 300, False, 0)[0])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0, 2.0])
def test_a_floor_leaves_out_lower_rows_only(engine, share):
    vectors = make_pool("clustered", 400, 12, np.float32, np.random.default_rng(3))
    chosen = np.arange(0, 40)
    made = ENGINES[engine](points_of(vectors), 100, SMALL)
    made.add(chosen, made.fetch(chosen))
    squared = squared_to(vectors, chosen)
    floor = share * squared.max()

    frontier = made.frontier(64, floor)

    np.testing.assert_allclose(frontier.squared, squared[frontier.rows], rtol=1e-9)
    outside = np.delete(squared, frontier.rows)
    assert outside.max() <= frontier.ceiling * (1 + 1e-9)
    if floor <= squared.max():
        assert np.argmax(squared) in frontier.rows


def test_the_coverage_radius_is_exact_if_the_floor_is_too_high():
    # 40 places, 30 rows at each: once all places are chosen, distances fall far below any guess.
    random = np.random.default_rng(2)
    places = random.normal(size=(40, 8)).repeat(30, axis=0)
    vectors = places + 1e-3 * random.normal(size=places.shape)
    engine = counting(points_of(vectors), 40, 8)
    picks, coverage_radius = farthest_first(engine, 40, Picks.first(0))
    expected = np.sqrt(squared_to(vectors, picks.rows).max())
    assert coverage_radius == pytest.approx(expected, rel=1e-9)
    engine.add(picks.rows[-1:], engine.fetch(picks.rows[-1:]))
    assert np.sqrt(engine.frontier(1).squared.max()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kind", ["clustered", "random"])
def test_frontiers_of_many_engines_are_no_larger_than_those_of_one(kind):
    vectors = make_pool(kind, 30_000, 16, np.float32, np.random.default_rng(4))
    engine = counting(points_of(vectors), 3000, 64)
    farthest_first(engine, 3000, Picks.first(0))
    assert 3000 / len(engine.rows) >= 64
    assert sum(engine.rows) / len(engine.rows) < 3 * 1024
    assert max(engine.rows) < 16 * 1024


def all_at_one_place(engine):
    """Choose row 0, ask for a frontier, and choose a row that all others are near."""
    engine.add(np.array([0]), engine.fetch(np.array([0])))
    engine.frontier(64)
    engine.add(np.array([1]), engine.fetch(np.array([1])))


def test_engines_are_asked_again_if_no_row_reaches_the_floor():
    random = np.random.default_rng(6)
    vectors = 1e-3 * random.normal(size=(2000, 4))
    vectors[0] += 10.0
    engine = counting(points_of(vectors), 40, 8)
    all_at_one_place(engine)
    squared = squared_to(vectors, [0, 1])

    frontier = engine.frontier(1)

    assert frontier.rows.tolist() == [np.argmax(squared)]
    np.testing.assert_allclose(frontier.squared, squared.max(), rtol=1e-9)
    assert frontier.ceiling <= squared.max()
    assert len(engine.rows) == 3
    assert engine.rows[1] == 0


def test_the_floor_is_used_only_after_a_change():
    vectors = make_pool("clustered", 600, 12, np.float32, np.random.default_rng(3))
    engine, floors = counting(points_of(vectors), 40, 8), []
    ask = engine.ask

    def asked(sizes, floor):
        floors.append(floor)
        return ask(sizes, floor)

    engine.ask = asked
    engine.add(np.array([0]), engine.fetch(np.array([0])))
    rows = engine.frontier(16).rows
    engine.frontier(32)
    engine.add(rows[:1], engine.fetch(rows[:1]))
    engine.frontier(16)
    engine.frontier(32)
    assert [floor > 0 for floor in floors] == [False, False, True, False]


def test_a_floor_that_decides_nothing_stays_near_the_rows_that_were_found():
    # Engines end when they have enough rows, all within 5 % and far above the floor.
    points, floors = points_of(np.eye(128, dtype=np.float32)), []

    def ask(sizes, floor):
        floors.append(floor)
        squared = np.linspace(1.91, 2.0, 128)
        nothing = {"between": None, "proxies": None, "transform": None}
        part = Frontier(np.arange(128), points, squared, **nothing, ceiling=1.9, ceiling_row=0)
        return [part, part]

    merger = Merger([0, 128])
    for _ in range(20):
        merger.has_changed = True
        merger.frontier(ask, 1024, 0.0)
    assert floors[0] == 0.0
    assert min(floors[1:]) > 1.9 * (1.9 / 2.0) ** 2.1
