"""`Selection.extend`: more picks after those there are, to the answer of one long run."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from evenly.errors import BudgetError, ManifestError
from evenly.geometry import Metric
from evenly.intake import Intake, memory_bytes
from evenly.selection.again import options_of, take_in_again
from evenly.selection.budget import rows_of_budget
from evenly.selection.checkpoint import read_checkpoint
from evenly.selection.choose import are_usable, choose
from evenly.selection.farthest_first import Picks
from evenly.selection.job import Job
from evenly.selection.outliers import without_outliers
from evenly.selection.provenance import hash_of_array, provenance_of
from evenly.selection.resolve import RULES, rule_options, rules_of
from evenly.selection.rules import Rules
from evenly.selection.select import check_engine
from evenly.selection.selection import Selection

__all__ = ["TakenUp", "extend_and_keep", "take_up"]


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
) -> tuple[Selection, Intake]:
    """`Selection.extend`, and the data set as it was taken in.

    Args:
        earlier: the selection.
        to, data, engine, memory, device, checkpoint, progress: as in `Selection.extend`.
        given: other options of `take_in` that were given; see `take_in_again`.
    """
    _check_larger(earlier, to)
    check_engine(engine)
    if checkpoint is not None:
        read_checkpoint(checkpoint)
    again = take_up(
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
        again.intake,
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
    return selection, again.intake


@dataclass(frozen=True, eq=False)
class TakenUp:
    """An earlier selection taken up again.

    Attributes:
        intake: its data set.
        rules: those it was made by.
        provenance: as of a selection that is made now.
    """

    intake: Intake
    rules: Rules
    provenance: dict[str, Any]


def take_up(
    earlier: Selection,
    data: Any = None,
    *,
    budget: int | float | None,
    engine: str,
    memory: str | float | None,
    device: str,
    progress: bool | None,
    **given: Any,
) -> TakenUp:
    """Take an earlier selection up again: its data set and its rules, which must be the same.

    Args:
        earlier: the selection.
        budget: how many rows there are to be now.
        data, engine, memory, device, progress: as in `Selection.extend`.
        given: options that were given again, rules among them.

    Raises:
        ManifestError, OptionError: as in `Selection.extend`.
    """
    rules_again = _rules_again(earlier, {name: given.pop(name) for name in RULES if name in given})
    intake = take_in_again(
        earlier,
        data,
        engine=engine,
        memory=memory_bytes(memory),
        device=device,
        progress=progress,
        **given,
    )
    before = earlier.provenance["options"]
    if isinstance(intake.points, Metric):
        engine = "distances"
    options = {
        "budget": budget,
        "start": before.get("start", int(earlier.indices[0])),
        "engine": engine,
        "memory": memory,
        "seed": before.get("seed", 0),
    }
    fraction = before.get("drop_outliers")
    if fraction is not None:
        options["drop_outliers"] = fraction
        names = {name: rules_again.get(name) for name in ("include", "id_column")}
        intake = without_outliers(intake, fraction, **names, progress=progress)
    of_the_intake = {name: value for name, value in intake.options.items() if value is not None}
    rules = rules_of(
        intake, budget=budget, **rules_again, intake_options={**of_the_intake, **given}
    )
    provenance = provenance_of(intake, {**options, **rule_options(rules_again)}, rules.describe())
    _check_same_job(earlier, provenance, intake)
    return TakenUp(intake, rules, provenance)


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


def _rules_again(earlier: Selection, given: dict[str, Any]) -> dict[str, Any]:
    """The rules that the selection was made by."""
    before = earlier.provenance["options"]
    others = [name for name in before if name not in RULES]
    kept = options_of(earlier, overruled={*given, *others})
    return {**{name: kept[name] for name in RULES if name in kept}, **given}


def _check_same_job(earlier: Selection, provenance: dict[str, Any], intake: Intake) -> None:
    """Refuse picks that are not of these vectors: going on from them would be no answer."""
    before, now = Job.of(earlier.provenance), Job.of(provenance)
    if intake.embeddings is None and before.decides != now.decides:
        # The same array has another content hash in a file than it had in memory.
        now = now.on_vectors(hash_of_array(intake.points.stored))
    different = before.differs_from(now)
    picks = Picks(np.array(earlier.indices), np.array(earlier.radii))
    if different is None and are_usable(picks, intake):
        return
    raise ManifestError(
        f"{intake.samples.origin} is not what this selection was made from: "
        f"{different or 'rows that it chose cannot be chosen'}. Pass the same data and options, "
        "or select again."
    )
