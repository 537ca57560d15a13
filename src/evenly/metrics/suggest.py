"""`suggest_budget`: what every budget gives, from one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from time import perf_counter
from typing import Any, Literal

import numpy as np

from evenly.errors import EncoderError, OptionError
from evenly.inputs.prepare import PreparedData
from evenly.metrics.budget_curve import Run, curve_of_budgets, knee_of, rows_at_coverage_radius
from evenly.metrics.suggestion import BudgetSuggestion
from evenly.options import (
    DEFAULT_ENCODER,
    BudgetOptions,
    InputOptions,
    OnInvalid,
    RuleOptions,
    TextColumns,
    UniformOptions,
    documented,
)
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.resolve import check_costs, resolve_rules
from evenly.selection.rules.token_costs import TokenCosts, costs_of_rows
from evenly.selection.uniform import prepare_uniform, select_resolved
from evenly.shapes import Int

LARGEST = 20_000
"""Without a budget, no more rows than this are chosen, and no more than half of them."""

_OF_COSTS = ("costs", "count", "tokenizer")

NOT_FOR_ALL_BUDGETS = {
    "groups": "With quotas, the first picks are not the answer for a smaller budget.",
    "quotas": "With quotas, the first picks are not the answer for a smaller budget.",
    "balance": "With quotas, the first picks are not the answer for a smaller budget.",
    "token_budget": "To find the budget for a number of tokens, give tokens=.",
    "min_distance": "To find the budget at which rows are so far apart, give h_min=.",
    "refine": "A refined selection is the answer for one budget.",
}
"""Options of `select_uniform` that `suggest_budget` refuses, and why."""


@documented(InputOptions, RuleOptions, UniformOptions, BudgetOptions)
def suggest_budget(
    data: Any,
    budget: int | float | None = None,
    *,
    h_min: float | None = None,
    coverage_radius: float | None = None,
    tokens: int | None = None,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    start: int | str = "farthest-from-mean",
    include: Any = None,
    exclude: Any = None,
    away_from: Any = None,
    id_column: Any = None,
    costs: Any = None,
    count: Any = None,
    tokenizer: Any = None,
    quality: Any = None,
    quality_weight: float | None = None,
    density_weight: float | None = None,
    density_neighbours: int | None = None,
    density_search: Literal["exact", "approximate"] | None = None,
    drop_outliers: float | None = None,
    random_subsets: int = 1,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
    seed: int = 0,
    **more: Any,
) -> BudgetSuggestion:
    """Measure what every budget gives, from one run, and suggest how many rows to choose.

    The first m rows of a selection are the answer for budget m, so a single run tells for each
    budget how far apart the rows are and how closely they cover the pool.

    Args:
        data: as in `select_uniform`.
        budget: the largest budget to look at: an int, or a fraction in (0, 1] of the usable rows.
            By default half of them, at most 20,000 rows.
        more: other options of `select_uniform` are refused, with the reason: with quotas or a
            token budget, the first rows are not the answer for a smaller budget.

    Returns:
        BudgetSuggestion: `print` it for a table, use `curve.rows` for a DataFrame, and
        `selection.prefix(m)` for the selection of m rows.

    Raises:
        OptionError: an option cannot be used for all budgets at once.
        BudgetError, RowError, DataError, EncoderError, CheckpointError: as in `select_uniform`.

    Cost: that of `select_uniform` with the largest budget, and about as much again for mean
        distances and random rows; texts are embedded once. The tokens of the chosen rows are
        counted if texts are embedded, or if `tokens`, `costs`, `count` or `tokenizer` is given.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5; for the knee, Satopaa, Albrecht,
        Irwin and Raghavan 2011, doi:10.1109/ICDCSW.2011.20.
    """
    arguments = locals()
    refuse_options(more)
    return suggest(
        data,
        InputOptions.of(arguments),
        RuleOptions.of(arguments),
        UniformOptions.of(arguments),
        BudgetOptions.of(arguments),
    )


def refuse_options(others: Mapping[str, Any]) -> None:
    """Raise for options that are not those of `suggest_budget`.

    Raises:
        OptionError: it is an option of `select_uniform`, which cannot be used here.
        TypeError: there is no such option.
    """
    for name in others:
        if name not in NOT_FOR_ALL_BUDGETS:
            raise TypeError(f"suggest_budget() got an unexpected keyword argument {name!r}")
        raise OptionError(
            f"{name}= cannot be used for all budgets at once. {NOT_FOR_ALL_BUDGETS[name]}"
        )


def suggest(
    data: Any,
    inputs: InputOptions,
    rules: RuleOptions,
    how: UniformOptions,
    options: BudgetOptions,
) -> BudgetSuggestion:
    """Measure what every budget gives; see `suggest_budget`."""
    check_costs(rules)
    in_tokens = rules
    rules = replace(rules, **dict.fromkeys(_OF_COSTS))
    if rules.budget is None:
        rules = replace(rules, budget=0.5)
    must_count = options.tokens is not None or any(
        getattr(in_tokens, name) is not None for name in _OF_COSTS
    )

    def check(prepared: PreparedData) -> None:
        if must_count:
            costs_of_rows(prepared, np.flatnonzero(prepared.points.eligible), in_tokens)

    prepared = prepare_uniform(data, inputs, rules, how, check=check)
    check(prepared)
    resolved = resolve_rules(prepared, rules)
    if in_tokens.budget is None and resolved.budget is not None and resolved.budget > LARGEST:
        rules, resolved = replace(rules, budget=LARGEST), replace(resolved, budget=LARGEST)
    selection = select_resolved(prepared, rules, resolved, how)
    began = perf_counter()
    costs = _costs(prepared, selection.indices, in_tokens, must_count=must_count)
    problem = Problem.of(prepared, resolved)
    run = Run.of(resolved, selection.indices, selection.radii, selection.coverage_radius)
    pool_size = int(np.count_nonzero(problem.points.eligible))
    spent = None if costs is None else np.cumsum(costs.tokens[run.rows])
    answers = _answers(run, spent, options, pool_size)
    knee = None
    if run.coverage_radius is not None:
        budgets = np.arange(run.least, len(run.rows) + 1)
        knee = knee_of(budgets, run.coverage_radius[run.least - 1 :])
    curve = curve_of_budgets(
        problem,
        run,
        also=[size for size in (knee, *answers.values()) if size],
        random_subsets=options.random_subsets,
        seed=how.seed,
        progress=inputs.progress,
    )
    if run.coverage_radius is None:
        knee = knee_of(curve.budgets, curve.coverage_radius)
        if options.coverage_radius is not None:
            answers["coverage_radius"] = rows_at_coverage_radius(
                curve.budgets, curve.coverage_radius, options.coverage_radius
            )
    return BudgetSuggestion(
        curve=replace(curve, tokens=None if spent is None else spent[curve.budgets - 1]),
        knee=knee,
        wanted={name: getattr(options, name) for name in answers},
        answers=answers,
        pool_size=pool_size,
        counted=None if costs is None else costs.counted,
        selection=selection,
        seconds=perf_counter() - began,
    )


def _costs(
    prepared: PreparedData,
    rows: Int[np.ndarray, " k"],
    in_tokens: RuleOptions,
    *,
    must_count: bool,
) -> TokenCosts | None:
    """Return what some rows cost; None for vectors, or if the encoder has no tokenizer."""
    if must_count:
        return costs_of_rows(prepared, rows, in_tokens)
    if prepared.embeddings is None:
        return None
    try:
        return costs_of_rows(prepared, rows, in_tokens)
    except (OptionError, EncoderError):
        return None


def _answers(
    run: Run, spent: Int[np.ndarray, " k"] | None, options: BudgetOptions, pool_size: int
) -> dict[str, int | None]:
    """Return the budget for each value that is wanted; None beyond the largest budget."""
    found: dict[str, int | None] = {}
    most = len(run.rows)
    if options.h_min is not None:
        found["h_min"] = run.rows_at_h_min(options.h_min)
    if options.coverage_radius is not None:
        found["coverage_radius"] = None
        if run.coverage_radius is not None:
            budgets, covered = np.arange(1, most + 1), run.coverage_radius
            found["coverage_radius"] = rows_at_coverage_radius(
                budgets, covered, options.coverage_radius
            )
    if options.tokens is not None and spent is not None:
        size = int(np.count_nonzero(spent <= options.tokens))
        found["tokens"] = size if size >= run.least else 0
    for name in ("h_min", "tokens"):
        if found.get(name) == most < pool_size:
            found[name] = None
    return found
