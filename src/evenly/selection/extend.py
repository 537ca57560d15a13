"""`Selection.extend`: more picks after those there are, to the answer of one long run."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from evenly.engines.registry import check_engine
from evenly.errors import BudgetError
from evenly.inputs.prepare import PreparedData
from evenly.memory import memory_bytes
from evenly.selection.greedy.checkpoint import read_checkpoint
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import choose
from evenly.selection.results.selection import Selection
from evenly.selection.resume import resume
from evenly.selection.rules.budget import rows_of_budget

__all__ = ["extend_and_keep"]


def extend_and_keep(
    earlier: Selection,
    to: int | float,
    data: Any = None,
    *,
    engine: str = "auto",
    memory: str | float | None = None,
    device: str = "auto",
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
    **given: Any,
) -> tuple[Selection, PreparedData]:
    """`Selection.extend`, and the data set as it was taken in.

    Args:
        earlier: the selection.
        to, data, engine, memory, device, checkpoint, progress: as in `Selection.extend`.
        given: other options of `prepare` that were given; see `prepare_again`.
    """
    _check_larger(earlier, to)
    check_engine(engine)
    if checkpoint is not None:
        read_checkpoint(checkpoint)
    again = resume(
        earlier,
        data,
        budget=to,
        engine=engine,
        memory=memory,
        device=device,
        progress=progress,
        **given,
    )
    options = again.provenance["options"]
    selection = choose(
        again.prepared,
        again.rules,
        lambda: again.provenance,
        start=options["start"],
        engine=options["engine"],
        seed=options["seed"],
        memory=memory_bytes(memory),
        device=device,
        begun=Picks(np.array(earlier.indices), np.array(earlier.radii)),
        checkpoint=checkpoint,
        progress=progress,
    )
    return selection, again.prepared


def _check_larger(earlier: Selection, to: Any) -> None:
    """Refuse a budget that is not larger, before the data are read."""
    if "by_quality" in earlier.provenance:
        raise BudgetError(
            "rows chosen by quality cannot be extended: another budget has another distance. "
            "Choose again: select_by_quality(data, budget, …)"
        )
    if "filled" in earlier.provenance:
        raise BudgetError("a selection that was filled cannot be extended: nothing more fits in.")
    if "refined" in earlier.provenance:
        raise BudgetError(
            "a refined selection cannot be extended: of another budget other rows are the best. "
            "Choose again: select_uniform(data, budget, refine=…); or, for as many more rows as "
            "fit at this h_min, fill()."
        )
    usable = earlier.provenance["input"]["rows"] - len(earlier.provenance["dropped"])
    rows = rows_of_budget(to, usable)
    if rows <= len(earlier):
        raise BudgetError(
            f"this selection has {len(earlier)} rows, and to={to!r} asks for {rows}. Extending "
            f"makes it larger; a smaller one is prefix({rows}), without any new work."
        )
