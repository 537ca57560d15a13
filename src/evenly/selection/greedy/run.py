"""Run farthest-first on a problem: from the start or from earlier picks, with a checkpoint."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from os import PathLike, fspath

import numpy as np

from evenly.distributed.engine import ClusterEngine
from evenly.engines import Engine
from evenly.engines.mapped import MappedEngine
from evenly.engines.memory import MemoryEngine
from evenly.errors import BudgetError, CheckpointError
from evenly.geometry import Points, single_threaded_blas
from evenly.geometry.clustering.cells import NearPicks
from evenly.selection.greedy.checkpoint import Checkpoint, Saved, read_checkpoint
from evenly.selection.greedy.driver import DEFAULT_SIZES, FrontierSizes, farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.progress import progress_bar
from evenly.selection.greedy.start import first_row
from evenly.selection.results.run_key import NO_KEY, RunKey
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.remaining import Limits
from evenly.shapes import Bool

log = logging.getLogger("evenly")


@dataclass(frozen=True, eq=False)
class Beginning:
    """Where a run begins.

    Attributes:
        start, seed: as in `select_uniform`; they decide the first pick.
        picks: earlier picks of the same selection to continue from; None if there are none.
        checkpoint: the file that keeps the picks; None for no file.
        key: what the picks depend on; needed only with a checkpoint.
    """

    start: int | str = "farthest-from-mean"
    seed: int = 0
    picks: Picks | None = None
    checkpoint: str | PathLike[str] | None = None
    key: RunKey = NO_KEY


@dataclass(frozen=True, eq=False)
class Answer:
    """The picks of a run.

    Attributes:
        coverage_radius: the largest distance from an eligible row to the nearest pick.
        taken_over: how many of the picks came from earlier ones or from the checkpoint.
        near: a pick near every row, or bounds on the distances, if the engine knows them.
    """

    picks: Picks
    coverage_radius: float
    taken_over: int
    near: NearPicks | None = None


def run_greedy(
    problem: Problem,
    beginning: Beginning,
    *,
    progress: bool | None = None,
    sizes: FrontierSizes = DEFAULT_SIZES,
) -> Answer:
    """Choose rows by farthest-first.

    Raises:
        RowError: `start` is not a row that can be chosen.
        BudgetError: what to keep away from leaves no row at `min_distance`.
        QuotaError: a distance ended the selection before all quotas were met.
        CheckpointError: the checkpoint belongs to another selection, or is damaged.
        OutputError: the checkpoint cannot be written.
    """
    rules, budget = problem.rules, problem.most_rows
    limits = _limits(problem, beginning)
    initial, engine = _earlier_picks(problem, beginning), None
    taken_over = 0 if initial is None else min(len(initial.picks), budget)
    if initial is None:
        engine = _engine_for_first_pick(problem, beginning)
        initial = Saved(beginning.key, first_picks(problem, beginning, limits, engine))
    answer, near = _answer_within(initial, budget, limits), None
    if answer is None:
        if len(initial.picks) > budget:
            initial = Saved(initial.key, initial.picks.prefix(budget))
        checkpoint = beginning.checkpoint
        answer, near = _complete(problem, engine, initial, limits, checkpoint, progress, sizes)
    picks, coverage_radius = answer
    if not len(picks):
        that_fits = (
            "" if rules.costs is None else f" that fits in token_budget={rules.token_budget}"
        )
        raise BudgetError(
            f"no row{that_fits} is as far as min_distance={rules.min_distance:g} from what "
            f"away_from= names; the farthest of all rows is at {coverage_radius:.6g}."
        )
    rules.check_met(picks.rows)
    return Answer(picks, coverage_radius, min(taken_over, len(picks)), near)


def _limits(problem: Problem, beginning: Beginning) -> Limits:
    if problem.rules.is_plain:
        return Limits()
    forced = len(problem.rules.include)
    if not forced and problem.keeps_away and beginning.start != "farthest-from-mean":
        # The first pick is given, so later ones may be farther from what to keep away from.
        forced = 1
    return Limits(problem.rules, problem.points.eligible, forced=forced)


def _engine_for_first_pick(problem: Problem, beginning: Beginning) -> Engine | None:
    """Return an engine that prepares for all picks while it finds the first; else None."""
    points = problem.points
    are_read = isinstance(points, Points) and points.row_sums is not None
    if are_read and problem.rules.is_plain and beginning.start == "farthest-from-mean":
        return problem.new_engine(problem.likely_rows)
    return None


def first_picks(
    problem: Problem, beginning: Beginning, limits: Limits, engine: Engine | None = None
) -> Picks:
    """Return the rows to include, or else the first pick; none if the driver picks it itself."""
    rows = problem.rules.include
    if not len(rows):
        if problem.keeps_away and beginning.start == "farthest-from-mean":
            return Picks.none()
        row = first_row(problem, beginning.start, beginning.seed, limits, engine)
        if not problem.keeps_away:
            return Picks.first(row)
        rows = np.array([row])
    return Picks(rows, problem.radii_of(rows))


def are_usable(picks: Picks, eligible: Bool[np.ndarray, " n"]) -> bool:
    """Whether picks from a file are distinct eligible rows."""
    inside = (picks.rows >= 0) & (picks.rows < len(eligible))
    distinct = len(np.unique(picks.rows)) == len(picks)
    return bool(distinct and inside.all() and eligible[picks.rows].all())


def _earlier_picks(problem: Problem, beginning: Beginning) -> Saved | None:
    """Return the longer of the earlier picks and those in the checkpoint."""
    saved = None
    if beginning.checkpoint is not None:
        saved = _of_the_same_selection(beginning.checkpoint, beginning.key, problem)
    given = beginning.picks
    if given is not None and (saved is None or len(given) > len(saved.picks)):
        return Saved(beginning.key, given)
    return saved


def _of_the_same_selection(
    path: str | PathLike[str], key: RunKey, problem: Problem
) -> Saved | None:
    saved = read_checkpoint(path)
    if saved is None:
        return None
    different = saved.key.differs_from(key)
    if different is not None:
        raise CheckpointError(
            f"{fspath(path)} is the checkpoint of another selection: {different}. Use the options "
            "and data that it was started with, delete it to start again, or name another file."
        )
    if not are_usable(saved.picks, problem.points.eligible):
        raise CheckpointError(
            f"the checkpoint {fspath(path)} is damaged: it holds rows that cannot be chosen. "
            "Delete it to start again."
        )
    return saved


def _answer_within(saved: Saved, budget: int, limits: Limits) -> tuple[Picks, float] | None:
    """Return the answer if the picks hold it already; the radius after it is its coverage."""
    picks, known = saved.picks, saved.coverage_radius
    if limits.leave_rows_out:
        return (picks, known) if budget == len(picks) and known is not None else None
    near = np.flatnonzero(picks.radii < limits.min_distance)
    near = near[near >= max(1, limits.forced)]
    if len(near):
        budget = min(budget, int(near[0]))
    if budget < len(picks):
        return picks.prefix(budget), float(picks.radii[budget])
    if known is not None and (budget == len(picks) or known < limits.min_distance):
        return picks, known
    return None


def _complete(
    problem: Problem,
    engine: Engine | None,
    initial: Saved,
    limits: Limits,
    checkpoint: str | PathLike[str] | None,
    progress: bool | None,
    sizes: FrontierSizes,
) -> tuple[tuple[Picks, float], NearPicks | None]:
    """Continue the picks to the budget, and keep them on disk meanwhile if requested."""
    budget = problem.most_rows
    with contextlib.ExitStack() as stack:
        file = None
        if checkpoint is not None:
            file = stack.enter_context(Checkpoint(checkpoint, initial))
        show = stack.enter_context(progress_bar(budget, len(initial.picks), progress))

        def after_a_round(picks: Picks) -> None:
            # Kept before it is shown: drawing can be interrupted too.
            if file is not None:
                file.keep(picks)
            show(picks)

        if engine is None:
            engine = problem.new_engine(problem.likely_rows)
        with single_threaded_blas():
            picks, coverage_radius = farthest_first(
                engine, budget, initial.picks, limits=limits, progress=after_a_round, sizes=sizes
            )
        if isinstance(engine, ClusterEngine):
            log.info("%s", str(engine))  # a record of the log must not keep the workers
        if file is not None:
            file.finish(picks, coverage_radius)
    return (picks, coverage_radius), None if problem.keeps_away else near_picks(engine, picks)


def near_picks(engine: Engine, picks: Picks) -> NearPicks | None:
    """Return a pick near every row, if the engine, to which only picks were added, knows them.

    If the vectors are on disk, only bounds on the distances are known.
    """
    if not isinstance(engine, MemoryEngine | MappedEngine):
        return None
    if isinstance(engine, MappedEngine):
        engine.keep_bounds()
    # Half of the memory: rounding must not make a bound too small.
    with np.errstate(over="ignore"):
        at_most = np.nextafter(engine.squared.astype(np.float32), np.float32(np.inf))
    near = engine.near if isinstance(engine, MemoryEngine) else None
    return NearPicks(picks.rows, near, at_most)
