"""Whenever a tabu search stops, its packing satisfies the constraints."""

import numpy as np
import pytest

from evenly.geometry.search.neighbour_graph import neighbour_graph
from evenly.selection.refine.adjacency import Adjacency
from evenly.selection.refine.constraints import Constraints
from evenly.selection.refine.tabu import TabuSearch
from tests.support.best_possible import gaps_of, points_of


@pytest.mark.parametrize("perturbation_rate", [0.0, 0.03, 0.5])
def test_a_tabu_search_satisfies_its_constraints(perturbation_rate):
    points = points_of(np.random.default_rng(0).normal(size=(150, 4)))
    gaps = gaps_of(points)
    graph = neighbour_graph(points, np.arange(150), 0.9)
    strata = (np.arange(150) % 4).astype(np.int32)
    limits = np.where(np.arange(150) % 10 == 0, 0.1, np.inf)
    constraints = Constraints(limits, strata, np.array([3, 0, 5, 2]))
    search = TabuSearch(len(graph), constraints, perturbation_rate, 1)
    search.reset(np.zeros(150, bool), graph.reach, Adjacency.at(graph, graph.reach))

    for _ in range(200):
        search.run(11, 300)
        rows = np.flatnonzero(search.chosen)
        assert search.size == len(rows) <= 10
        assert (np.bincount(strata[rows], minlength=4) <= constraints.most).all()
        assert (limits[rows] > 0.1).all()
        near = gaps[np.ix_(rows, rows)][~np.eye(len(rows), dtype=bool)]
        assert (near >= 0.9 * (1 - 1e-9)).all()
