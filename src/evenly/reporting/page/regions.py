"""Where a map is dense, and what its dense regions are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evenly.reporting.page.mapping import Map
from evenly.shapes import Float, Int

READ = 400
"""So many characters of a text name what a region is about."""

_CELLS = 96
_MARGIN = 0.04
# Contours enclose these shares of the rows.
_ENCLOSED = (0.9, 0.7, 0.5, 0.3, 0.1)
# Regions: how many, from how many rows each and of how many in all; rows whose texts are read.
_MOST, _FEWEST_ROWS, _CLUSTERED, _MOST_ROWS = 9, 15, 4000, 400
_TERMS = 3
# How much of the map a label takes.
_WIDE, _HIGH = 0.2, 0.045
_WORD = r"(?u)\b[^\W\d_]{3,}\b"


@dataclass(frozen=True, eq=False)
class Density:
    """How dense a map is, on a grid.

    Attributes:
        x, y: (c,) the centres of the cells.
        values: (c, c) densities; the rows are those of y.
        levels: densities that enclose shares of the rows, ascending.
        cells: (p, 2) the cell of each row that is drawn: its position among x and among y.
    """

    x: Float[np.ndarray, " c"]
    y: Float[np.ndarray, " c"]
    values: Float[np.ndarray, "c c"]
    levels: list[float]
    cells: Int[np.ndarray, "p 2"]

    @classmethod
    def of(cls, drawn: Map) -> Density:
        """Count rows in cells, and smooth."""
        from scipy.ndimage import gaussian_filter

        low, high = drawn.positions.min(axis=0), drawn.positions.max(axis=0)
        margin = np.maximum((high - low) * _MARGIN, np.abs(high).max() * 1e-9 + 1e-12)
        low, high = low - margin, high + margin
        share = (drawn.positions - low) / (high - low)
        cells = np.clip((share * _CELLS).astype(np.int64), 0, _CELLS - 1)
        values = np.zeros((_CELLS, _CELLS))
        np.add.at(values, (cells[:, 1], cells[:, 0]), drawn.weights)
        # Fewer rows need more smoothing, by the rate of Scott's rule in two dimensions.
        smooth = float(np.clip(12.0 * len(cells) ** (-1.0 / 6.0), 2.0, 5.0))
        values = gaussian_filter(values, smooth)
        x, y = (
            np.linspace(low[axis], high[axis], _CELLS, endpoint=False)
            + (high[axis] - low[axis]) / (2 * _CELLS)
            for axis in (0, 1)
        )
        return cls(x, y, values, _levels(values), cells)


def _levels(values: Float[np.ndarray, "c c"]) -> list[float]:
    falling = np.sort(values.ravel())[::-1]
    mass = np.cumsum(falling) / falling.sum()
    found = {float(falling[np.searchsorted(mass, share)]) for share in _ENCLOSED}
    return sorted(level for level in found if level > 0)


@dataclass(frozen=True)
class Region:
    """A dense region: its centre, and what its texts are about."""

    x: float
    y: float
    label: str


def label_regions(drawn: Map, density: Density, texts: Sequence[str], seed: int) -> list[Region]:
    """Divide the dense part of a map by k-means, and name each part by what its texts are about.

    Args:
        drawn: the map.
        density: its density.
        texts: how the texts of the rows that are drawn begin.
        seed: of k-means.
    """
    from sklearn.cluster import KMeans

    at_rows = density.values[density.cells[:, 1], density.cells[:, 0]]
    dense = at_rows >= density.levels[min(1, len(density.levels) - 1)]
    rows = _spread(np.flatnonzero(dense), _CLUSTERED)
    wanted = min(_MOST, len(rows) // _FEWEST_ROWS, len(np.unique(drawn.positions[rows], axis=0)))
    if wanted == 0 or not any(texts):
        return []
    # Regions must be as wide as they are high in the picture, whatever the units.
    positions = drawn.positions / np.maximum(np.ptp(drawn.positions, axis=0), 1e-300)
    means = KMeans(wanted, n_init=2, random_state=seed).fit(positions[rows])
    region = np.where(dense, means.predict(positions), wanted)
    members = [np.flatnonzero(region == number) for number in range(wanted + 1)]
    classes = [[texts[row] for row in _spread(own, _MOST_ROWS)] for own in members if len(own)]
    named = zip(members[:wanted], _terms(classes), strict=False)
    found: list[Region] = []
    for own, label in sorted(named, key=lambda one: -len(one[0])):
        x, y = np.median(drawn.positions[own], axis=0)
        region_of = Region(float(x), float(y), label)
        if label and not any(_overlap(region_of, other, density) for other in found):
            found.append(region_of)
    return found


def _overlap(one: Region, other: Region, density: Density) -> bool:
    """Return whether the labels of two regions would lie over each other."""
    wide, high = np.ptp(density.x), np.ptp(density.y)
    return bool(abs(one.x - other.x) < _WIDE * wide and abs(one.y - other.y) < _HIGH * high)


def _spread(rows: Int[np.ndarray, " m"], most: int) -> list[int]:
    """Return at most so many of some rows, spread over them."""
    found: list[int] = rows[:: max(1, -(-len(rows) // most))].tolist()
    return found


def _terms(classes: Sequence[Sequence[str]]) -> list[str]:
    """Return what tells the texts of each class from those of the others, by c-TF-IDF.

    A term t of class c weighs √tf(t, c)·log(1 + A / f(t)), with A the mean number of words of a
    class, and f(t) how often t occurs in all. The root, an option of BERTopic, keeps words that are
    frequent everywhere from leading.

    Sources: Grootendorst 2022, arXiv 2203.05794.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    documents = ["\n".join(text[:READ] for text in texts) for texts in classes]
    try:
        vectorizer = CountVectorizer(stop_words="english", token_pattern=_WORD)
        counts = vectorizer.fit_transform(documents).toarray().astype(np.float64)
    except ValueError:  # no words at all
        return [""] * len(classes)
    names = vectorizer.get_feature_names_out()
    words = counts.sum(axis=1, keepdims=True)
    weights = np.sqrt(counts / np.maximum(words, 1.0)) * np.log1p(words.mean() / counts.sum(axis=0))
    weights[counts < 2] = 0.0
    found = []
    for own in weights:
        best = np.argsort(-own, kind="stable")[:_TERMS]
        found.append(", ".join(str(names[term]) for term in best if own[term] > 0))
    return found
