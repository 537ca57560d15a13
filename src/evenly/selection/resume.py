"""Resume an earlier selection: its options, its data set and its rules."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Any

import numpy as np

from evenly.errors import ManifestError
from evenly.geometry import DistanceMatrix
from evenly.inputs.prepare import PreparedData, prepare
from evenly.memory import memory_bytes
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import are_usable
from evenly.selection.results.provenance import hash_of_array, provenance_of
from evenly.selection.results.run_key import RunKey
from evenly.selection.results.selection import Selection
from evenly.selection.rules.outliers import without_outliers
from evenly.selection.rules.resolve import KEPT, RULES, rule_options, rules_of
from evenly.selection.rules.rules import Rules

__all__ = [
    "Resumed",
    "check_same_vectors",
    "merge_options",
    "options_of",
    "prepare_again",
    "resume",
]


_OF_TEXTS = ("text", "roles", "encoder", "encoder_options")


_OF_THE_INTAKE = (*_OF_TEXTS, "normalize", "on_invalid")


def options_of(earlier: Selection, *, overruled: Collection[str]) -> dict[str, Any]:
    """The options of an earlier selection, as arguments.

    Trust in a model's code is not among them: a file must not grant it.

    Raises:
        ManifestError: one that is not overruled was a Python object, of which a name is left,
            or a list of which only a hash was kept.
    """
    options = dict(earlier.provenance["options"])
    opaque = {
        name: str(value)
        for name, value in options.items()
        if name not in overruled and str(value).startswith("<")
    }
    if opaque:
        raise ManifestError(
            "the selection cannot be taken up again as it is: "
            f"{'; '.join(_why_not_kept(name, told) for name, told in opaque.items())}. Pass "
            f"{'it' if len(opaque) == 1 else 'them'} again: "
            f"{', '.join(f'{name}=…' for name in opaque)}"
        )
    if options.get("encoder_options"):
        told = options["encoder_options"].items()
        trusted = "trust_remote_code"
        options["encoder_options"] = {name: value for name, value in told if name != trusted}
    return options


def _why_not_kept(name: str, told: str) -> str:
    if " values, sha256:" not in told:
        return f"{name} was a Python object ({told}) then"
    return (
        f"{name} was too long to be kept, only a hash of it was ({told}; up to {KEPT} numbers or "
        "strings are kept)"
    )


def merge_options(earlier: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The earlier options, overruled by the arguments, those of the encoder one by one."""
    both = {**earlier, **arguments}
    if "encoder" not in arguments:
        own = arguments.get("encoder_options", {})
        both["encoder_options"] = {**earlier.get("encoder_options", {}), **own}
    return both


def prepare_again(
    earlier: Selection,
    data: Any = None,
    *,
    engine: str = "auto",
    memory: float | None = None,
    device: str = "auto",
    progress: bool | None = None,
    **given: Any,
) -> PreparedData:
    """Take in the data set of an earlier selection again, as it was taken in then.

    Args:
        earlier: the selection.
        data: what it was made from, where that is no longer at hand.
        engine, memory, device, progress: as in `prepare`.
        given: other options of `prepare` that were given: what stands there overrules what
            the selection was made with.

    Raises:
        ManifestError: the input has changed since, or an option was a Python object.
        OptionError: the input cannot be opened again, and `data` is not passed.
        DataError: `data` has another number of rows than the input had.
    """
    if earlier.provenance["options"].get("engine") == "distances":
        engine = "distances"
    prepared = prepare(
        earlier.samples_again(data),
        **_intake_options(earlier, given),
        engine=engine,
        memory=memory,
        device=device,
        progress=progress,
    )
    if data is None:
        return replace(prepared, path=earlier.provenance["input"].get("path"))
    return replace(prepared, path=fspath(data)) if isinstance(data, str | PathLike) else prepared


