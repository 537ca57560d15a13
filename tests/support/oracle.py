"""What every engine is held to: the definitions, in float64, by subtraction."""

import numpy as np


def unit_rows(rows):
    return rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))


def squared_distances(rows, row, normalize):
    squared = ((rows - row) ** 2).sum(axis=1)
    if normalize:  # rows that only the rounding of the division tells apart are one row
        squared[squared < 1e-28] = 0.0
    return squared


def first_farthest(squared):
    return int(np.argmax(squared >= squared.max() * (1 - 1e-12)))


def farthest_first(vectors, budget, normalize, start=None):
    """Row numbers and squared radii: farthest first, ties to the smallest row number."""
    rows = np.asarray(vectors).astype(np.float64)
    rows = unit_rows(rows) if normalize else rows
    if start is None:
        offset = rows - rows[0]
        start = first_farthest(squared_distances(offset, offset.mean(axis=0), normalize))
    picks, radii, nearest = [], [], np.full(len(rows), np.inf)
    following = start
    for _ in range(budget):
        picks.append(following)
        radii.append(nearest[following])
        nearest = np.minimum(nearest, squared_distances(rows, rows[following], normalize))
        nearest[picks] = -np.inf
        following = first_farthest(nearest)
    return np.array(picks), np.sqrt(radii), np.sqrt(max(nearest.max(), 0.0))


def h_min(vectors):
    rows = np.asarray(vectors, np.float64)
    gaps = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2))
    return gaps[~np.eye(len(rows), dtype=bool)].min(initial=np.inf)


def with_rules(
    vectors,
    budget,
    normalize,
    include,
    *,
    away=None,
    excluded=None,
    min_distance=0.0,
    may_take=None,
    costs=None,
    token_budget=0,
    start=None,
    weights=None,
):
    """Farthest first under rules: rows, radii, and the radius that covers what is not excluded.

    `include` are the first picks, or else `start` is the first one, if it is given.
    `may_take(picks)` returns a mask of the rows that quotas allow after these picks. Rows that
    cost more than is left of the token budget are passed over until 99 % of it is used; after
    that, the first such pick ends the selection.
    """
    rows = np.asarray(vectors).astype(np.float64)
    rows = unit_rows(rows) if normalize else rows
    nearest = np.full(len(rows), np.inf)
    for row in [] if away is None else np.asarray(away).astype(np.float64):
        row = row / np.sqrt(row @ row) if normalize else row
        nearest = np.minimum(nearest, squared_distances(rows, row, normalize))
    factors = np.ones(len(rows)) if weights is None else weights**2
    usable = np.ones(len(rows), bool) if excluded is None else ~excluded
    left = usable.copy()
    forced = list(include) if len(include) or start is None else [start]
    picks, radii, tokens_left = [], [], token_budget
    while len(picks) < budget:
        if costs is not None and 100 * (token_budget - tokens_left) < 99 * token_budget:
            left &= costs <= tokens_left
        if len(picks) < len(forced):
            following = forced[len(picks)]
        else:
            if may_take is not None:
                left &= may_take(picks)
            if not left.any():
                break
            following = first_farthest(np.where(left, nearest * factors, -np.inf))
            if nearest[following] < min_distance**2 * (1 - 1e-12):
                break
            if costs is not None and costs[following] > tokens_left:
                break
        picks.append(following)
        radii.append(nearest[following])
        tokens_left -= 0 if costs is None else costs[following]
        left[following] = False
        nearest = np.minimum(nearest, squared_distances(rows, rows[following], normalize))
    rest = usable.copy()
    rest[picks] = False
    return np.array(picks, np.int64), np.sqrt(radii), np.sqrt(nearest[rest].max(initial=0.0))


def gaps_by_definition(vectors, normalize):
    """(n, n) Euclidean distances, by subtraction in float64."""
    rows = np.asarray(vectors).astype(np.float64)
    if normalize:
        rows = rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    squared = np.array([((rows - row) ** 2).sum(axis=1) for row in rows])
    if normalize:  # rows that only the rounding of the division tells apart are one row
        squared[squared < 1e-28] = 0.0
    return np.sqrt(squared)
