"""Packings by their definition, and what makes the fast ones meet all their cases on few rows."""

import contextlib

import numpy as np
import pytest

from evenly.geometry import Points, ProxyVectors, row_lengths
from evenly.geometry.screening.tuning import Tuning
from evenly.geometry.search import in_order as apart
from evenly.selection.packing import packer as packing
from tests.support import oracle


class OnDisk:
    """Vectors that are not an array, read by slices and row numbers."""

    def __init__(self, vectors):
        self._vectors = vectors
        self.shape, self.dtype, self.nbytes = vectors.shape, vectors.dtype, vectors.nbytes

    def __len__(self):
        return len(self._vectors)

    def __getitem__(self, rows):
        return self._vectors[rows]


class TurnedSoon(Tuning):
    """Turns and narrows whenever it is asked."""

    def cheaper(self, targets, rows, squared):
        transform = targets.proxies.transform.turned(self._points, self._points.dimension)
        return ProxyVectors(self._points, transform, width=transform.chunk)


@contextlib.contextmanager
def tiny_blocks():
    """Blocks, cells and reviews as small as can be, so that few rows meet all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_FIRST_BLOCK", 5)
        patch.setattr(packing, "_LARGEST_BLOCK", 11)
        patch.setattr(packing, "_WANTED", 4)
        patch.setattr(packing, "_WITHIN", 3)
        patch.setattr(packing, "_CELLS", 2)
        patch.setattr(packing, "_TILE", 2)
        patch.setattr(apart, "_TILE", 2)
        patch.setattr(apart, "_BLOCK", 4)
        patch.setattr(packing, "_REVIEW", 3)
        patch.setattr(packing, "Tuning", TurnedSoon)
        yield


def points_of(vectors, *, normalize=False, eligible=None, on_disk=False):
    eligible = np.ones(len(vectors), bool) if eligible is None else eligible
    points = Points.of(vectors, row_lengths(vectors), eligible, normalize=normalize)
    if on_disk:
        points = Points(OnDisk(vectors), points.factors, eligible, points.longest)
    return points


def exact_rows(vectors, normalize):
    """The rows as they count; how they are divided by their lengths is not what is tested here."""
    return points_of(np.asarray(vectors), normalize=normalize).exact(np.arange(len(vectors)))


def gaps_of(vectors, normalize=False):
    """(n, n) Euclidean distances between the rows as they count."""
    rows = exact_rows(vectors, normalize)
    return np.sqrt([oracle.squared_distances(rows, row, normalize) for row in rows])


def packing_by_definition(vectors, order, min_distance, *, normalize=False, away=None):
    """Rows in order, each unless it is nearer than the distance to one kept before it."""
    rows = exact_rows(vectors, normalize)
    far = list(exact_rows(away, normalize)) if away is not None and len(away) else []
    kept = []
    for row in order:
        gaps = [oracle.squared_distances(one[None], rows[row], normalize)[0] for one in far]
        if min_distance > 0:
            apart = all(gap >= min_distance**2 * (1 - 1e-12) for gap in gaps)
        else:
            apart = all(gap > 0 for gap in gaps)
        if apart:
            kept.append(int(row))
            far.append(rows[row])
    return kept
