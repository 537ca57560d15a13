"""Where a map is dense, and what its dense regions are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evenly.reporting.page.mapping import Map
from evenly.shapes import Float, Int

_CELLS = 96
_MARGIN = 0.04
# Contours enclose these shares of the rows.
_ENCLOSED = (0.9, 0.7, 0.5, 0.3, 0.1)
# Regions: how many, how far apart and how wide in cells, from how many rows, and their terms.
_MOST, _APART, _WIDE = 8, 15, 9
_FEWEST_ROWS, _MOST_ROWS = 10, 400
_TERMS, _READ = 3, 400
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
    """A dense region: its densest position, and what its texts are about."""

    x: float
    y: float
    label: str


def label_regions(drawn: Map, density: Density, texts: Sequence[str]) -> list[Region]:
    """Return the densest regions with the terms that tell them from the rest of the map.

    Args:
        drawn: the map.
        density: its density.
        texts: the texts of the rows that are drawn.
    """
    peaks = _peaks(density)
    if not len(peaks):
        return []
    gaps = np.linalg.norm(density.cells[:, None, :] - peaks[None], axis=2)
    nearest, near = gaps.argmin(axis=1), gaps.min(axis=1) <= _WIDE
    members = [np.flatnonzero(near & (nearest == number)) for number in range(len(peaks))]
    kept = [number for number, rows in enumerate(members) if len(rows) >= _FEWEST_ROWS]
    rest = np.flatnonzero(~near)
    classes = [members[number] for number in kept] + ([rest] if len(rest) else [])
    terms = _terms([[texts[row] for row in _spread(rows)] for rows in classes])
    return [
        Region(float(density.x[peaks[number][0]]), float(density.y[peaks[number][1]]), label)
        for number, label in zip(kept, terms, strict=False)
        if label
    ]


def _peaks(density: Density) -> Int[np.ndarray, "r 2"]:
    """Return the cells of the highest local maxima, as positions among x and among y."""
    from scipy.ndimage import maximum_filter

    values = density.values
    is_peak = (values == maximum_filter(values, _APART)) & (values >= density.levels[0])
    y, x = np.nonzero(is_peak)
    order = np.argsort(-values[y, x], kind="stable")[:_MOST]
    return np.column_stack([x[order], y[order]])


def _spread(rows: Int[np.ndarray, " m"]) -> list[int]:
    """Return at most so many of some rows, spread over them."""
    step = -(-len(rows) // _MOST_ROWS)
    found: list[int] = rows[::step].tolist()
    return found


def _terms(classes: Sequence[Sequence[str]]) -> list[str]:
    """Return what tells the texts of each class from those of the others, by c-TF-IDF.

    A term t of class c weighs tf(t, c)·log(1 + A / f(t)), with A the mean number of words of a
    class, and f(t) how often t occurs in all.

    Sources: Grootendorst 2022, arXiv 2203.05794.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    documents = ["\n".join(text[:_READ] for text in texts) for texts in classes]
    try:
        vectorizer = CountVectorizer(stop_words="english", token_pattern=_WORD)
        counts = vectorizer.fit_transform(documents).toarray().astype(np.float64)
    except ValueError:  # no words at all
        return [""] * len(classes)
    names = vectorizer.get_feature_names_out()
    words = counts.sum(axis=1, keepdims=True)
    weights = counts / np.maximum(words, 1.0) * np.log1p(words.mean() / counts.sum(axis=0))
    weights[counts < 2] = 0.0
    found = []
    for own in weights:
        best = np.argsort(-own, kind="stable")[:_TERMS]
        found.append(", ".join(str(names[term]) for term in best if own[term] > 0))
    return found
