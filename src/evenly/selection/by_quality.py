"""`select_by_quality`: the best rows that are far enough apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from time import perf_counter
from typing import Any, Literal

import numpy as np

from evenly.caller import level_of_the_caller
from evenly.engines.mapped import least_memory
from evenly.engines.registry import DEFAULT_MEMORY, check_packing_engine
from evenly.errors import BudgetError, DuplicateRowsWarning, OptionError
from evenly.geometry import DistanceMatrix, Points, first_of_the_farthest, nearest_chosen
from evenly.inputs.prepare import PreparedData, prepare
from evenly.options import (
    DEFAULT_ENCODER,
    InputOptions,
    OnInvalid,
    QualityOptions,
    RuleOptions,
    TextColumns,
    documented,
)
from evenly.selection.greedy.driver import coverage_radius_of
from evenly.selection.greedy.progress import packing_bar
from evenly.selection.packing.gist import best_by_thresholds
from evenly.selection.packing.max_radius import max_radius_packing
from evenly.selection.packing.packer import Packer
from evenly.selection.results.provenance import provenance_of
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.quality import best_first
from evenly.selection.rules.resolve import describe_rule_options, resolve_rules
from evenly.selection.rules.row_values import numbers_of
from evenly.selection.selection import Selection
from evenly.shapes import Float, Int
from evenly.tables import count


@documented(InputOptions, RuleOptions)
def select_by_quality(
    data: Any,
    budget: int | float | None = None,
    *,
    quality: Any,
    min_distance: float | None = None,
    method: Literal["packing", "gist"] = "packing",
    diversity_weight: float | None = None,
    include: Any = None,
    exclude: Any = None,
    away_from: Any = None,
    id_column: Any = None,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Selection:
    """Choose the best rows that are far enough apart.

    Rows are considered in order of descending quality, and a row is kept if it is at least r from
    every row kept before it. For every m, the first m kept rows have at least the total quality
    of any m rows that are 2r apart. For a budget, bisection finds the largest r: h_min is at
    least half, less 0.1 %, of what any `budget` rows could reach.

    Args:
        data: as in `select_uniform`.
        budget: how many rows to choose: an int, or a fraction in (0, 1] of the usable rows.
        quality: the column of the quality, or one number for each row, 0 or more. Ties go to the
            smaller row number.
        min_distance: r. Alone, all rows that are kept are chosen; with a budget, the first
            `budget` of them. Squared distances within 1e-12, relatively, are equal, and a row at
            exactly r is far enough. 0 leaves out only rows at distance 0.
        method: "packing", as above, or "gist", which chooses at most `budget` and at least two
            rows with a large total quality + diversity_weight · h_min: at least half, less 5 %,
            of the largest possible value.
        diversity_weight: for "gist": what a distance of 1 is worth, in units of quality.
        include, exclude, away_from, id_column: as in `select_uniform`; "gist" supports `exclude`
            only. Included rows come first, regardless of their quality and distances.
        engine: where the vectors are: "memory", "mapped" (on disk) or "distances" (`data` is a
            matrix of distances); "auto" as in `select_uniform`.

    Returns:
        Selection: in the order of quality, after the rows to include. `radii` are distances to
        earlier rows and need not decrease. With a budget alone it has exactly `budget` rows: the
        first ones of the packing at r = h_min. If fewer rows than that are distinct, the best
        duplicates complete it, h_min is 0, and a DuplicateRowsWarning says so.

    Raises:
        OptionError, BudgetError: an option has a value it cannot have.
        DataError: the input cannot be used, or the quality of a usable row is missing, not
            finite or negative; the message names the row.
        EncoderError: the encoder could not be found, or fails.

    Cost: the encoder's; then about one `select_uniform` for a packing, and ten packings for a
        bisection, most of which end early.

    Sources: Liu et al. 2024 (DEITA), arXiv 2312.15685; for "gist", Fahrbach et al. 2025, arXiv
        2405.18754.
    """
    arguments = locals()
    inputs, rules = InputOptions.of(arguments), rules_by_quality(arguments)
    how = QualityOptions.of(arguments)
    return choose_by_quality(prepare_by_quality(data, inputs, rules, how), rules, how)


def rules_by_quality(values: Mapping[str, Any]) -> RuleOptions:
    """Return the rules among some options that apply to a selection by quality."""
    names = ("budget", "include", "exclude", "away_from", "id_column", "min_distance")
    return RuleOptions(**{name: values.get(name) for name in names})


def prepare_by_quality(
    data: Any, inputs: InputOptions, rules: RuleOptions, how: QualityOptions
) -> PreparedData:
    """Check all options, and prepare the data set that `choose_by_quality` chooses from."""
    _check(rules, how)
    check_packing_engine(inputs.engine)

    def check(texts: PreparedData) -> None:
        resolve_rules(texts, rules)
        numbers_of(texts, "quality", how.quality)

    return prepare(data, inputs, check=check)


def choose_by_quality(prepared: PreparedData, rules: RuleOptions, how: QualityOptions) -> Selection:
    """Choose rows of a prepared data set; see `select_by_quality`."""
    resolved = resolve_rules(prepared, rules)
    quality = numbers_of(prepared, "quality", how.quality)
    inputs = prepared.options
    options = {"budget": None, **describe_rule_options({**rules.given(), **how.given()})}
    options |= {"engine": inputs.engine, "memory": inputs.memory}
    provenance = provenance_of(prepared, options, resolved.describe())
    began = perf_counter()
    problem = Problem.of(prepared, resolved)
    with packing_bar(inputs.progress) as show:
        solve = _by_gist if how.method == "gist" else _by_packing
        found = solve(problem, quality, how, show)
    radius = _coverage_radius(problem, found.rows)
    prepared.samples.check_unchanged()
    if how.method == "packing":
        _warn_of_duplicates(found.radii, resolved.budget)
    seconds = prepared.seconds | {"selection": perf_counter() - began}
    provenance = provenance.finished(seconds).with_detail("by_quality", **found.details)
    return Selection(found.rows, found.radii, radius, provenance, prepared.samples)


def _check(rules: RuleOptions, how: QualityOptions) -> None:
    """Reject options that do not belong together, before the data are read."""
    if how.method == "packing":
        if how.diversity_weight is not None:
            raise OptionError('diversity_weight= is for method="gist".')
        if rules.budget is None and how.min_distance is None:
            raise BudgetError(
                "nothing says how many rows to choose. Give budget= (rows, or a fraction) or "
                "min_distance= (as many as are kept)."
            )
        return
    if rules.budget is None:
        raise BudgetError('method="gist" needs budget=, the most rows to choose.')
    if how.diversity_weight is None:
        raise OptionError(
            'method="gist" needs diversity_weight=, what a distance of 1 is worth in units of '
            "quality."
        )
    for name in ("include", "away_from", "min_distance"):
        if getattr(rules, name) is not None:
            raise OptionError(f'method="gist" does not support {name}=; use method="packing".')


@dataclass(frozen=True, eq=False)
class _Found:
    """Chosen rows, their distances to earlier rows, and what the method reports."""

    rows: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    details: dict[str, Any]


_Show = Callable[[float, int], Callable[[int], object]]


def _by_packing(
    problem: Problem, quality: Float[np.ndarray, " n"], how: QualityOptions, show: _Show
) -> _Found:
    points, rules = problem.points, problem.rules
    usable = points.eligible.copy()
    usable[rules.include] = False
    order = best_first(quality, usable)
    before = rules.include
    if rules.before is not None:
        before = np.concatenate([rules.before, before])
    packer = Packer(points, before=before, away=rules.away)
    limit = len(order) if rules.budget is None else rules.budget - len(rules.include)
    details: dict[str, Any] = {}
    if limit == 0:
        rows = order[:0]
    elif how.min_distance is not None:
        progress = show(how.min_distance, len(order))
        rows = packer.pack(order, how.min_distance, limit=limit, progress=progress).rows
    else:
        widest = max_radius_packing(
            packer, order, limit, progress=lambda distance: show(distance, len(order))
        )
        if widest is None:
            rows = _filled_up(packer, order, limit)
        else:
            rows = widest.rows
            details["fails_at"] = widest.fails_at if np.isfinite(widest.fails_at) else None
    rows = np.concatenate([rules.include, rows])
    return _Found(rows, problem.radii_of(rows), details)


def _filled_up(packer: Packer, order: Int[np.ndarray, " m"], limit: int) -> Int[np.ndarray, " k"]:
    """Return all distinct rows and the first of their duplicates, in the order."""
    taken = np.isin(order, packer.pack(order, 0.0).rows)
    others = np.flatnonzero(~taken)
    taken[others[: limit - int(np.count_nonzero(taken))]] = True
    return order[taken]


def _by_gist(
    problem: Problem, quality: Float[np.ndarray, " n"], how: QualityOptions, show: _Show
) -> _Found:
    points, budget = problem.points, problem.rules.budget
    order = best_first(quality, points.eligible)
    assert budget is not None
    assert how.diversity_weight is not None
    if budget == 1:
        return _Found(order[:1], np.array([np.inf]), {})
    rows, radii, value = best_by_thresholds(
        Packer(points),
        order,
        budget,
        quality=quality,
        weight=float(how.diversity_weight),
        pair=_far_pair(points, order),
        progress=lambda distance: show(distance, len(order)),
    )
    return _Found(rows, radii, {"value": value})


def _far_pair(
    points: Points | DistanceMatrix, order: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " 2"]:
    """Return two rows at least half as far apart as the farthest two, in the order."""
    first = first_of_the_farthest(points.squared_distances_to_mean())
    others = nearest_chosen(points, np.array([first]))
    distances = np.where(others.rows == first, -np.inf, others.distances)
    second = int(others.rows[first_of_the_farthest(distances)])
    return order[np.isin(order, [first, second])]


def _coverage_radius(problem: Problem, rows: Int[np.ndarray, " k"]) -> float:
    """Return the largest distance from a usable row to a chosen one, or one to keep away from."""
    points, memory = problem.points, problem.memory
    if isinstance(points, Points) and not points.in_memory:
        # Packing used as much already: too little memory must not discard its result.
        itemsize = points.stored.dtype.itemsize
        least = least_memory(len(points), points.dimension, itemsize, problem.capacity(len(rows)))
        memory = max(DEFAULT_MEMORY if memory is None else memory, least)
    engine = replace(problem, engine="auto", device="cpu", memory=memory).new_engine(len(rows))
    if len(rows):
        engine.add(rows, engine.fetch(rows))
    return coverage_radius_of(engine)


def _warn_of_duplicates(radii: Float[np.ndarray, " k"], budget: int | None) -> None:
    distinct = int(np.count_nonzero(radii))
    if budget is not None and distinct < len(radii):
        are = "is" if distinct == 1 else "are"
        warnings.warn(
            f"only {distinct} of the {count(len(radii), 'row')} {are} distinct: h_min is 0. For "
            "distinct "
            "rows alone, pass min_distance=0.",
            DuplicateRowsWarning,
            stacklevel=level_of_the_caller(),
        )
