"""Where rows lie on the map: all of them, or an honest sample, in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from evenly.geometry import Points, blocks
from evenly.reporting.page.subject import Subject
from evenly.shapes import Bool, Float, Int

Projection = Literal["pca", "umap"]

MOST_DRAWN = 50_000
"""Of larger pools, a random sample is drawn."""

MOST_CHOSEN = 20_000
"""So many chosen rows are drawn at most; a sample of more."""

_FEWEST = 3
_FITTED = 10_000
_NEIGHBOURS = 15


@dataclass(frozen=True, eq=False)
class Map:
    """Rows with their positions on a plane.

    Attributes:
        places: (p,) which of the subject's `found.rows` are drawn, ascending.
        positions: (p, 2) where they lie.
        weights: (p,) how many rows of the pool each of them represents.
        about: what the map shows, in sentences.
    """

    places: Int[np.ndarray, " p"]
    positions: Float[np.ndarray, "p 2"]
    weights: Float[np.ndarray, " p"]
    about: str


def map_of(
    subject: Subject,
    kept: Int[np.ndarray, " i"],
    projection: Projection,
    seed: int,
    *,
    most_drawn: int = MOST_DRAWN,
    most_chosen: int = MOST_CHOSEN,
) -> Map | None:
    """Return the map of a pool; None for a matrix of distances, or if there is nothing to see.

    Args:
        subject: the pool and its subset.
        kept: rows that are drawn in any case.
        projection: how many dimensions become two.
        seed: of the sample, and of the projection.
        most_drawn, most_chosen: the limits.
    """
    points = subject.prepared.points
    if not isinstance(points, Points) or len(subject.found.rows) < _FEWEST:
        return None
    places, weights, sampled = _sample(
        subject.found.chosen, np.isin(subject.found.rows, kept), seed, most_drawn, most_chosen
    )
    rows = subject.found.rows[places]
    drawn = _by_umap(points, rows, seed) if projection == "umap" else _by_pca(points, rows, seed)
    if drawn is None:
        return None
    positions, about = drawn
    return Map(places, positions, weights, f"{about} {sampled}".strip())


def _sample(
    chosen: Bool[np.ndarray, " m"],
    kept: Bool[np.ndarray, " m"],
    seed: int,
    most_drawn: int,
    most_chosen: int,
) -> tuple[Int[np.ndarray, " p"], Float[np.ndarray, " p"], str]:
    """Return the places that are drawn, what each represents, and words about it."""
    total = len(chosen)
    if total <= most_drawn:
        return np.arange(total), np.ones(total), ""
    random = np.random.default_rng(seed)
    own = np.flatnonzero(chosen)
    subset = own if len(own) <= most_chosen else random.choice(own, most_chosen, replace=False)
    always = np.flatnonzero(kept & ~chosen)
    others = np.flatnonzero(~chosen & ~kept)
    room = max(0, min(len(others), most_drawn - len(subset) - len(always)))
    sample = random.choice(others, room, replace=False)
    weights = np.ones(total)
    weights[subset] = len(own) / max(1, len(subset))
    weights[sample] = len(others) / max(1, len(sample))
    places = np.sort(np.concatenate([subset, always, sample]))
    of_chosen = "all" if len(subset) == len(own) else f"a random {len(subset):,} of the"
    about = (
        f"Of {total:,} rows, {len(places):,} are drawn: {of_chosen} {len(own):,} chosen ones and a "
        f"random sample of {len(sample):,} others. Density counts each for what it represents."
    )
    return places, weights[places], about


def _by_pca(
    points: Points, rows: Int[np.ndarray, " p"], seed: int
) -> tuple[Float[np.ndarray, "p 2"], str] | None:
    """Project on the two directions in which the rows differ most."""
    from sklearn.utils.extmath import randomized_svd

    fitted = rows
    if len(rows) > _FITTED:
        fitted = np.sort(np.random.default_rng(seed).choice(rows, _FITTED, replace=False))
    some = points.exact(fitted)
    mean = some.mean(axis=0)
    some -= mean
    size = np.abs(some).max()
    if not size > 0:
        return None  # all rows are equal
    some /= size
    wanted = min(2, *some.shape)
    _, spread, axes = randomized_svd(some, wanted, random_state=seed)
    share = float((spread**2).sum() / (some**2).sum())
    positions = np.zeros((len(rows), 2))
    for part in blocks(len(rows), points.dimension):
        positions[part, :wanted] = (points.exact(rows[part]) - mean) @ axes.T
    about = (
        "The map is a principal component analysis (PCA): the two directions of "
        f"{points.dimension} in which rows differ most, which hold {100 * share:.0f} % of all "
        "differences. Rows that look near on it need not be near; distances in tables and "
        "hovers are true."
    )
    return positions, about


def _by_umap(
    points: Points, rows: Int[np.ndarray, " p"], seed: int
) -> tuple[Float[np.ndarray, "p 2"], str] | None:
    """Place rows such that neighbours stay neighbours."""
    if len(rows) <= _NEIGHBOURS:
        return _by_pca(points, rows, seed)
    from umap import UMAP

    vectors = np.concatenate(
        [
            points.exact(rows[part]).astype(np.float32)
            for part in blocks(len(rows), points.dimension)
        ]
    )
    # With a seed, UMAP runs in one thread, and says so.
    made = UMAP(n_components=2, n_neighbors=_NEIGHBOURS, random_state=seed, n_jobs=1)
    about = (
        "The map is made by UMAP, which keeps neighbours together. Areas and the gaps between them "
        "have no scale; distances in tables and hovers are true."
    )
    return np.asarray(made.fit_transform(vectors), np.float64), about
