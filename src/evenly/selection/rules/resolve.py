"""Resolve the rules that users pass: from `RuleOptions` and prepared data to `Rules`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import BudgetError, EmptyPoolError, OptionError, QuotaError, RowError
from evenly.options import NotKept, RuleOptions, as_json_value
from evenly.selection.results.provenance import hash_of_array
from evenly.selection.results.selection import SelectionData
from evenly.selection.rules.away_from import AwayFrom
from evenly.selection.rules.budget import rows_of_budget
from evenly.selection.rules.density import weights_of_density
from evenly.selection.rules.groups import check_quotas, quotas_of
from evenly.selection.rules.quality import LEAST_WEIGHT, weights_of_quality
from evenly.selection.rules.row_names import RowNames
from evenly.selection.rules.row_values import as_plain
from evenly.selection.rules.rules import Rules
from evenly.selection.rules.token_costs import token_costs
from evenly.shapes import Bool, Float, Int
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData

KEPT = 100
"""How many values of an option are written down as they are; for more, only a hash is kept."""


def check_rules(options: RuleOptions) -> None:
    """Reject rules that no data could satisfy, before the data are read.

    Raises:
        OptionError: an option needs another one, or cannot be used with it.
        BudgetError: nothing says how many rows to choose.
        QuotaError: a quota is not a number of rows.
    """
    if options.budget is None and options.min_distance is None and options.token_budget is None:
        raise BudgetError(
            "nothing says how many rows to choose. Give budget= (rows, or a fraction), "
            "min_distance= (as many as fit so far apart) or token_budget=."
        )
    check_quotas(options.groups, options.quotas, options.balance)
    if options.token_budget is None:
        for name in ("costs", "count", "tokenizer"):
            if getattr(options, name) is not None:
                raise OptionError(f"{name}= needs token_budget=, which is not given.")
    check_costs(options)
    if options.quality_weight is not None and options.quality is None:
        raise OptionError("quality_weight= needs quality=, a column or one number a row.")
    for name in ("density_neighbours", "density_search"):
        if getattr(options, name) is not None and options.density_weight is None:
            raise OptionError(f"{name}= needs density_weight=, which is not given.")


def check_costs(options: RuleOptions) -> None:
    """Raise OptionError if two options say what rows cost."""
    for name in ("count", "tokenizer"):
        if options.costs is not None and getattr(options, name) is not None:
            raise OptionError(f"costs= and {name}= both say what rows cost; give one.")


def resolve_rules(prepared: PreparedData, options: RuleOptions) -> Rules:
    """Resolve the rules of a selection.

    Before the texts are embedded, this finds every error that does not depend on vectors; no rows
    become usable later.

    Returns:
        Rules: the rows to include satisfy them all, and the quotas can be met.

    Raises:
        OptionError, BudgetError, QuotaError: an option has a value it cannot have here.
        RowError: a row or id is missing, is named twice, or cannot be chosen.
        DataError: the cost or quality of a row is missing or negative; a column is missing; the
            data of `away_from` cannot be used.

    Cost: that of the columns it reads; for `away_from`, that of `prepare`; for tokens, that of
        the tokenizer; for overlapping groups, an integer program over the strata.
    """
    names = RowNames(prepared, options.id_column)
    included = _included(prepared, names, options.include)
    away = AwayFrom.of(options.away_from, prepared, names)
    excluded = _excluded(prepared, names, included, options.exclude, away)
    eligible = prepared.points.eligible
    usable = eligible if excluded is None else eligible & ~excluded
    if not usable.any():
        raise EmptyPoolError(
            f"exclude= and away_from= leave none of the {count(len(prepared), 'row')} of "
            f"{prepared.samples.origin}."
        )
    budget = None
    if options.budget is not None:
        budget = rows_of_budget(options.budget, int(np.count_nonzero(usable)))
        if len(included) > budget:
            raise BudgetError(
                f"include= names {count(len(included), 'row')}, more than the budget of {budget}."
            )
    costs = token_costs(prepared, usable, included, options)
    rules = Rules(
        include=included,
        budget=budget,
        excluded=excluded,
        away=away.points,
        away_rows=away.rows,
        min_distance=float(options.min_distance or 0.0),
        quotas=quotas_of(
            prepared,
            usable,
            included,
            budget,
            groups=options.groups,
            quotas=options.quotas,
            balance=options.balance,
            counted=options.token_budget is None,
        ),
        costs=None if costs is None else costs.tokens,
        counted=None if costs is None else costs.counted,
        token_budget=None if options.token_budget is None else int(options.token_budget),
        weights=_weights(prepared, usable, options),
    )
    # A fraction of the rows means fewer once some of their vectors cannot be used, and fewer rows
    # may meet quotas that more cannot.
    if prepared.embedded or isinstance(options.budget, Integral):
        _check_included_fit_quotas(rules, eligible)
    _check_some_row_fits(rules, eligible)
    return rules


def describe_rule_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return rules as users passed them, as JSON values; `NotKept` with a hash for many values."""
    return {name: _described(name, value) for name, value in given.items()}


