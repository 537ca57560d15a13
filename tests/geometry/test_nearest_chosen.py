"""The nearest chosen row of each row, compared by few coordinates, is exact."""

import numpy as np
import pytest

from evenly.geometry import Points, Targets, nearest_chosen, row_lengths
from evenly.geometry.screening.targets import SEGMENT
from evenly.geometry.screening.tuning import TuningThresholds


def test_few_coordinates_find_the_nearest_chosen_row(monkeypatch):
    # Most of the variance is in the first coordinates.
    vectors = np.random.default_rng(2).uniform(-1.0, 1.0, (6000, 96)) / np.arange(1.0, 97.0)
    points = Points.of(vectors, row_lengths(vectors), np.ones(6000, bool), normalize=False)
    chosen = np.sort(np.random.default_rng(0).permutation(6000)[: 2 * SEGMENT + 100])
    widths = []
    change = Targets.change

    def recording(targets, proxies, precision):
        widths.append(proxies.width)
        change(targets, proxies, precision)

    monkeypatch.setattr(Targets, "change", recording)

    always = TuningThresholds(long=0.0, axes=0.0)
    found = nearest_chosen(points, chosen, thresholds=always)
    below = 1.01 * float(found.distances.max() ** 2)
    within = nearest_chosen(points, chosen, below=below, thresholds=always)

    assert len(widths) == 2
    assert max(widths) < 96
    np.testing.assert_array_equal(within.nearest, found.nearest)
    np.testing.assert_array_equal(within.distances, found.distances)
    for row in range(0, 6000, 20):
        gaps = np.sqrt(((vectors[chosen] - vectors[row]) ** 2).sum(axis=1))
        gaps[chosen == row] = np.inf
        assert found.nearest[row] == chosen[gaps.argmin()]
        assert found.distances[row] == pytest.approx(gaps.min(), rel=1e-12)
