"""What `select_uniform` answers under any options together, by definition."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np

from tests.support import oracle

TIE = 1e-12


class Infeasible(Exception):
    """No rows can be chosen under these options."""


class Undecided(Exception):
    """Rounding decides between rows, so that the answer has no definition."""


def select(
    vectors,
    *,
    normalize=True,
    budget=None,
    min_distance=None,
    token_budget=None,
    costs=None,
    start="farthest-from-mean",
    include=(),
    exclude=(),
    away_from=None,
    groups=None,
    quotas=None,
    balance=None,
    quality=None,
    quality_weight=1.0,
    density_weight=None,
    density_neighbours=10,
    drop_outliers=None,
    max_outliers=None,
):
    """Rows, radii and the coverage radius; rows and groups are named by their numbers.

    `away_from` is a list of rows, or an array of vectors.
    """
    gaps = oracle.gaps_by_definition(vectors, normalize)
    n, include = len(vectors), list(include)
    away_rows = away_from if isinstance(away_from, list) else []
    away = vectors[away_rows] if isinstance(away_from, list) else away_from
    left_out = np.zeros(n, bool)
    left_out[outliers(gaps, drop_outliers, stay=[*include, *away_rows])] = True
    left_out[[*exclude, *away_rows]] = True
    if max_outliers is not None:
        left_out[uncovered(vectors, gaps, normalize, budget, max_outliers, start, left_out)] = True
    if left_out[include].any() or left_out.all():
        raise Infeasible
    usable = ~left_out
    rows = rows_of_budget(budget, usable)
    needed = len(include) if include else 1
    if needed > rows:
        raise Infeasible
    may_take = None
    if groups is not None:
        limits = limits_of(groups, usable, include, budget and rows, quotas, balance)
        may_take = allowed(groups, usable, *limits, None if token_budget else budget and rows)
        if may_take(include) is None:
            raise Infeasible
    if costs is not None:
        cheapest = costs[include].sum() if include else costs[usable].min()
        if cheapest > token_budget:
            raise Infeasible
    weights = weights_of(quality, quality_weight, usable)
    if density_weight:
        density = densities(vectors, normalize, usable, density_neighbours)
        powers = density[usable] ** density_weight
        weights = np.ones(n) if weights is None else weights
        weights[usable] *= np.maximum(powers / powers.max(), 1e-6)
        weights = np.maximum(weights, 1e-6)
    possible = usable.copy()
    if may_take is not None:
        possible &= may_take([])
    if costs is not None:
        possible &= costs <= token_budget
    first = None
    if not include and not (away is not None and len(away) and start == "farthest-from-mean"):
        first = first_row(start, vectors, normalize, usable, possible, weights)
    found = oracle.with_rules(
        vectors,
        rows,
        normalize,
        include,
        away=away,
        excluded=left_out,
        min_distance=min_distance or 0.0,
        may_take=may_take,
        costs=costs,
        token_budget=token_budget or 0,
        start=first,
        weights=weights,
    )
    if not len(found[0]):
        raise Infeasible
    if groups is not None:
        counts = np.bincount(groups[found[0]], minlength=len(limits[0]))
        if (counts < limits[0]).any():
            raise Infeasible
    return found


def outliers(gaps, fraction, *, stay):
    """Return the rows farthest from their 5 nearest on average, except those that stay."""
    if fraction is None:
        return []
    n = len(gaps)
    if n == 1:
        return []
    nearest = np.sort(gaps + np.diag(np.full(n, np.inf)), axis=1)[:, : min(5, n - 1)]
    means = nearest.mean(axis=1)
    order = np.argsort(-means, kind="stable")
    for before, row in pairwise(order.tolist()):
        if means[row] >= means[before] * (1 - TIE):
            means[row] = means[before]
    order = np.argsort(-means, kind="stable")
    return [row for row in order[: round(fraction * n)].tolist() if row not in stay]


def uncovered(vectors, gaps, normalize, budget, most, start, excluded):
    """Return the rows that need not be near a chosen one."""
    usable = ~excluded
    budget = rows_of_budget(budget, usable)
    if budget + most > usable.sum():
        raise Infeasible
    first = first_row(start, vectors, normalize, usable, usable, None)
    picks, _, _ = oracle.with_rules(
        vectors, budget + most, normalize, [], start=first, excluded=excluded
    )
    more = most
    while more:
        some = picks[: budget + more].tolist()
        cells = {pick: [] for pick in some}
        for row in np.flatnonzero(usable).tolist():
            nearest = row if row in cells else nearest_of(row, sorted(some), gaps)
            cells[nearest].append(row)
        apart = {pick: min(gaps[pick, other] for other in some if other != pick) for pick in some}
        order = sorted(some, key=lambda pick: -apart[pick])
        for one, other in pairwise(order):
            if apart[other] > 0 and gaps[one, other] > apart[one] * (
                1 + TIE
            ):  # else both are equal
                decided(apart[other], apart[one])
        left_out = []
        for pick in order:
            rows = [row for one in [*left_out, pick] for row in cells[one]]
            if len(rows) <= most and len(left_out) < more:
                left_out.append(pick)
        if len(left_out) == more:
            return sorted(row for pick in left_out for row in cells[pick])
        more = len(left_out)
    return []


def nearest_of(row, picks, gaps):
    """Return the nearest pick, the first of several at the same place."""
    order = sorted(picks, key=lambda pick: gaps[row, pick])
    for other in order[1:]:
        if gaps[order[0], other] > 0:
            decided(gaps[row, order[0]], gaps[row, other])
            break
    return order[0]


def decided(smaller, larger):
    """Raise Undecided if two numbers differ by no more than rounding."""
    if larger - smaller <= 1e-9 * larger:
        raise Undecided


def rows_of_budget(budget, usable):
    """Return how many rows a budget means."""
    count = int(usable.sum())
    if budget is None:
        return count
    if isinstance(budget, float):
        return max(1, math.floor(budget * count + 0.5))
    if budget > count:
        raise Infeasible
    return budget


def limits_of(groups, usable, include, budget, quotas, balance):
    """Return the least and the most rows of each group."""
    n_groups = int(groups.max()) + 1
    there = np.bincount(groups[usable], minlength=n_groups)
    taken = np.bincount(groups[include], minlength=n_groups)
    if balance is None:
        least, most = np.zeros(n_groups, int), np.full(n_groups, len(groups))
        for group, (low, high) in quotas.items():
            least[group], most[group] = low, high
        return least, most
    order = list(dict.fromkeys(groups.tolist()))
    order += [group for group in range(n_groups) if group not in order]
    order.sort(key=lambda group: -there[group])
    shares = [Fraction(1) if balance == "equal" else Fraction(int(there[g])) for g in order]
    low, high = taken[order].tolist(), there[order].tolist()
    divided = np.empty(n_groups, int)
    divided[order] = divide(budget, shares, low, high)
    return divided, divided


def divide(total, weights, low, high):
    """Divide rows in proportion to weights, within limits; largest remainders, then the first."""

    def at(factor):
        parts = zip(weights, low, high, strict=True)
        return [min(max(factor * w, Fraction(a)), Fraction(b)) for w, a, b in parts]

    corners = sorted(
        {
            Fraction(end) / w
            for w, a, b in zip(weights, low, high, strict=True)
            if w
            for end in (a, b)
        }
    )
    before = next((c for c in reversed(corners) if sum(at(c)) <= total), Fraction(0))
    after = next((c for c in corners if sum(at(c)) >= total), before)
    shares, ends = at(before), at(after)
    if sum(ends) > sum(shares):
        share = (total - sum(shares)) / (sum(ends) - sum(shares))
        shares = at(before + share * (after - before))
    whole = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda g: -(shares[g] - whole[g]))
    for group in by_remainder[: total - sum(whole)]:
        whole[group] += 1
    return whole


def allowed(groups, usable, least, most, budget):
    """Return a function: which rows leave the quotas within reach after some picks; None if none.

    Without a budget, only the upper limits count.
    """
    there = np.bincount(groups[usable], minlength=len(least))
    most = np.minimum(most, there)

    def within_reach(counts):
        if (counts > most).any():
            return False
        if budget is None:
            return True
        return np.maximum(counts, least).sum() <= budget <= most.sum() and (least <= most).all()

    def may_take(picks):
        counts = np.bincount(groups[picks], minlength=len(least)) if picks else 0 * least
        if not within_reach(counts):
            return None
        one_more = np.eye(len(least), dtype=int)
        return np.array([within_reach(counts + one) for one in one_more])[groups]

    return may_take


def weights_of(quality, exponent, usable):
    """Return the factors of distances; None without qualities."""
    if quality is None:
        return None
    largest = quality[usable].max()
    if largest == 0:
        raise Infeasible
    return np.clip((quality / largest) ** exponent, 1e-6, 1.0)


def densities(vectors, normalize, usable, k):
    """Return 1 / the mean distance to the k nearest different rows, at most 10 times the median's.

    Rows are different if they are as float32.
    """
    rows = np.asarray(vectors).astype(np.float64)
    rows = oracle.unit_rows(rows) if normalize else rows
    chosen = np.flatnonzero(usable)
    _, first, which = np.unique(
        rows[chosen].astype(np.float32) + 0, axis=0, return_index=True, return_inverse=True
    )
    if len(first) < 2:
        raise Infeasible
    gaps = oracle.gaps_by_definition(np.asarray(vectors)[chosen[first]], normalize)
    np.fill_diagonal(gaps, np.inf)
    means = np.sort(gaps, axis=1)[:, : min(k, len(first) - 1)].mean(axis=1)
    found = np.ones(len(rows))
    found[chosen] = 1 / np.maximum(means, np.median(means) / 10)[which.ravel()]
    return found


def first_row(start, vectors, normalize, usable, possible, weights):
    """Return the first pick, if no rows are included."""
    if not isinstance(start, str):
        if not possible[start]:
            raise Infeasible
        return start
    if not possible.any():
        raise Infeasible
    rows = np.asarray(vectors).astype(np.float64)
    rows = oracle.unit_rows(rows) if normalize else rows
    rows = rows - rows[np.argmax(usable)]
    squared = oracle.squared_distances(rows, rows[usable].mean(axis=0), normalize)
    if start == "medoid":
        sums = np.where(possible, squared + (squared[usable] / usable.sum()).sum(), np.inf)
        return int(np.argmax(sums <= sums.min() * (1 + TIE)))
    squared = squared if weights is None else squared * weights**2
    return oracle.first_farthest(np.where(possible, squared, -np.inf))
