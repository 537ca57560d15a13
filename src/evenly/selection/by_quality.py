"""`select_by_quality`: the best rows first, each that is far enough from those before it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from numbers import Real
from os import PathLike
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evenly.caller import level_of_the_caller
from evenly.engines import make_engine
from evenly.engines.mapped import least_memory
from evenly.engines.registry import DEFAULT_MEMORY, check_packing_engine
from evenly.errors import BudgetError, DuplicateRowsWarning, OptionError
from evenly.geometry import DistanceMatrix, Points, first_of_the_farthest, nearest_chosen
from evenly.geometry.search.in_order import distances_to_earlier
from evenly.inputs.checks import OnInvalid
from evenly.inputs.prepare import PreparedData, TextColumns, prepare
from evenly.memory import memory_bytes
from evenly.options import check_distance
from evenly.selection.greedy.driver import coverage_radius_of
from evenly.selection.greedy.progress import packing_bar
from evenly.selection.packing.gist import best_by_thresholds
from evenly.selection.packing.packer import Packer
from evenly.selection.packing.widest import largest_distance, widest_packing
from evenly.selection.results.provenance import provenance_of, when_done
from evenly.selection.results.selection import Selection
from evenly.selection.rules.budget import check_budget
from evenly.selection.rules.problem import keep_away, points_under
from evenly.selection.rules.quality import best_first
from evenly.selection.rules.resolve import rule_options, rules_of
from evenly.selection.rules.row_values import numbers_of
from evenly.selection.rules.rules import Rules

if TYPE_CHECKING:
    from jaxtyping import Float, Int

__all__ = ["by_quality_and_keep", "select_by_quality"]


_METHODS = ("packing", "gist")


_ROWS = ("include", "exclude", "away_from", "id_column")


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
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Selection:
    """Choose the best rows that are far enough apart: by falling quality, near ones left out.

    A row is kept when it is at least r from every row that was kept before it. No rows that are
    2r apart have a better quality: for every m, the first m rows that are kept have at least
    the sum of the qualities of any m rows that are 2r apart. For a budget, r is as large as
    bisection finds: h_min is at least half, less 0.1 %, of what any `budget` rows could reach.

    Args:
        data: as in `select_uniform`.
        budget: how many rows: an int, or a fraction in (0, 1] of the usable rows.
        quality: the column that holds it, or one number a row, 0 or more. Of rows of the same
            quality the one with the smaller row number comes first.
        min_distance: r. Alone it means as many rows as are kept; with a budget the first
            `budget` of them. Squared distances that differ by less than 1e-12, relatively, are
            equal, and a row at exactly r is far enough. 0 leaves out only rows at distance 0.
        method: "packing" is the above. "gist" chooses at most `budget` rows, two at least,
            whose sum of qualities + diversity_weight · h_min is large: at least half, less 5 %,
            of what any could reach.
        diversity_weight: for "gist": what a distance of 1 is worth, in qualities.
        include, exclude, away_from, id_column: as in `select_uniform`; "gist" takes `exclude`
            alone. Rows to include are the first, whatever their quality and distances.
        text, roles, encoder, encoder_options, normalize, device, memory, on_invalid, cache_dir,
            progress: as in `select_uniform`.
        engine: where the vectors are: "memory", "mapped" (on disk) or "distances" (`data` is a
            matrix of distances); "auto" as in `select_uniform`.

    Returns:
        Selection: in the order of quality, after the rows to include. `radii` are distances to
        earlier rows and do not fall steadily. With a budget alone it is exactly `budget` rows:
        the first ones of the packing at r = h_min. When fewer rows than that are distinct,
        the best duplicates fill it up, h_min is 0, and a DuplicateRowsWarning says so.

    Raises:
        OptionError, BudgetError: an option has a value it cannot have.
        DataError: the input cannot be used, or the quality of a usable row is missing, not
            finite or negative; the message names the row.
        EncoderError: the encoder is not to be had, or fails.

    Cost: the encoder's; then about one `select_uniform` for a packing, and ten packings for a
        bisection, most of which end early.

    Sources: the rule is that of Liu et al. 2024 (DEITA), arXiv 2312.15685; for "gist", Fahrbach
        et al. 2025, arXiv 2405.18754.
    """
    selection, _ = by_quality_and_keep(
        data,
        budget,
        quality=quality,
        min_distance=min_distance,
        method=method,
        diversity_weight=diversity_weight,
        include=include,
        exclude=exclude,
        away_from=away_from,
        id_column=id_column,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        normalize=normalize,
        engine=engine,
        device=device,
        memory=memory,
        on_invalid=on_invalid,
        cache_dir=cache_dir,
        progress=progress,
    )
    return selection


def by_quality_and_keep(
    data: Any,
    budget: int | float | None = None,
    *,
    quality: Any,
    min_distance: float | None = None,
    method: str = "packing",
    diversity_weight: float | None = None,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    progress: bool | None = None,
    **others: Any,
) -> tuple[Selection, PreparedData]:
    """`select_by_quality`, and the data set as it was taken in."""
    rows = {name: others.pop(name, None) for name in _ROWS}
    _check(
        method,
        budget=budget,
        min_distance=min_distance,
        diversity_weight=diversity_weight,
        kept_to={name: rows[name] for name in ("include", "away_from")},
    )
    check_packing_engine(engine)
    kept = {**others, "engine": engine, "device": device, "progress": progress}
    prepared = prepare(data, **kept, memory=memory_bytes(memory))
    rules = rules_of(prepared, budget=budget, **rows, min_distance=min_distance, input_options=kept)
    found = numbers_of(prepared, "quality", quality)
    options = {
        "budget": budget,
        "method": method,
        **rule_options({**rows, "min_distance": min_distance, "quality": quality}),
        **({} if diversity_weight is None else {"diversity_weight": diversity_weight}),
        "engine": engine,
        "memory": memory,
    }
    provenance = provenance_of(prepared, options, rules.describe())
    began = perf_counter()
    with packing_bar(progress) as show:
        if method == "gist":
            assert diversity_weight is not None
            chosen, radii, told = _by_gist(prepared, rules, found, float(diversity_weight), show)
        else:
            chosen, radii, told = _by_packing(prepared, rules, found, min_distance, show)
    radius = _coverage_radius(prepared.points, rules, chosen, memory_bytes(memory))
    prepared.samples.check_unchanged()
    if method == "packing":
        _warn_of_duplicates(radii, rules.budget)
    seconds = prepared.seconds | {"selection": perf_counter() - began}
    provenance = {**when_done(provenance, seconds, 0), "by_quality": told}
    return Selection(chosen, radii, radius, provenance, prepared.samples), prepared


def _check(
    method: Any,
    *,
    budget: Any,
    min_distance: Any,
    diversity_weight: Any,
    kept_to: Mapping[str, Any],
) -> None:
    """Refuse options that do not belong together, before the data are read."""
    if method not in _METHODS:
        raise OptionError(f'method must be "packing" or "gist", got {method!r}.')
    check_distance(min_distance)
    if budget is not None:
        check_budget(budget)
    if method == "packing":
        if diversity_weight is not None:
            raise OptionError('diversity_weight= is for method="gist".')
        if budget is None and min_distance is None:
            raise BudgetError(
                "nothing says how many rows to choose. Give budget= (rows, or a fraction) or "
                "min_distance= (as many as are kept)."
            )
        return
    if budget is None:
        raise BudgetError('method="gist" needs budget=, how many rows there are at most.')
    if not _is_number(diversity_weight):
        raise OptionError(
            'method="gist" needs diversity_weight=, what a distance of 1 is worth in qualities: '
            f"a finite number, 0 or more, got {diversity_weight!r}."
        )
    refused = [name for name, value in kept_to.items() if value is not None]
    refused += ["min_distance"] if min_distance is not None else []
    if refused:
        raise OptionError(f'method="gist" takes no {refused[0]}=; use method="packing".')


def _is_number(value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 <= float(value) < np.inf


_Found = tuple["Int[np.ndarray, ' k']", "Float[np.ndarray, ' k']", dict[str, Any]]


_Show = Callable[[float, int], Callable[[int], object]]


def _by_packing(
    prepared: PreparedData,
    rules: Rules,
    quality: Float[np.ndarray, " n"],
    min_distance: float | None,
    show: _Show,
) -> _Found:
    points, include = points_under(rules, prepared.points), rules.include
    usable = points.eligible.copy()
    usable[include] = False
    order = best_first(quality, usable)
    # A matrix of distances knows what to keep away from as rows, all else as points.
    before = np.empty(0, np.int64)
    if isinstance(points, DistanceMatrix) and rules.away_rows is not None:
        before = rules.away_rows
    radii_of = partial(distances_to_earlier, points, away=rules.away)
    packer = Packer(points, before=np.concatenate([before, include]), away=rules.away)
    owed = len(order) if rules.budget is None else rules.budget - len(include)
    told: dict[str, Any] = {}
    if owed == 0:
        rows = order[:0]
    elif min_distance is not None:
        rows = packer.pack(
            order, min_distance, limit=owed, progress=show(min_distance, len(order))
        ).rows
    else:
        widest = widest_packing(
            packer,
            order,
            owed,
            upper=largest_distance(points),
            radii_of=partial(radii_of, before=np.concatenate([before, include])),
            progress=lambda distance: show(distance, len(order)),
        )
        if widest is None:
            rows = _filled_up(packer, order, owed)
        else:
            rows = widest.rows
            told["fails_at"] = widest.fails_at if np.isfinite(widest.fails_at) else None
    rows = np.concatenate([include, rows])
    return rows, radii_of(rows, before=before), told


def _filled_up(packer: Packer, order: Int[np.ndarray, " m"], owed: int) -> Int[np.ndarray, " k"]:
    """All distinct rows, and of their duplicates the first, in the order."""
    taken = np.isin(order, packer.pack(order, 0.0).rows)
    others = np.flatnonzero(~taken)
    taken[others[: owed - int(np.count_nonzero(taken))]] = True
    return order[taken]


def _by_gist(
    prepared: PreparedData,
    rules: Rules,
    quality: Float[np.ndarray, " n"],
    weight: float,
    show: _Show,
) -> _Found:
    points = points_under(rules, prepared.points)
    order = best_first(quality, points.eligible)
    assert rules.budget is not None
    if rules.budget == 1:
        return order[:1], np.array([np.inf]), {}
    rows, radii, value = best_by_thresholds(
        Packer(points),
        order,
        rules.budget,
        quality=quality,
        weight=weight,
        upper=largest_distance(points),
        pairs=[_far_pair(points, order)],
        radii_of=partial(distances_to_earlier, points),
        progress=lambda distance: show(distance, len(order)),
    )
    return rows, radii, {"value": value}


def _far_pair(
    points: Points | DistanceMatrix, order: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " 2"]:
    """Two rows at least half as far apart as the farthest, in the order."""
    first = first_of_the_farthest(points.squared_distances_to_mean())
    others = nearest_chosen(points, np.array([first]))
    distances = np.where(others.rows == first, -np.inf, others.distances)
    second = int(others.rows[first_of_the_farthest(distances)])
    return order[np.isin(order, [first, second])]


def _coverage_radius(
    points: Points | DistanceMatrix, rules: Rules, rows: Int[np.ndarray, " k"], memory: float | None
) -> float:
    """The largest distance from a usable row to the nearest chosen one, or one kept away from."""
    points = points_under(rules, points)
    room = len(rows) + (0 if rules.away is None else len(rules.away))
    if isinstance(points, Points) and not points.in_memory:
        # Packing took as much already: too little memory is no reason to give its result up.
        memory = max(DEFAULT_MEMORY if memory is None else memory, least_memory(points, room))
    pool = make_engine(points, room, memory=memory, device="cpu")
    keep_away(pool, rules)
    if len(rows):
        pool.add(rows, pool.fetch(rows))
    return coverage_radius_of(pool)


def _warn_of_duplicates(radii: Float[np.ndarray, " k"], budget: int | None) -> None:
    distinct = int(np.count_nonzero(radii))
    if budget is not None and distinct < len(radii):
        warnings.warn(
            f"only {distinct} of the {len(radii)} rows are distinct: h_min is 0. For distinct "
            "rows alone, pass min_distance=0.",
            DuplicateRowsWarning,
            stacklevel=level_of_the_caller(),
        )
