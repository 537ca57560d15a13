"""Matrices of distances that are not quite distances."""

import numpy as np
import pytest

from evenly import select_uniform
from evenly.errors import VectorError


def test_rounding_errors_of_distances_are_corrected():
    rows = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    rows[30:40] = rows[:10]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosine = 1 - rows @ rows.T
    cosine[3, 7] += 1e-7
    assert cosine.min() < 0
    exact = np.maximum(0, (cosine.astype(float) + cosine.T) / 2)
    np.fill_diagonal(exact, 0)

    for dtype in (np.float32, np.float64):
        chosen = select_uniform(cosine.astype(dtype), 20, engine="distances")
        assert chosen.indices.tolist() == (
            select_uniform(exact.astype(dtype), 20, engine="distances").indices.tolist()
        )
        assert chosen.radii.min() >= 0


@pytest.mark.parametrize(
    ("row", "column", "value"), [(0, 1, 1.00001), (1, 2, -1e-5), (2, 2, 1e-5), (0, 1, np.nan)]
)
def test_more_than_rounding_errors_of_distances_are_not_corrected(row, column, value):
    matrix = np.ones((3, 3)) - np.eye(3)
    matrix[row, column] = value
    with pytest.raises(VectorError, match=f"row {min(row, column)}|row {row}"):
        select_uniform(matrix, 2, engine="distances")
