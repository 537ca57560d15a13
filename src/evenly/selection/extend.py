"""`Selection.extend`: more picks after those there are, to the answer of one long run."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike, fspath
from typing import Any

import numpy as np

from evenly.errors import BudgetError, ManifestError
from evenly.intake import Intake, memory_bytes, take_in
from evenly.selection.again import options_of
from evenly.selection.budget import rows_of_budget
from evenly.selection.checkpoint import read_checkpoint
from evenly.selection.choose import are_usable, choose
from evenly.selection.farthest_first import Picks
from evenly.selection.job import Job
from evenly.selection.provenance import hash_of_array, provenance_of
from evenly.selection.select import check_engine
from evenly.selection.selection import Selection

__all__ = ["extend_and_keep"]

_OF_TEXTS = ("text", "roles", "encoder", "encoder_options")
_OF_THE_INTAKE = (*_OF_TEXTS, "normalize", "on_invalid")


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
        given: other options of `take_in` that were given: what stands there overrules what
            the selection was made with.
    """
    rows = _check_larger(earlier, to)
    check_engine(engine)
    if checkpoint is not None:
        read_checkpoint(checkpoint)
    samples = earlier.samples_again(data)
    options = _intake_options(earlier, given)
    allowed = memory_bytes(memory)
    intake = take_in(
        samples, **options, engine=engine, memory=allowed, device=device, progress=progress
    )
    if data is None:
        intake = replace(intake, path=earlier.provenance["input"].get("path"))
    elif isinstance(data, str | PathLike):
        intake = replace(intake, path=fspath(data))
    before = earlier.provenance["options"]
    start, seed = before.get("start", int(earlier.indices[0])), before.get("seed", 0)
    options = {"budget": to, "start": start, "engine": engine, "memory": memory, "seed": seed}
    provenance = provenance_of(intake, options)
    begun = Picks(np.array(earlier.indices), np.array(earlier.radii))
    _check_same_job(earlier, provenance, intake, begun)
    selection = choose(
        intake,
        rows,
        provenance,
        start=start,
        engine=engine,
        seed=seed,
        memory=allowed,
        device=device,
        begun=begun,
        checkpoint=checkpoint,
        progress=progress,
    )
    return selection, intake


def _check_larger(earlier: Selection, to: Any) -> int:
    """How many rows there will be, known before the data are read."""
    usable = earlier.provenance["input"]["rows"] - len(earlier.provenance["dropped"])
    rows = rows_of_budget(to, usable)
    if rows <= len(earlier):
        raise BudgetError(
            f"this selection has {len(earlier)} rows, and to={to!r} asks for {rows}. Extending "
            f"makes it larger; a smaller one is prefix({rows}), without any new work."
        )
    return rows


def _intake_options(earlier: Selection, given: dict[str, Any]) -> dict[str, Any]:
    """The options that the data set was taken in with, as far as they were of use."""
    unneeded = _OF_TEXTS if earlier.provenance["encoder"] is None else ()
    before = options_of(earlier, overruled={*given, *unneeded})
    wanted = [name for name in _OF_THE_INTAKE if name in before and name not in unneeded]
    options = {**{name: before[name] for name in wanted}, **given}
    if not unneeded:
        # An encoder that is passed again is the same encoder: its options stay.
        own = given.get("encoder_options", {})
        options["encoder_options"] = {**(before.get("encoder_options") or {}), **own}
    return options


def _check_same_job(
    earlier: Selection, provenance: dict[str, Any], intake: Intake, begun: Picks
) -> None:
    """Refuse picks that are not of these vectors: going on from them would be no answer."""
    before, now = Job.of(earlier.provenance), Job.of(provenance)
    if intake.embeddings is None and before.decides != now.decides:
        # The same array has another content hash in a file than it had in memory.
        now = now.on_vectors(hash_of_array(intake.points.stored))
    different = before.differs_from(now)
    if different is None and are_usable(begun, intake):
        return
    raise ManifestError(
        f"{intake.samples.origin} is not what this selection was made from: "
        f"{different or 'rows that it chose cannot be chosen'}. Pass the same data and options, "
        "or select again."
    )
