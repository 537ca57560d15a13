"""From the rules that users pass to `Rules`: resolved, checked, and known to be possible."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import BudgetError, EmptyPoolError, OptionError, QuotaError, RowError
from evenly.options import as_json_value, check_distance
from evenly.selection.results.provenance import hash_of_array
from evenly.selection.results.selection import Selection
from evenly.selection.rules.away_from import Away
from evenly.selection.rules.budget import check_budget, rows_of_budget
from evenly.selection.rules.groups import check_quotas, quotas_of
from evenly.selection.rules.quality import check_quality, weights_of
from evenly.selection.rules.row_names import RowNames
from evenly.selection.rules.row_values import as_plain
from evenly.selection.rules.rules import Rules
from evenly.selection.rules.token_costs import check_costs, costs_of

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    from evenly.inputs.prepare import PreparedData

__all__ = ["RULES", "check_rules", "rule_options", "rules_of"]


RULES = (
    "include",
    "exclude",
    "away_from",
    "id_column",
    "min_distance",
    "groups",
    "quotas",
    "balance",
    "token_budget",
    "costs",
    "tokenizer",
    "quality",
    "quality_weight",
)
"""The options that are rules, beside the budget."""


KEPT = 100
"""Values that are written down as they are; of more there is a hash."""


def check_rules(
    *,
    budget: Any = None,
    min_distance: Any = None,
    groups: Any = None,
    quotas: Any = None,
    balance: Any = None,
    token_budget: Any = None,
    costs: Any = None,
    tokenizer: Any = None,
    quality: Any = None,
    quality_weight: Any = None,
    **others: Any,
) -> None:
    """Refuse rules that no data could have, before the data are read.

    Raises:
        OptionError: an option has a value it cannot have, or lacks another that it needs.
        BudgetError: nothing says when to end.
        QuotaError: a quota is none.
    """
    if budget is None and min_distance is None and token_budget is None:
        raise BudgetError(
            "nothing says how many rows to choose. Give budget= (rows, or a fraction), "
            "min_distance= (as many as fit so far apart) or token_budget=."
        )
    if budget is not None:
        check_budget(budget)
    check_distance(min_distance)
    check_quotas(groups, quotas, balance)
    check_costs(token_budget, costs, tokenizer)
    check_quality(quality, quality_weight)


def rules_of(
    prepared: PreparedData,
    *,
    budget: int | float | None = None,
    include: Any = None,
    exclude: Any = None,
    away_from: Any = None,
    id_column: Any = None,
    min_distance: float | None = None,
    groups: Any = None,
    quotas: Mapping[Any, Any] | None = None,
    balance: str | None = None,
    token_budget: int | None = None,
    costs: Any = None,
    tokenizer: Any = None,
    quality: Any = None,
    quality_weight: float | None = None,
    input_options: Mapping[str, Any] | None = None,
) -> Rules:
    """The rules of a selection; see `select_uniform` for what users may pass.

    Args:
        prepared: the data set.
        budget: rows, a fraction of the usable ones, or None.
        include, exclude, away_from, id_column, min_distance, groups, quotas, balance,
            token_budget, costs, tokenizer, quality, quality_weight: as in `select_uniform`.
        input_options: what `prepare` was given for the data set: `away_from` is taken in by
            the same, and tokens are counted in the same text.

    Returns:
        Rules: `include` meets them all, and the quotas can be met.

    Raises:
        OptionError, BudgetError, QuotaError: an option has a value it cannot have here.
        RowError: a row or id is not there, is named twice, or cannot be chosen.
        DataError: a row's cost or quality is missing or negative; a column is missing; the data
            of `away_from` cannot be used.

    Cost: that of the columns it reads; of `away_from`, what `prepare` costs; of tokens, what
        the tokenizer does; of overlapping groups, an integer program over the kinds of rows.
    """
    check_rules(
        budget=budget,
        min_distance=min_distance,
        groups=groups,
        quotas=quotas,
        balance=balance,
        token_budget=token_budget,
        costs=costs,
        tokenizer=tokenizer,
        quality=quality,
        quality_weight=quality_weight,
    )
    options = dict(input_options or {})
    names = RowNames(prepared, id_column)
    included = _included(prepared, names, include)
    away = Away.of(away_from, prepared, names, options)
    excluded = _excluded(prepared, names, included, exclude, away)
    eligible = prepared.points.eligible
    usable = eligible if excluded is None else eligible & ~excluded
    if not usable.any():
        raise EmptyPoolError(
            f"exclude= and away_from= leave none of the {len(prepared)} rows of "
            f"{prepared.samples.origin}."
        )
    rows = None if budget is None else rows_of_budget(budget, int(np.count_nonzero(usable)))
    if rows is not None and len(included) > rows:
        raise BudgetError(f"include= names {len(included)} rows, more than the budget of {rows}.")
    rules = Rules(
        include=included,
        budget=rows,
        excluded=excluded,
        away=away.points,
        away_rows=away.rows,
        min_distance=float(min_distance or 0.0),
        quotas=quotas_of(
            prepared,
            usable,
            included,
            rows,
            groups=groups,
            quotas=quotas,
            balance=balance,
            counted=token_budget is None,
        ),
        costs=costs_of(
            prepared,
            usable,
            included,
            token_budget,
            costs=costs,
            tokenizer=tokenizer,
            input_options=options,
        ),
        token_budget=None if token_budget is None else int(token_budget),
        weights=weights_of(prepared, usable, quality, quality_weight),
    )
    _check_quotas_can_be_met(rules, eligible)
    return rules


def rule_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Rules as users passed them, for the provenance: JSON values, and of many values a hash.

    Such a hash is in angle brackets, as all is that cannot be taken again from a manifest.
    """
    return {name: _told(name, value) for name, value in given.items() if value is not None}


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
    away: Away,
) -> Bool[np.ndarray, " n"] | None:
    """The rows never chosen: those excluded, and those of this pool to keep away from."""
    by_option = {"exclude": None if exclude is None else names.rows("exclude", exclude)}
    by_option["away_from"] = away.rows
    excluded = np.zeros(len(prepared), bool)
    for option, rows in by_option.items():
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


def _check_quotas_can_be_met(rules: Rules, eligible: Bool[np.ndarray, " n"]) -> None:
    plan = rules.plan(eligible)
    if plan is None or rules.quotas is None or not len(rules.include):
        return
    counts = rules.quotas.count(rules.include)
    over = rules.quotas.over(counts)
    if over is not None:
        raise QuotaError(f"the rows of include= alone are more than quotas allow: {over}.")
    plan.take(counts)


def _told(name: str, value: Any) -> Any:
    if name == "quotas" or value is None or isinstance(value, str | Real):
        return as_json_value(value)
    if isinstance(value, Selection):
        return f"<a Selection of {len(value)} rows, {hash_of_array(value.indices)}>"
    try:
        values = as_plain(name, value)
    except OptionError:
        return as_json_value(value)
    simple = getattr(values, "ndim", 1) == 1 and all(
        isinstance(one, str | Real | np.bool_) for one in values[: KEPT + 1]
    )
    if simple and len(values) <= KEPT:
        return [one.item() if isinstance(one, np.generic) else one for one in values]
    return f"<{len(values)} values, {_hash_of(values)}>"


def _hash_of(values: np.ndarray[Any, Any] | list[Any]) -> str:
    if isinstance(values, np.ndarray) and values.dtype != object:
        return hash_of_array(values)
    lines = json.dumps([str(value) for value in values]).encode("utf-8", "surrogatepass")
    return f"sha256:{hashlib.sha256(lines).hexdigest()}"
