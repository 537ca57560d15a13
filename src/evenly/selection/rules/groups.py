"""Convert the options `groups=`, `quotas=` and `balance=` to `Quotas`."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import OptionError, QuotaError
from evenly.options.checks import shown
from evenly.samples.rows import name_of
from evenly.selection.rules.quotas import Quotas
from evenly.selection.rules.row_values import values_of
from evenly.shapes import Bool, Float, Int
from evenly.tables import count

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from evenly.inputs.prepare import PreparedData

# How many groups a message names.
_SHOWN = 8
_NO_GROUP = "(no group)"

# Fractions are rounded with this tolerance: 0.1 of 30 rows is 3, not 3.0000000000000004.
_TOLERANCE = 1e-9


def check_quotas(groups: Any, quotas: Any, balance: Any) -> None:
    """Reject options that no data could satisfy.

    Raises:
        OptionError: an option is missing or has the wrong type.
        QuotaError: a quota is neither a number of rows nor a fraction, or its minimum is above
            its maximum.
    """
    if balance is not None and quotas is not None:
        raise OptionError("quotas= and balance= both set the rows of each group; give only one.")
    if groups is None:
        if quotas is not None or balance is not None:
            given = "quotas=" if quotas is not None else "balance="
            raise OptionError(f"{given} needs groups=, a column or one group per row.")
        return
    if quotas is None and balance is None:
        raise OptionError('groups= needs quotas={"name": rows, …} or balance="equal".')
    for name, quota in (quotas or {}).items():
        _ends(name, quota)


def quotas_of(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    include: Int[np.ndarray, " i"],
    budget: int | None,
    *,
    groups: Any,
    quotas: Mapping[Any, Any] | None,
    balance: str | None,
    counted: bool,
) -> Quotas | None:
    """Resolve the quotas; `make_plan` decides whether they can be met.

    Args:
        usable: (n,) the rows that can be chosen.
        include: row numbers of `include=`.
        budget: how many rows will be chosen; None if that is unknown.
        groups, quotas, balance: as in `select_uniform`.
        counted: whether no token budget can end the selection early, so that rows can be
            reserved for the minimum of a group.

    Raises:
        QuotaError: a group is unknown, or a quota has no meaning without a budget.
        OptionError: `balance` with overlapping groups.
    """
    if groups is None:
        return None
    matrix, names = _groups_of_rows(prepared, groups)
    if balance is not None:
        _need_budget(f"balance={balance!r}", budget, counted)
        assert budget is not None
        return _balanced(matrix, names, usable, include, budget, equal=balance == "equal")
    assert quotas is not None
    chosen, least, most = _limits(quotas, names, matrix, usable, budget, counted)
    return Quotas.of(matrix[:, chosen], tuple(names[g] for g in chosen), least, most)


def _groups_of_rows(prepared: PreparedData, groups: Any) -> tuple[csr_array, list[str]]:
    """Return the groups of each row as a sparse matrix (n, G), and the names of the groups."""
    from scipy.sparse import csr_array

    values = values_of(prepared, "groups", groups)
    number: dict[str, int] = {}
    columns: list[int] = []
    ends = [0]
    for value in values:
        is_list = isinstance(value, list | tuple | set | frozenset | np.ndarray)
        own = {name_of(one) for one in value} if is_list else {name_of(value)}
        columns.extend(number.setdefault(name, len(number)) for name in own if name is not None)
        ends.append(len(columns))
    shape = (len(values), max(1, len(number)))
    matrix = csr_array((np.ones(len(columns), np.int64), columns, ends), shape=shape)
    matrix.sort_indices()
    if not number:
        raise QuotaError("groups= has no group: the value of every row is missing.")
    return matrix, list(number)


def _limits(
    quotas: Mapping[Any, Any],
    names: list[str],
    matrix: csr_array,
    usable: Bool[np.ndarray, " n"],
    budget: int | None,
    counted: bool,
) -> tuple[Int[np.ndarray, " g"], Int[np.ndarray, " g"], Int[np.ndarray, " g"]]:
    """Return the numbers of the groups that have quotas, and the least and the most of each."""
    place = {name: number for number, name in enumerate(names)}
    chosen, least, most, exact = [], [], [], []
    for given, quota in quotas.items():
        name = name_of(given)
        if name is None or name not in place:
            raise _unknown_group(str(given), names, matrix, usable)
        if place[name] in chosen:
            raise QuotaError(f"the group {name!r} has two quotas; give it one.")
        low, high = _ends(name, quota)
        if budget is None and (_is_fraction(low) or _is_fraction(high)):
            raise QuotaError(
                f"the quota of {name!r} is a fraction of the budget, but there is no budget. Give "
                "budget=, or a number of rows."
            )
        if low:
            _need_budget(f"the quota of {name!r} ({_shown(quota)})", budget, counted)
        if budget is not None and not _is_fraction(low) and low > budget:
            raise QuotaError(
                f"the quota of {name!r} is {count(int(low), 'row')}, more than the budget {budget}."
            )
        chosen.append(place[name])
        least.append(low)
        most.append(high)
        exact.append(not isinstance(quota, Sequence))
    rows = int(np.count_nonzero(usable)) if budget is None else budget
    found = _as_rows(least, most, exact, rows)
    return np.array(chosen, np.int64), *found


def _as_rows(
    least: list[int | float], most: list[int | float], exact: list[bool], budget: int
) -> tuple[Int[np.ndarray, " g"], Int[np.ndarray, " g"]]:
    """Convert limits to numbers of rows.

    Exact fractions are rounded together, by largest remainders, so that those that add up to 1
    add up to the budget. Fractions of a pair are rounded outwards, so that limits that can be met
    as fractions can be met as rows.
    """
    low = np.array([_rounded(end, budget, math.floor) for end in least], np.int64)
    high = np.array([_rounded(end, budget, math.ceil) for end in most], np.int64)
    joint = [g for g, one in enumerate(exact) if one and _is_fraction(least[g])]
    if joint:
        wanted = np.array([float(least[g]) for g in joint]) * budget
        if wanted.sum() <= budget * (1 + _TOLERANCE):
            total = math.floor(wanted.sum() + 0.5 + _TOLERANCE)
            low[joint] = high[joint] = _by_largest_remainders(wanted, total)
        else:  # groups overlap
            low[joint] = high[joint] = np.floor(wanted + 0.5 + _TOLERANCE)
    return low, np.minimum(high, budget)


def _rounded(end: int | float, budget: int, towards: Any) -> int:
    if not _is_fraction(end):
        return int(min(end, budget))
    tolerance = _TOLERANCE if towards is math.floor else -_TOLERANCE
    return int(towards(float(end) * budget + tolerance))


def _by_largest_remainders(
    shares: Float[np.ndarray, " g"], total: int, most: Any = np.inf
) -> Int[np.ndarray, " g"]:
    """Round shares to integers, at most `most`, with this total; the first of equals wins."""
    whole = np.floor(shares + _TOLERANCE).astype(np.int64)
    remainders = np.where(whole < most, np.round(shares - whole, 9), -1.0)
    left = total - int(whole.sum())
    order = np.argsort(-remainders, kind="stable")
    whole[order[: max(0, left)]] += 1
    return whole


def _balanced(
    matrix: csr_array,
    names: list[str],
    usable: Bool[np.ndarray, " n"],
    include: Int[np.ndarray, " i"],
    budget: int,
    *,
    equal: bool,
) -> Quotas:
    """Return quotas of equal size, or proportional to the usable rows, as far as rows suffice."""
    from scipy.sparse import csr_array, hstack

    sizes = np.diff(matrix.indptr)
    if sizes.max() > 1:
        raise OptionError(
            "balance= requires groups that share no row, but some rows are in several groups. "
            "Give the number of rows of each group: quotas={…}"
        )
    if (sizes == 0)[usable].any():
        # Rows without a group form one, so that the shares add up to the budget.
        matrix = csr_array(hstack([matrix, csr_array((sizes == 0).astype(np.int64)[:, None])]))
        names = [*names, _NO_GROUP]
    available = matrix[usable].sum(axis=0)
    wanted = np.ones(len(names)) if equal else available.astype(np.float64)
    counts = apportion(budget, wanted, matrix[include].sum(axis=0), available)
    return Quotas.of(matrix, tuple(names), counts, counts)


def apportion(
    total: int,
    weights: Float[np.ndarray, " G"],
    least: Int[np.ndarray, " G"],
    most: Int[np.ndarray, " G"],
) -> Int[np.ndarray, " G"]:
    """Divide `total` in proportion to weights, each share within its limits.

    Shares are λ·weight, clipped to the limits, with the λ for which they add up to the total;
    then they are rounded by largest remainders. Of equal remainders, the group with the most rows
    wins, then the first.

    The total is from sum(least) to sum(most), and weights are above 0 wherever `most` is.
    """
    order = np.argsort(-most, kind="stable")
    w, low, high = weights[order], least[order], most[order]
    below, above = 0.0, float(total + 1) / max(w[high > 0].min(initial=1.0), 1e-300)
    for _ in range(200):
        middle = (below + above) / 2
        if np.clip(middle * w, low, high).sum() < total:
            below = middle
        else:
            above = middle
    divided = np.empty(len(order), np.int64)
    divided[order] = _by_largest_remainders(np.clip(above * w, low, high), total, high)
    return divided


def _need_budget(what: str, budget: int | None, counted: bool) -> None:
    """Reject a minimum that could not be guaranteed.

    How many rows fit at a distance is unknown before they are chosen (it is the independence
    number of a graph), and what the rows of a group cost depends on which are chosen. So without
    a number of rows, or if tokens may run out first, only upper limits can be guaranteed.
    """
    if budget is None:
        raise QuotaError(
            f"{what} needs a budget of rows, as a minimum cannot be guaranteed otherwise. Give "
            "budget=, or upper limits only: (0, most)."
        )
    if not counted:
        raise QuotaError(
            f"{what} cannot be guaranteed with token_budget=, as tokens may run out first. Give "
            "upper limits only, (0, most), or omit token_budget=."
        )


def _unknown_group(
    given: str, names: list[str], matrix: csr_array, usable: Bool[np.ndarray, " n"]
) -> QuotaError:
    counts = matrix[usable].sum(axis=0)
    close = difflib.get_close_matches(given, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    largest = np.argsort(-counts, kind="stable")[:_SHOWN]
    shown = ", ".join(f"{names[g]!r} ({count(int(counts[g]), 'row')})" for g in largest)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return QuotaError(f"no row is in the group {given!r}.{hint} The groups are: {shown}{more}.")


def _is_fraction(end: int | float) -> bool:
    return isinstance(end, float) and not math.isinf(end)


def _ends(name: Any, quota: Any) -> tuple[int | float, int | float]:
    """Return the least and the most of a quota; inf if it sets no most.

    Raises:
        QuotaError: the quota is not valid.
    """
    if isinstance(quota, str | bytes | bytearray) or not isinstance(quota, Sequence):
        end = _end(name, quota, quota)
        return end, end
    if len(quota) != 2:
        raise _invalid_quota(name, quota)
    low = 0 if quota[0] is None else _end(name, quota, quota[0])
    high = math.inf if quota[1] is None else _end(name, quota, quota[1])
    if _is_fraction(low) == _is_fraction(high) and low > high:
        raise QuotaError(
            f"the quota of {name!r} has its minimum above its maximum: {_shown(quota)}."
        )
    return low, high


def _end(name: Any, quota: Any, end: Any) -> int | float:
    if isinstance(end, bool | np.bool_) or not isinstance(end, Real):
        raise _invalid_quota(name, quota)
    if isinstance(end, Integral):
        if end < 0:
            raise _invalid_quota(name, quota)
        return int(end)
    if not 0.0 <= float(end) <= 1.0:
        raise _invalid_quota(name, quota)
    return float(end)


def _invalid_quota(name: Any, quota: Any) -> QuotaError:
    return QuotaError(
        f"the quota of {name!r} must be a whole number of rows, a fraction of the budget from "
        f"0 to 1, or a pair of these, (least, most); got {_shown(quota)}."
    )


def _shown(quota: Any) -> str:
    return shown(tuple(quota) if isinstance(quota, list) else quota)
