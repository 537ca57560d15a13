"""Engines that work ahead while nobody asks them: the same picks, with less to do later."""

import numpy as np
import pytest

from evenly.engines.mapped import MappedEngine
from evenly.engines.memory import MemoryEngine
from evenly.engines.sizes import EngineSizes
from evenly.geometry import Points, row_lengths
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from tests.support import oracle
from tests.support.pools import KINDS, make_pool

SIZES = EngineSizes(single_round=2, cells=8, least_unseen=64)
MAKE = {
    "memory": lambda points, budget: MemoryEngine(points, budget, threads=1, sizes=SIZES),
    "mapped": lambda points, budget: MappedEngine(
        points, budget, 1e9, rows_in_memory=len(points) // 2, sizes=SIZES
    ),
}


def points_of(vectors):
    return Points.of(vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=False)


class Ahead:
    """An engine that looks ahead after every frontier."""

    def __init__(self, engine):
        self._engine = engine

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def __len__(self):
        return len(self._engine)

    def frontier(self, *arguments):
        frontier = self._engine.frontier(*arguments)
        self._engine.look_ahead()
        return frontier


@pytest.mark.parametrize("engine", MAKE)
@pytest.mark.parametrize("kind", KINDS)
def test_to_look_ahead_changes_no_pick(kind, engine):
    vectors = make_pool(kind, 1200, 12, np.float32, np.random.default_rng(5))
    rows, radii, coverage_radius = oracle.farthest_first(vectors, 400, normalize=False, start=0)
    made = Ahead(MAKE[engine](points_of(vectors), 1200))

    picks, radius = farthest_first(made, 400, Picks.first(0))

    np.testing.assert_array_equal(picks.rows, rows)
    np.testing.assert_allclose(picks.radii[1:], radii[1:], rtol=1e-9, atol=1e-13)
    assert radius == pytest.approx(coverage_radius, rel=1e-6, abs=1e-13)


def after_some_picks(engine, budget):
    """An engine of which two frontiers were asked, with picks of the first in between."""
    vectors = make_pool("random", 6000, 12, np.float32, np.random.default_rng(5))
    made = MAKE[engine](points_of(vectors), budget)
    made.add(np.array([0]), made.fetch(np.array([0])))
    rows = made.frontier(60).rows[:30]
    made.add(rows, made.fetch(rows))
    made.frontier(60)
    return made


def up_to_date(engine):
    inner = getattr(engine, "_engine", engine)
    return int(np.count_nonzero(inner._seen == len(inner._targets)))


@pytest.mark.parametrize("engine", MAKE)
def test_rows_are_brought_up_to_date_once(engine):
    made = after_some_picks(engine, 2000)
    before = up_to_date(made)

    made.look_ahead()
    after = up_to_date(made)
    made.look_ahead()

    assert before < after == up_to_date(made)


@pytest.mark.parametrize("engine", MAKE)
def test_nothing_is_done_ahead_of_the_last_picks(engine):
    made = after_some_picks(engine, 100)
    before = up_to_date(made)

    made.look_ahead()

    assert up_to_date(made) == before
