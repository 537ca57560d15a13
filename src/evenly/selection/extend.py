"""`Selection.extend`: choose more rows after those of a selection."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from time import perf_counter
from typing import Any, TypeVar

from evenly.errors import BudgetError
from evenly.options import UniformOptions
from evenly.options.checks import shown
from evenly.selection.greedy.checkpoint import read_checkpoint
from evenly.selection.greedy.report import report_run
from evenly.selection.greedy.run import Beginning, run_greedy
from evenly.selection.results.run_key import RunKey
from evenly.selection.results.selection import SelectionData
from evenly.selection.resume import Again, Resumed, resume
from evenly.selection.rules.budget import rows_of_budget
from evenly.tables import count

S = TypeVar("S", bound=SelectionData)


def resume_to_extend(
    earlier: SelectionData,
    to: int | float,
    data: Any,
    again: Again,
    *,
    checkpoint: str | PathLike[str] | None = None,
) -> Resumed:
    """Resume a selection with a larger budget; everything is checked before the data are read."""
    UniformOptions(checkpoint=checkpoint)  # checks it
    _check_larger(earlier, to)
    if checkpoint is not None:
        read_checkpoint(checkpoint)
    return resume(earlier, data, again, budget=to)


def extend_resumed(
    earlier: S, resumed: Resumed, *, checkpoint: str | PathLike[str] | None = None
) -> S:
    """Choose more rows after those of a selection that was resumed."""
    began = perf_counter()
    beginning = Beginning(
        start=resumed.options["start"],
        seed=resumed.options["seed"],
        picks=resumed.picks,
        checkpoint=checkpoint,
        key=RunKey.of(resumed.provenance),
    )
    prepared = resumed.prepared
    answer = run_greedy(resumed.problem, beginning, progress=prepared.options.progress)
    report_run(prepared, resumed.problem, answer)
    seconds = prepared.seconds | {"selection": perf_counter() - began}
    return replace(
        earlier,
        indices=answer.picks.rows,
        radii=answer.picks.radii,
        coverage_radius=answer.coverage_radius,
        provenance=resumed.provenance.finished(
            seconds, answer.taken_over, resumed.problem.rules.outcome(answer.picks.rows)
        ),
        samples=prepared.samples,
    )


def _check_larger(earlier: SelectionData, to: Any) -> None:
    """Reject a budget that is not larger, and selections that cannot be extended."""
    provenance = earlier.provenance
    if provenance.by_quality is not None:
        raise BudgetError(
            "rows chosen by quality cannot be extended: another budget has another distance. "
            "Choose again: select_by_quality(data, budget, …)"
        )
    if provenance.filled is not None:
        raise BudgetError("a filled selection cannot be extended: no more rows fit in.")
    if provenance.refined is not None:
        raise BudgetError(
            "a refined selection cannot be extended: for another budget, other rows are the best. "
            "Choose again: select_uniform(data, budget, refine=…); or, for as many more rows as "
            "fit at this h_min, fill()."
        )
    rows = rows_of_budget(to, provenance.input.rows - len(provenance.dropped))
    if rows <= len(earlier):
        raise BudgetError(
            f"this selection has {count(len(earlier), 'row')}, and a budget of {shown(to)} means "
            f"{rows}. Extending makes it larger; a smaller one is prefix({rows}), at no cost."
        )
