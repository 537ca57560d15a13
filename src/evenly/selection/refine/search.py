"""Refine a selection: find as many rows that are farther apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from evenly.geometry import reach_of
from evenly.options import checks, whole_number
from evenly.selection.refine.effort import Clock, SearchEffort, TimeIsUp
from evenly.selection.refine.incumbent import Incumbent, RoundState
from evenly.selection.refine.min_degree import max_radius_by_degree
from evenly.selection.refine.proof import prove
from evenly.selection.refine.state import Keep, SearchState, WrongStateError
from evenly.selection.refine.subproblem import SearchSpace, Subproblem
from evenly.shapes import Bool, Int

if TYPE_CHECKING:
    from evenly.geometry import DistanceMatrix, Points
    from evenly.geometry.search.neighbour_graph import NeighbourGraph
    from evenly.selection.greedy.picks import Picks
    from evenly.selection.greedy.progress import Report
    from evenly.selection.rules.rules import Rules

Method = Literal["search", "exact"]
Ended = Literal["search", "exact", "time", "interrupt"]
_METHODS = ("search", "exact")
# By what fraction h_min is expected to grow; neighbours are found up to that distance. If there are
# many, a search looks less far: a few percent more would give several times as many.
_GAIN = 0.06
_LEAST_GAIN = 0.02
# A share of neighbours up to the second that is as low as in embeddings.
_STEEP = 0.5
# The optimum is at most twice the h_min of farthest-first.
_TWICE = 2.0 * (1.0 + 1e-9)


@dataclass(frozen=True)
class Refine:
    """How to refine a selection: `select_uniform(..., refine=Refine(seconds=30))`.

    Attributes:
        seconds: time limit after farthest-first. None: the search ends after several rounds
            without a success, and a proof after a fixed amount of work, so that the result is
            the same on every machine. With a limit it may not be.
        method: "search" for rows that are farther apart; "exact" for the largest h_min possible,
            with a proof: usually within reach for pools of a few hundred rows, sometimes for
            larger ones. The provenance records what was proven.
        seed: of the search.
        effort: the amounts of work; a class attribute, so that no selection records it.

    Raises:
        OptionError: an attribute has an invalid value.
    """

    seconds: float | None = None
    method: Method = "search"
    seed: int = 0
    effort: ClassVar[SearchEffort] = SearchEffort()

    def __post_init__(self) -> None:
        if self.seconds is not None:
            checks.number("a number of more than 0, or None for no limit", above=0.0)(
                "Refine(seconds=)", self.seconds
            )
        checks.choice(*_METHODS)("Refine(method=)", self.method)
        whole_number("Refine(seed=)", self.seed, least=0)


@dataclass(frozen=True, eq=False)
class Refined:
    """The result of a refinement.

    Attributes:
        rows: (k,) or slightly more row numbers, those to include first, the others ascending;
            None if no rows that are farther apart were found.
        upper_bound: a proven upper bound on the h_min of k rows under the rules; None if there
            is no proof.
        proven: whether the h_min is proven to be optimal.
        ended: what ended the search.
        looked_at: how many rows were searched.
        seconds: the time taken.
        searched: the rows that were searched last, and their neighbours; None if none were.
    """

    rows: Int[np.ndarray, " k"] | None
    upper_bound: float | None
    proven: bool
    ended: Ended
    looked_at: int
    seconds: float
    searched: tuple[Subproblem, NeighbourGraph] | None = None


def refine(
    points: Points | DistanceMatrix,
    rules: Rules,
    picks: Picks,
    options: Refine,
    *,
    memory: float | None = None,
    report: Report = lambda *_: None,
    resume: SearchState | None = None,
    keep: Keep = lambda _: None,
) -> Refined:
    """Search for as many rows that are farther apart, under the same rules.

    It packs by minimum degree at the largest distance, found by bisection, that leaves enough
    rows; then it runs tabu searches at distances slightly above the best so far. Ctrl-C and the
    time limit end the search, and the best rows so far are the result.

    Args:
        points: the pool, under the rules.
        rules: include, exclude and away_from are kept; so is `min_distance`, as rows only move
            apart; of quotas, the number of rows chosen from each stratum is kept.
        picks: of farthest-first, those to include first.
        options: time limit, method and seed.
        memory: bytes that may be used in addition to the pool; None for about 1 GB.
        report: called with the current step, the smallest distance so far, and how far the step is.
        resume: a state of the same refinement to continue from.
        keep: called with the state before each round.

    Returns:
        Refined: never rows that are less far apart than the picks.

    Cost: m²/2·d multiplications to find the neighbours of m rows, either all of the pool or the
        relevant ones (see `SearchSpace`); then usually seconds. A proof is exponential at worst.

    Sources: the packing, Halldórsson and Radhakrishnan 1997, doi:10.1007/BF02523693; the
        bisection, Hochbaum and Shmoys 1985, doi:10.1287/moor.10.2.180; the swaps, Jin and Hao
        2015, doi:10.1016/j.engappai.2014.09.007, and Andrade, Resende and Werneck 2012,
        doi:10.1007/s10732-012-9196-4; the optimum by packings, Sayyady and Fathi 2016,
        doi:10.1016/j.ejor.2015.05.011.
    """
    clock = Clock(options.seconds, 0.0 if resume is None else resume.seconds)
    optimum = _obvious_optimum(points, rules, picks)
    if optimum is not None:
        return Refined(None, optimum, True, options.method, 0, clock.spent)
    space = SearchSpace(points, rules, memory, options.effort, clock.check, picks.rows)
    search = _Search(space, picks, options, clock, report, keep)
    ended: Ended
    try:
        search.run(resume)
        ended = options.method
    except TimeIsUp:
        ended = "time"
    except KeyboardInterrupt:
        ended = "interrupt"
    return Refined(
        search.found,
        search.upper_bound,
        search.proven,
        ended,
        search.looked_at,
        clock.spent,
        search.searched,
    )


def _obvious_optimum(points: Points | DistanceMatrix, rules: Rules, picks: Picks) -> float | None:
    """Return the h_min of the picks if it is optimal for an obvious reason; None otherwise."""
    fixed = len(rules.include)
    h_min = float(picks.radii.min())
    # A single row is chosen, or rows to include are the nearest.
    if len(picks) - fixed <= 1 or h_min >= picks.radii[:fixed].min(initial=np.inf):
        return h_min
    # There are fewer distinct rows, or all rows are chosen.
    if rules.quotas is None and (h_min == 0.0 or len(picks) == np.count_nonzero(points.eligible)):
        return h_min
    return None


class _Search:
    """One refinement: the best rows so far, and what is proven.

    Attributes:
        found: the rows to include, followed by those found; None until some are farther apart
            than the picks.
        upper_bound, proven, looked_at, searched: as in `Refined`.
    """

    def __init__(
        self,
        space: SearchSpace,
        picks: Picks,
        options: Refine,
        clock: Clock,
        report: Report,
        keep: Keep,
    ) -> None:
        self._keep = keep
        self._space, self._picks, self._options = space, picks, options
        self._clock, self._report = clock, report
        self._fixed = picks.rows[: len(space.rules.include)]
        self._target = len(picks) - len(self._fixed)
        self._distance = float(picks.radii.min())
        self._least_gain = _GAIN
        self._max_pairs = options.effort.max_pairs
        self.found: Int[np.ndarray, " k"] | None = None
        self.upper_bound: float | None = None
        self.proven = False
        self.looked_at = 0
        self.searched: tuple[Subproblem, NeighbourGraph] | None = None

    def run(self, resume: SearchState | None = None) -> None:
        """Search until there is no further success, from a state on if there is one.

        Raises:
            WrongStateError: the state is not one of this search.
        """
        top = self._first_top()
        if resume is not None:
            top, self._distance = resume.top, resume.distance
            if not np.array_equal(resume.base, self._picks.rows):
                self.found = resume.base
                fixed = resume.base[: len(self._fixed)]
                if not np.array_equal(fixed, self._fixed) or len(resume.base) < len(self._picks):
                    raise WrongStateError("its refinement has other rows")
        while True:
            self._report("counting neighbours", self._distance)
            base = self._picks.rows if self.found is None else self.found
            distance = self._distance
            self.searched = None  # its memory is needed
            subproblem, graph = self._space.graph_around(
                base, distance, top, self._max_pairs, self._show
            )
            self.looked_at = len(subproblem)
            if graph is None:
                return
            self.searched = subproblem, graph
            initial = subproblem.initial
            incumbent = Incumbent(graph, subproblem.constraints, self._target, initial)

            keep = partial(self._keep_rounds, base, distance, top, subproblem, graph)
            try:
                rounds = None
                if resume is None:
                    beyond = self._pack(incumbent, top)
                else:
                    rounds, beyond = _restored(incumbent, subproblem, resume), False
                    resume = None
                beyond = beyond or incumbent.improve(
                    seed=self._options.seed,
                    clock=self._clock,
                    effort=self._options.effort,
                    report=self._report,
                    resume=rounds,
                    keep=keep,
                )
                if not beyond and self._options.method == "exact" and subproblem.whole:
                    beyond = self._prove(incumbent)
            finally:
                if incumbent.chosen is not initial:
                    self.found = np.concatenate([self._fixed, subproblem.rows[incumbent.chosen]])
                    self._distance = float(np.sqrt(incumbent.squared))
            if not beyond:
                return
            top = max(top, self._distance) * (1.0 + self._further_gain())

    def _keep_rounds(
        self,
        base: Int[np.ndarray, " k"],
        distance: float,
        top: float,
        subproblem: Subproblem,
        graph: NeighbourGraph,
        rounds: RoundState,
    ) -> None:
        """Keep a state of the search among the neighbours of the rows in `base`."""
        state = SearchState(base, distance, top, tuple(graph.divided), rounds, self._clock.spent)
        self._keep(_of_all_rows(state, subproblem, len(self._space.points)))

    def _first_top(self) -> float:
        """Return the distance up to which neighbours are found at first."""
        if self._distance == 0.0:  # quotas made farthest-first take a copy of an earlier pick
            return float(self._picks.radii[self._picks.radii > 0].min())
        effort = self._options.effort
        if np.count_nonzero(self._space.points.eligible) <= effort.all_pairs_rows:
            return self._distance * _TWICE
        top, nearer = (self._distance * (1.0 + gain) for gain in (_GAIN, _LEAST_GAIN))
        if self._options.method == "exact":  # upper bounds are proven from wide to narrow
            return top
        pairs = self._space.pairs_within(top)
        if pairs <= effort.max_pairs:
            return top
        self._least_gain = _LEAST_GAIN
        # So many pairs leave about as many rows to search.
        share = self._space.pairs_within(nearer) / pairs
        self._max_pairs *= share
        if self._target <= effort.few_rows and share < _STEEP:
            self._max_pairs = min(self._max_pairs, effort.few_pairs)
        return nearer

    def _further_gain(self) -> float:
        """Return by what fraction h_min is expected to grow once more: by as much as so far."""
        first = float(self._picks.radii.min())
        gained = min(self._distance / first - 1.0, 1.0) if first > 0.0 else 0.0
        return max(gained, self._least_gain)

    def _show(self, step: str, unit: str, done: int, total: int) -> None:
        """Report a step that does not change the smallest distance."""
        self._report(step, None, unit, done, total)

    def _pack(self, incumbent: Incumbent, top: float) -> bool:
        """Start from a packing by minimum degree if it is better; return if none has failed."""
        packing, failed = max_radius_by_degree(
            incumbent.graph,
            self._target,
            self._distance,
            top,
            seed=self._options.seed,
            constraints=incumbent.constraints,
            progress=partial(self._show, "packing", "distances"),
        )
        if packing is not None:
            chosen = np.zeros(len(incumbent.graph), bool)
            chosen[packing] = True
            incumbent.replace_by(chosen)
        return failed == np.inf

    def _prove(self, incumbent: Incumbent) -> bool:
        """Search for the optimum; return whether it may exceed the reach of the graph."""

        def keep(bound: float) -> None:
            self.upper_bound = min(bound, self.upper_bound or np.inf)

        reaches = prove(
            incumbent,
            clock=self._clock,
            effort=self._options.effort,
            report=self._report,
            report_bound=keep,
        )
        self.proven = self.upper_bound == float(np.sqrt(incumbent.squared))
        return not reaches


def _of_all_rows(state: SearchState, subproblem: Subproblem, count: int) -> SearchState:
    """Return a state with masks of all rows of the pool instead of those that are searched."""

    def spread(mask: Bool[np.ndarray, " m"]) -> Bool[np.ndarray, " n"]:
        whole = np.zeros(count, bool)
        whole[subproblem.rows[mask]] = True
        return whole

    searches = tuple(
        replace(one, chosen=spread(one.chosen), tabu=subproblem.rows[one.tabu])
        for one in state.rounds.searches
    )
    rounds = replace(state.rounds, chosen=spread(state.rounds.chosen), searches=searches)
    return replace(state, rounds=rounds)


def _restored(incumbent: Incumbent, subproblem: Subproblem, state: SearchState) -> RoundState:
    """Bring the graph and the incumbent to a state, whose rows are checked; return its rounds.

    Raises:
        WrongStateError: the state is not one of this search.
    """
    rows, graph, constraints = subproblem.rows, incumbent.graph, incumbent.constraints
    best = state.rounds.chosen[rows]
    searches = []
    for one in state.rounds.searches:
        tabu = np.searchsorted(rows, one.tabu)
        if not np.isin(one.tabu, rows).all():
            raise WrongStateError("its refinement has rows that are not searched")
        searches.append(replace(one, chosen=one.chosen[rows], tabu=tabu))
    counts = np.bincount(constraints.strata[best], minlength=len(constraints.most))
    if (
        np.count_nonzero(best) < incumbent.target
        or np.count_nonzero(best) != np.count_nonzero(state.rounds.chosen)
        or (counts > constraints.most).any()
        or np.count_nonzero(subproblem.initial) < incumbent.target
        or not incumbent.squared_h_min(subproblem.initial) >= reach_of(state.distance)
    ):
        raise WrongStateError("its refinement has rows that the rules exclude")
    for reach in state.divided:
        if not 0.0 <= reach <= graph.reach:
            raise WrongStateError("its refinement has another graph")
        graph.ends(reach)
    if not np.array_equal(best, subproblem.initial):
        squared = incumbent.squared_h_min(best)
        if not squared >= incumbent.squared:
            raise WrongStateError("its refinement has rows that are too near to each other")
        incumbent.chosen, incumbent.squared = best, squared
    return replace(state.rounds, chosen=best, searches=tuple(searches))