def check_same_vectors(earlier: Selection, prepared: PreparedData) -> None:
    """Refuse a data set of which other vectors came than the selection was made from.

    Raises:
        ManifestError: they are others, or were normalised then and are not now.
    """
    before = RunKey.of(earlier.provenance)
    vectors, labels = before.inputs["vectors"], before.labels
    if prepared.embeddings is not None:
        found = hash_of_array(prepared.embeddings.vectors)
    else:
        found = prepared.samples.content_hash()
        if found != vectors:
            # The same array has another content hash in a file than it had in memory.
            found = hash_of_array(prepared.points.stored)
    normalized = {"vectors": vectors, "normalize": earlier.provenance["options"]["normalize"]}
    now = {"vectors": found, "normalize": prepared.options["normalize"]}
    different = RunKey(normalized, labels).differs_from(RunKey(now, labels))
    if different is not None:
        raise ManifestError(
            f"{prepared.samples.origin} is not what this selection was made from: {different}. "
            "Pass the same data and options, or select again."
        )


def _intake_options(earlier: Selection, given: dict[str, Any]) -> dict[str, Any]:
    """The options that the data set was taken in with, as far as they were of use."""
    unneeded = _OF_TEXTS if earlier.provenance["encoder"] is None else ()
    before = options_of(earlier, overruled={*given, *unneeded, *RULES})
    wanted = [name for name in _OF_THE_INTAKE if name in before and name not in unneeded]
    options = {**{name: before[name] for name in wanted}, **given}
    if not unneeded:
        # An encoder that is passed again is the same encoder: its options stay.
        own = given.get("encoder_options", {})
        options["encoder_options"] = {**(before.get("encoder_options") or {}), **own}
    return options


@dataclass(frozen=True, eq=False)
class Resumed:
    """An earlier selection taken up again.

    Attributes:
        prepared: its data set.
        rules: those it was made by.
        provenance: as of a selection that is made now.
    """

    prepared: PreparedData
    rules: Rules
    provenance: dict[str, Any]


def resume(
    earlier: Selection,
    data: Any = None,
    *,
    budget: int | float | None,
    engine: str,
    memory: str | float | None,
    device: str,
    progress: bool | None,
    **given: Any,
) -> Resumed:
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
    prepared = prepare_again(
        earlier,
        data,
        engine=engine,
        memory=memory_bytes(memory),
        device=device,
        progress=progress,
        **given,
    )
    before = earlier.provenance["options"]
    if isinstance(prepared.points, DistanceMatrix):
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
        prepared = without_outliers(prepared, fraction, **names, progress=progress)
    of_the_intake = {name: value for name, value in prepared.options.items() if value is not None}
    rules = rules_of(
        prepared, budget=budget, **rules_again, input_options={**of_the_intake, **given}
    )
    provenance = provenance_of(prepared, {**options, **rule_options(rules_again)}, rules.describe())
    _check_same_job(earlier, provenance, prepared)
    return Resumed(prepared, rules, provenance)


def _rules_again(earlier: Selection, given: dict[str, Any]) -> dict[str, Any]:
    """The rules that the selection was made by."""
    before = earlier.provenance["options"]
    others = [name for name in before if name not in RULES]
    kept = options_of(earlier, overruled={*given, *others})
    return {**{name: kept[name] for name in RULES if name in kept}, **given}


def _check_same_job(earlier: Selection, provenance: dict[str, Any], prepared: PreparedData) -> None:
    """Refuse picks that are not of these vectors: going on from them would be no answer."""
    before, now = RunKey.of(earlier.provenance), RunKey.of(provenance)
    if prepared.embeddings is None and before.inputs != now.inputs:
        # The same array has another content hash in a file than it had in memory.
        now = now.on_vectors(hash_of_array(prepared.points.stored))
    different = before.differs_from(now)
    picks = Picks(np.array(earlier.indices), np.array(earlier.radii))
    if different is None and are_usable(picks, prepared):
        return
    raise ManifestError(
        f"{prepared.samples.origin} is not what this selection was made from: "
        f"{different or 'rows that it chose cannot be chosen'}. Pass the same data and options, "
        "or select again."
    )
