"""`refine`: from rows that farthest-first chose to as many that are farther apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evenly.errors import OptionError
from evenly.options import whole_number
from evenly.selection.refine.climb import Climb, Clock, TimeIsUp
from evenly.selection.refine.min_degree import widest_packing
from evenly.selection.refine.proof import prove
from evenly.selection.refine.subproblem import graph_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Int

    from evenly.geometry import DistanceMatrix, Points
    from evenly.selection.greedy.picks import Picks
    from evenly.selection.rules.rules import Rules

__all__ = ["Ended", "Refine", "Refined", "refine"]

Method = Literal["search", "exact"]
Ended = Literal["search", "exact", "time", "interrupt"]

_METHODS = ("search", "exact")
# How much farther apart rows are hoped to be; where they are, more is hoped.
_HOPE = 0.06
# Of so few rows all pairs that can matter are found: greedy's h_min is half of the best.
_FEW = 2048
_TWICE = 2.0 * (1.0 + 1e-9)


@dataclass(frozen=True)
class Refine:
    """How a selection is refined: `select_uniform(..., refine=Refine(seconds=30))`.

    Attributes:
        seconds: the most it may take after farthest-first; None: it ends when several rounds of
            search in a row have found nothing, or a proof has taken its amount of work. That
            is the same answer on every machine; an end by time need not be.
        method: "search" for rows that are farther apart; "exact" for the largest h_min there is,
            and the proof that it is: of pools of a few hundred rows mostly, of larger ones
            sometimes. Whatever comes of it, the provenance says what is proven.
        seed: of the search.

    Raises:
        OptionError: an attribute is none of these.
    """

    seconds: float | None = None
    method: Method = "search"
    seed: int = 0

    def __post_init__(self) -> None:
        seconds: Any = self.seconds
        sound = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0
        if seconds is not None and not sound:
            raise OptionError(
                f"Refine(seconds=) is more than 0 seconds, or None for no limit; got {seconds!r}."
            )
        if self.method not in _METHODS:
            raise OptionError(
                f"Refine(method=) must be one of {', '.join(_METHODS)}, got {self.method!r}."
            )
        whole_number("Refine(seed=)", self.seed, least=0)


@dataclass(frozen=True, eq=False)
class Refined:
    """Rows that are farther apart, or those there were.

    Attributes:
        rows: (k,) row numbers or a few more, those to include first, the others ascending; None
            where none were found that are farther apart.
        upper_bound: no k rows that keep to the rules are farther apart than this, proven; None
            where nothing is.
        proven: whether no k rows are farther apart than these.
        ended: what ended it.
        looked_at: how many rows were looked at.
        seconds: what it took.
    """

    rows: Int[np.ndarray, " k"] | None
    upper_bound: float | None
    proven: bool
    ended: Ended
    looked_at: int
    seconds: float


def refine(
    points: Points | DistanceMatrix,
    rules: Rules,
    picks: Picks,
    wanted: Refine,
    *,
    memory: float | None = None,
    told: Callable[[str, float], object] = lambda *_: None,
) -> Refined:
    """Look for as many rows that are farther apart, under the same rules.

    A packing by minimum degree at the largest distance at which it has enough rows, found by
    bisection; then walks among packings, at distances a little larger than that of the best so
    far. A Ctrl-C or the end of the time ends it; what was found until then is the answer.

    Args:
        points: the pool, under the rules.
        rules: include, exclude, away_from are kept; so is `min_distance`, as rows only get
            farther apart; and of the quotas, how many rows of each kind there are.
        picks: by farthest-first, those to include first.
        wanted: for how long, and by which method.
        memory: bytes that may be taken beside the pool; None for about 1 GB.
        told: called with what is being done, and the smallest distance so far.

    Returns:
        Refined: never rows that are less far apart.

    Cost: m²/2·d multiplications to find the neighbours of m rows, all of the pool or those that
        matter; then mostly seconds; see `Subproblem` for memory. A proof: exponential at worst.

    Sources: the packing, Halldórsson and Radhakrishnan 1997, doi:10.1007/BF02523693; the
        bisection, Hochbaum and Shmoys 1985, doi:10.1287/moor.10.2.180; walks by exchanges of
        one for one, Jin and Hao 2015, doi:10.1016/j.engappai.2014.09.007, and Andrade, Resende
        and Werneck 2012, doi:10.1007/s10732-012-9196-4; the optimum as packings, Sayyady and
        Fathi 2016, doi:10.1016/j.ejor.2015.05.011.
    """
    clock = Clock(np.inf if wanted.seconds is None else wanted.seconds)
    bound = _known_best(points, rules, picks)
    if bound is not None:
        return Refined(None, bound, True, wanted.method, 0, clock.spent)
    search = _Search(points, rules, picks, wanted, memory, clock, told)
    ended: Ended
    try:
        search.run()
        ended = wanted.method
    except TimeIsUp:
        ended = "time"
    except KeyboardInterrupt:
        ended = "interrupt"
    return Refined(
        search.found, search.upper_bound, search.proven, ended, search.looked_at, clock.spent
    )


def _known_best(points: Points | DistanceMatrix, rules: Rules, picks: Picks) -> float | None:
    """The h_min of the picks, where it is plain that no rows are farther apart; else None."""
    fixed = len(rules.include)
    h_min = float(picks.radii.min())
    # How far apart those rows are that are in any case, and from what is kept away from.
    if len(picks) - fixed <= 1 or h_min >= picks.radii[:fixed].min(initial=np.inf):
        return h_min
    # Of distinct rows there are fewer, or no others are left.
    if rules.quotas is None and (h_min == 0.0 or len(picks) == np.count_nonzero(points.eligible)):
        return h_min
    return None


class _Search:
    """One refinement: what is best so far, and what is proven.

    Attributes:
        found: the rows to include and then those found, `target` of them or more; None while
            none are farther apart than the picks.
        upper_bound, proven, looked_at: as in `Refined`.
    """

    def __init__(
        self,
        points: Points | DistanceMatrix,
        rules: Rules,
        picks: Picks,
        wanted: Refine,
        memory: float | None,
        clock: Clock,
        told: Callable[[str, float], object],
    ) -> None:
        self._points, self._rules, self._picks = points, rules, picks
        self._wanted, self._memory, self._clock, self._told = wanted, memory, clock, told
        self._fixed = picks.rows[: len(rules.include)]
        self._target = len(picks) - len(self._fixed)
        self._distance = float(picks.radii.min())
        self.found: Int[np.ndarray, " k"] | None = None
        self.upper_bound: float | None = None
        self.proven = False
        self.looked_at = 0

    def run(self) -> None:
        """Search until nothing is found any more."""
        top = self._first_top()
        while True:
            self._told("looking for neighbours", self._distance)
            subproblem, graph = graph_of(
                self._points,
                self._rules,
                self._picks.rows if self.found is None else self.found,
                self._distance,
                top,
                memory=self._memory,
                check=self._clock.check,
            )
            self.looked_at = len(subproblem)
            if graph is None:
                return
            self._told("searching", self._distance)
            climb = Climb(
                graph, subproblem.constraints, self._target, subproblem.begun, self._distance**2
            )
            try:
                self._pack(climb, top)
                beyond = climb.rise(
                    seed=self._wanted.seed,
                    clock=self._clock,
                    told=lambda distance: self._told("searching", distance),
                )
                if not beyond and self._wanted.method == "exact" and subproblem.whole:
                    beyond = self._prove(climb)
            finally:
                if climb.chosen is not subproblem.begun:
                    self.found = np.concatenate([self._fixed, subproblem.rows[climb.chosen]])
                    self._distance = float(np.sqrt(climb.squared))
            if not beyond:
                return
            top = max(top, self._distance) * (1.0 + _HOPE)

    def _first_top(self) -> float:
        """The distance up to which neighbours are looked for at first."""
        if self._distance == 0.0:  # quotas: greedy had to take a row twice, and need not have
            return float(self._picks.radii[self._picks.radii > 0].min())
        few = np.count_nonzero(self._points.eligible) <= _FEW
        return self._distance * (_TWICE if few else 1.0 + _HOPE)

    def _pack(self, climb: Climb, top: float) -> None:
        """Begin with a packing, where one is better."""
        packing, _ = widest_packing(
            climb.graph,
            self._target,
            self._distance,
            top,
            seed=self._wanted.seed,
            constraints=climb.constraints,
        )
        if packing is not None:
            chosen = np.zeros(len(climb.graph), bool)
            chosen[packing] = True
            climb.take(chosen)

    def _prove(self, climb: Climb) -> bool:
        """Look for the best there is; whether that may be farther apart than the graph's reach."""

        def bounded(bound: float) -> None:
            self.upper_bound = min(bound, self.upper_bound or np.inf)

        enough = prove(climb, clock=self._clock, told=self._told, bounded=bounded)
        self.proven = self.upper_bound == float(np.sqrt(climb.squared))
        return not enough
