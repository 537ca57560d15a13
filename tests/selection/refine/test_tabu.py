"""Walks among packings: wherever one stops, it keeps to its terms."""

import numpy as np
import pytest

from evenly.geometry.search.neighbour_graph import neighbour_graph
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.tabu import Walker
from tests.support.best_possible import gaps_of, points_of


@pytest.mark.parametrize("risk", [0.0, 0.03, 0.5])
def test_a_walk_keeps_to_its_terms(risk):
    points = points_of(np.random.default_rng(0).normal(size=(150, 4)))
    gaps = gaps_of(points)
    graph = neighbour_graph(points, np.arange(150), 0.9)
    strata = (np.arange(150) % 4).astype(np.int32)
    limits = np.where(np.arange(150) % 10 == 0, 0.1, np.inf)
    constraints = Constraints(limits, strata, np.array([3, 0, 5, 2]))
    walker = Walker(graph, constraints, risk, 1)
    walker.reset(np.zeros(150, bool), graph.reach)

    for _ in range(200):
        walker.walk(11, 300)
        rows = np.flatnonzero(walker.chosen)
        assert walker.size == len(rows) <= 10
        assert (np.bincount(strata[rows], minlength=4) <= constraints.most).all()
        assert (limits[rows] > 0.1).all()
        near = gaps[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)]
        assert (near >= 0.9 * (1 - 1e-9)).all()