def _weights(
    prepared: PreparedData, usable: Bool[np.ndarray, " n"], options: RuleOptions
) -> Float[np.ndarray, " n"] | None:
    """Return the product of the weights by quality and by density; None if all are 1."""
    given = [
        weights_of_quality(prepared, usable, options.quality, options.quality_weight),
        weights_of_density(prepared, usable, options),
    ]
    weights = [some for some in given if some is not None]
    if not weights:
        return None
    product = np.maximum(np.prod(weights, axis=0), LEAST_WEIGHT)
    return None if (product[usable] == 1.0).all() else product


def _included(prepared: PreparedData, names: RowNames, include: Any) -> Int[np.ndarray, " i"]:
    if include is None:
        return np.empty(0, np.int64)
    rows = names.rows("include", include)
    distinct, times = np.unique(rows, return_counts=True)
    if len(distinct) < len(rows):
        raise RowError(f"include= names row {distinct[np.argmax(times > 1)]} twice.")
    for row in rows[~prepared.points.eligible[rows]].tolist():
        raise RowError(
            f"include= names a row that cannot be chosen: {prepared.samples.locate(row)} "
            f"{prepared.dropped[row]}."
        )
    return rows


def _excluded(
    prepared: PreparedData,
    names: RowNames,
    included: Int[np.ndarray, " i"],
    exclude: Any,
    away: AwayFrom,
) -> Bool[np.ndarray, " n"] | None:
    """Return the rows that are never chosen: those excluded, and those to keep away from."""
    rows_to_exclude = None if exclude is None else names.rows("exclude", exclude)
    excluded = np.zeros(len(prepared), bool)
    for option, rows in (("exclude", rows_to_exclude), ("away_from", away.rows)):
        if rows is None:
            continue
        excluded[rows] = True
        both = included[excluded[included]]
        if len(both):
            more = f" and {len(both) - 1} more" if len(both) > 1 else ""
            raise OptionError(
                f"{prepared.samples.locate(int(both[0]))}{more} cannot be in include= and in "
                f"{option}= at once: what {option}= names is never chosen."
            )
    return excluded if excluded.any() else None


def _check_included_fit_quotas(rules: Rules, eligible: Bool[np.ndarray, " n"]) -> None:
    plan = rules.plan(eligible)
    if plan is None or rules.quotas is None or not len(rules.include):
        return
    counts = rules.quotas.count(rules.include)
    over = rules.quotas.excess(counts)
    if over is not None:
        raise QuotaError(f"the rows of include= alone exceed the quotas: {over}.")
    plan.take(counts)


def _check_some_row_fits(rules: Rules, eligible: Bool[np.ndarray, " n"]) -> None:
    """Raise QuotaError if quotas of 0 leave no row, or none that the token budget can pay for."""
    quotas, possible = rules.quotas, rules.usable(eligible)
    if quotas is None or len(rules.include):
        return
    what = "usable row"
    if rules.costs is not None and rules.token_budget is not None:
        possible = possible & (rules.costs <= rules.token_budget)
        what = f"row that token_budget={rules.token_budget} can pay for"
    closed = quotas.members @ (quotas.most == 0).astype(np.int64) > 0
    if closed[quotas.strata[possible]].all():
        raise QuotaError(f"every {what} is in a group whose quota is 0, so none can be chosen.")


def _described(name: str, value: Any) -> Any:
    if name == "quotas" or isinstance(value, str | Real | NotKept):
        return as_json_value(value)
    if isinstance(value, SelectionData):
        return NotKept(f"a Selection of {len(value)} rows, {hash_of_array(value.indices)}")
    try:
        values = as_plain(name, value)
    except OptionError:
        return as_json_value(value)
    simple = getattr(values, "ndim", 1) == 1 and all(
        isinstance(one, str | Real | np.bool_) for one in values[: KEPT + 1]
    )
    if simple and len(values) <= KEPT:
        return [one.item() if isinstance(one, np.generic) else one for one in values]
    return NotKept(f"{len(values)} values, {_hash_of(values)}", is_object=False)


def _hash_of(values: np.ndarray[Any, Any] | list[Any]) -> str:
    if isinstance(values, np.ndarray) and values.dtype != object:
        return hash_of_array(values)
    lines = json.dumps([str(value) for value in values]).encode("utf-8", "surrogatepass")
    return f"sha256:{hashlib.sha256(lines).hexdigest()}"
