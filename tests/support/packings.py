"""Packings by their definition, and settings that take all paths of the packer on few rows."""

import numpy as np

from evenly.geometry import Points, ProxyVectors, row_lengths
from evenly.geometry.screening.tuning import Tuning
from evenly.selection.packing.packer import PackerSettings
from tests.support import oracle


class OnDisk:
    """Vectors that are not an array, but are read by slices and row numbers."""

    def __init__(self, vectors):
        self._vectors = vectors
        self.shape, self.dtype, self.nbytes = vectors.shape, vectors.dtype, vectors.nbytes

    def __len__(self):
        return len(self._vectors)

    def __getitem__(self, rows):
        return self._vectors[rows]


class TurnedSoon(Tuning):
    """Rotates and narrows the proxies at every review."""

    def cheaper(self, targets, rows, squared):
        transform = targets.proxies.transform.turned(self._points, self._points.dimension)
        return ProxyVectors(self._points, transform, width=transform.chunk)


TINY = PackerSettings(
    first_block=5,
    largest_block=11,
    survivors=4,
    within=3,
    tile=2,
    cells=2,
    review_at=3,
    tuning=TurnedSoon,
)
"""Blocks, cells and reviews so small that few rows go through all of them."""


def points_of(vectors, *, normalize=False, eligible=None, on_disk=False):
    eligible = np.ones(len(vectors), bool) if eligible is None else eligible
    points = Points.of(vectors, row_lengths(vectors), eligible, normalize=normalize)
    if on_disk:
        points = Points(OnDisk(vectors), points.factors, eligible, points.longest)
    return points


def exact_rows(vectors, normalize):
    """Return the rows after normalization, which is not tested here."""
    return points_of(np.asarray(vectors), normalize=normalize).exact(np.arange(len(vectors)))


def gaps_of(vectors, normalize=False):
    """Return the (n, n) Euclidean distances between the rows after normalization."""
    rows = exact_rows(vectors, normalize)
    return np.sqrt([oracle.squared_distances(rows, row, normalize) for row in rows])


def packing_by_definition(vectors, order, min_distance, *, normalize=False, away=None):
    """Return the rows, in order, that are not nearer than the distance to one kept before."""
    rows = exact_rows(vectors, normalize)
    far = list(exact_rows(away, normalize)) if away is not None and len(away) else []
    kept = []
    for row in order:
        if far:
            nearest = oracle.squared_distances(np.array(far), rows[row], normalize).min()
            if nearest < min_distance**2 * (1 - 1e-12) if min_distance > 0 else nearest == 0:
                continue
        kept.append(int(row))
        far.append(rows[row])
    return kept
