"""Upper bounds on h_min: distances at which no packing has enough rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.geometry.search.neighbour_graph import NeighbourGraph
from evenly.selection.refine.adjacency import Adjacency
from evenly.selection.refine.branch_and_bound import PackingSearch
from evenly.selection.refine.effort import Clock, SearchEffort
from evenly.selection.refine.incumbent import Incumbent
from evenly.selection.refine.reduction import adjacency_matrix, components, remove_dominated
from evenly.selection.refine.tabu import repair
from evenly.shapes import Bool, Float

if TYPE_CHECKING:
    from evenly.selection.greedy.progress import Report

# The neighbours in a component of more rows would be too large a matrix of bits.
_LARGEST_COMPONENT = 4096
# Steps from row to neighbour that the removal of dominated rows may take.
_REDUCTION_WORK = 400_000_000
# Words of bits to process between two checks of the clock.
_SLICE_WORK = 50_000_000
# By how much a bound exceeds the best h_min so far. Smaller gaps take exponentially more work.
_GAPS = (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0)


def prove(
    incumbent: Incumbent,
    *,
    clock: Clock,
    effort: SearchEffort,
    report: Report,
    report_bound: Callable[[float], object],
) -> bool:
    """Prove smaller and smaller upper bounds on h_min, down to the optimum.

    Args:
        incumbent: a packing that is good already; replaced by any better one that is found. When
            the time is up, the incumbent at that moment remains.
        report: called with the smallest distance so far, and the number of bounds tried.
        report_bound: called with each proven upper bound.

    Returns:
        Whether the graph reaches far enough; if not, one of larger reach is needed.
    """
    for tried, gap in enumerate(_GAPS):
        outcome = None
        while outcome is None or outcome.chosen is not None:
            best = float(np.sqrt(incumbent.squared))
            report("proving", best, "bounds", tried, len(_GAPS))
            reach = incumbent.next_reach(gap)
            if reach > incumbent.graph.reach:
                break
            outcome = find_packing(
                incumbent.graph,
                reach,
                incumbent.target,
                limits=incumbent.constraints.limits,
                initial=incumbent.chosen,
                work=effort.bound_work if gap > 0.0 else effort.optimum_work,
                check=clock.check,
            )
            if outcome.chosen is not None:
                incumbent.replace_by(outcome.chosen)
        if outcome is not None and outcome.impossible:
            report_bound(best if gap == 0.0 else float(np.sqrt(reach)))
    return incumbent.next_reach(0.0) <= incumbent.graph.reach


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a search for a packing of a given size at a given distance has found.

    Attributes:
        chosen: (m,) the rows of such a packing; None if none was found.
        impossible: whether it is proven that there is none.
    """

    chosen: Bool[np.ndarray, " m"] | None
    impossible: bool


def find_packing(
    graph: NeighbourGraph,
    reach: float,
    target: int,
    *,
    limits: Float[np.ndarray, " m"],
    initial: Bool[np.ndarray, " m"],
    work: float,
    check: Callable[[], object],
) -> Outcome:
    """Find `target` rows no two of which are nearer than `reach`, or prove that there are none.

    Dominated rows are removed first. The rest falls into connected components, each of which is
    searched for one row more than are known to fit, until none fits.

    Args:
        graph: of at least that reach. If it lacks rows of the pool, a proof holds only for the
            rows that it has.
        reach: a squared distance.
        limits: (m,) rows whose limit is below `reach` are excluded.
        initial: (m,) the rows to start from; some of those that are too near are removed.
        work: words of bits to process before giving up.
        check: called from time to time; an exception it raises ends the search.

    Cost: exponential at worst; usually low if components have at most a few hundred rows.
    """
    adjacency = Adjacency.at(graph, reach)
    present, chosen = limits >= reach, initial & (limits >= reach)
    repair(adjacency, chosen)
    remove_dominated(adjacency, present, chosen, _REDUCTION_WORK)
    size, spent, impossible = int(np.count_nonzero(chosen)), 0, True
    for part in components(adjacency, present):
        within = int(np.count_nonzero(chosen[part]))
        if len(part) > _LARGEST_COMPONENT:
            impossible = False
            continue
        near = adjacency_matrix(adjacency, part)
        while size < target:
            search = PackingSearch(near, within + 1)
            while not search.over and spent + search.work < work:
                check()
                search.advance(min(_SLICE_WORK, int(min(work - spent, 2**62))))
            spent += search.work
            if search.rows is None:
                impossible = impossible and search.over
                break
            chosen[part] = False
            chosen[part[search.rows]] = True
            size, within = size + 1, within + 1
    if size >= target:
        return Outcome(chosen, False)
    return Outcome(None, impossible)
