"""Resume an earlier selection: its options, its data set, its rules and its picks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evenly.errors import BudgetError, ManifestError
from evenly.geometry import DistanceMatrix
from evenly.inputs.prepare import PreparedData, prepare
from evenly.options import InputOptions, NotKept, RuleOptions, TextColumns
from evenly.options.declaration import declared
from evenly.paths import expand
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import are_usable
from evenly.selection.results.base import Result
from evenly.selection.results.provenance import (
    OF_TEXTS,
    SPACE,
    Provenance,
    hash_of_array,
    id_column_of,
    provenance_of,
    vectors_hash,
)
from evenly.selection.results.run_key import RunKey
from evenly.selection.results.selection import SelectionData
from evenly.selection.rules.outliers import without_outliers
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.resolve import KEPT, describe_rule_options, resolve_rules


@dataclass(frozen=True, kw_only=True)
class Again:
    """The options that are given when a selection is resumed; the others are the earlier ones.

    Attributes:
        text, vectors, encoder, encoder_options: None for the earlier ones.
        engine, device, memory, cache_dir, progress: as in `select_uniform`.
        rules: rules that are given again; None in it for the earlier ones.
    """

    text: TextColumns = None
    vectors: Any = None
    encoder: Any = None
    encoder_options: Mapping[str, Any] | None = None
    engine: str = "auto"
    device: str = "auto"
    memory: str | float | None = None
    cache_dir: str | PathLike[str] | Literal[False] | None = None
    progress: bool | None = None
    rules: RuleOptions = RuleOptions()

    def __post_init__(self) -> None:
        # The values are checked as those of the options they become.
        InputOptions.of({**self.of_texts(), **self.circumstances()})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Again:
        """Make an instance of those values that are its options."""
        names = {one.name for one in fields(cls)}
        own = {name: value for name, value in values.items() if name in names}
        return cls(**own, rules=RuleOptions.of(values))

    def of_texts(self) -> dict[str, Any]:
        """Return the options that decide the vectors, as far as they are given."""
        names = ("text", "vectors", "encoder", "encoder_options")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}

    def circumstances(self) -> dict[str, Any]:
        """Return the options that do not change the answer."""
        names = ("engine", "device", "memory", "cache_dir", "progress")
        return {name: getattr(self, name) for name in names}


def options_of(earlier: Result, *, overruled: Collection[str]) -> dict[str, Any]:
    """Return the options of an earlier selection, as arguments.

    They do not include trust in a model's code: a file must not grant it.

    Raises:
        ManifestError: an option that is not overruled was a Python object, of which only the
            name is left, or a list, of which only a hash was kept.
    """
    options = dict(earlier.provenance.options)
    if _is_lost(options.get("include")) and isinstance(earlier, SelectionData):
        options["include"] = _included(earlier) or options["include"]
    lost = {
        name: _why_not_kept(name, value)
        for name, value in options.items()
        if name not in overruled and isinstance(value, NotKept)
    }
    if lost:
        raise ManifestError(
            f"the selection cannot be resumed as it is: {'; '.join(lost.values())}. Pass "
            f"{'it' if len(lost) == 1 else 'them'} again: "
            f"{', '.join(f'{name}=…' for name in lost)}"
        )
    if options.get("encoder_options"):
        kept = options["encoder_options"].items()
        options["encoder_options"] = {
            name: value for name, value in kept if name != "trust_remote_code"
        }
    return options


def _is_lost(rows: Any) -> bool:
    """Whether rows were not kept, or in a file that is gone."""
    return isinstance(rows, NotKept) or (isinstance(rows, str) and not Path(expand(rows)).exists())


def _included(earlier: SelectionData) -> SelectionData | None:
    """Return the rows that were included, which are the first that were chosen.

    Returns None if other rows are: refinement and choosing by quality reorder them.
    """
    told = earlier.provenance.rules.get("include")
    if not isinstance(told, Mapping) or not isinstance(told.get("rows"), int):
        return None
    rows = earlier.indices[: told["rows"]]
    if not len(rows) or hash_of_array(rows) != told.get("hash"):
        return None
    return replace(earlier, indices=rows, radii=earlier.radii[: len(rows)])


def _why_not_kept(name: str, value: NotKept) -> str:
    if value.is_object:
        return f"{name} was a Python object ({value})"
    return (
        f"{name} was too long to be kept, only its hash was ({value}; up to {KEPT} numbers or "
        "strings are kept)"
    )


def merge_options(earlier: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the earlier options, overruled by the arguments; encoder options one by one."""
    both = {**earlier, **arguments}
    if "encoder" not in arguments:
        own = arguments.get("encoder_options", {})
        both["encoder_options"] = {**(earlier.get("encoder_options") or {}), **own}
    return both


def prepare_again(
    earlier: SelectionData, data: Any, again: Again, rules: RuleOptions | None = None
) -> PreparedData:
    """Prepare the data set of an earlier selection as it was prepared then.

    `data` is what it was made from, if that is no longer available; else None. `rules` are
    checked before anything is embedded.

    Raises:
        ManifestError: the input has changed since, or an option was a Python object.
        OptionError: the input cannot be opened again, and `data` is None.
        DataError: `data` has another number of rows than the input had.
    """
    samples = earlier.samples_again(data).here()
    inputs = _earlier_inputs(earlier, again, has_vectors=samples.beside is not None)
    options = InputOptions.of({**inputs, **again.circumstances()})
    if earlier.provenance.options.get("engine") == "distances":
        options = replace(options, engine="distances")
    check = None if rules is None else partial(resolve_rules, options=rules)
    budget = None if rules is None else rules.budget
    prepared = prepare(samples, options, check=check, budget=budget)
    if data is None:
        return replace(prepared, path=earlier.provenance.input.path)
    return replace(prepared, path=fspath(data)) if isinstance(data, str | PathLike) else prepared


def _earlier_inputs(earlier: SelectionData, again: Again, *, has_vectors: bool) -> dict[str, Any]:
    """Return the options that decided the vectors, overruled by those that are given again.

    `has_vectors` is whether the records have their vectors still.
    """
    given = again.of_texts()
    unneeded = _unneeded(earlier, has_vectors=has_vectors)
    before = options_of(earlier, overruled={*given, *unneeded, *declared(RuleOptions)})
    options = {name: before[name] for name in SPACE if name in before and name not in unneeded}
    options |= id_column_of(earlier.provenance) | given
    if earlier.provenance.encoder is not None:
        # An encoder that is passed again is the same encoder: its options stay.
        own = given.get("encoder_options", {})
        options["encoder_options"] = {**(before.get("encoder_options") or {}), **own}
    return options


def _unneeded(earlier: SelectionData, *, has_vectors: bool) -> set[str]:
    """Return the options of the input that need not be known to prepare it again."""
    if earlier.provenance.encoder is not None:
        return set()
    if earlier.provenance.input.vectors is None:
        return {*OF_TEXTS, "vectors"}
    # Texts are only shown and counted.
    lost = {name for name in OF_TEXTS if isinstance(earlier.provenance.options.get(name), NotKept)}
    return lost | {"encoder", "encoder_options"} | ({"vectors"} if has_vectors else set())


def check_same_vectors(earlier: SelectionData, prepared: PreparedData) -> None:
    """Raise ManifestError if the data set has other vectors than the selection was made from."""
    before = RunKey.of(earlier.provenance)
    vectors = before.inputs["vectors"]
    if prepared.embeddings is not None:
        found = hash_of_array(prepared.embeddings.vectors)
    else:
        found = vectors_hash(prepared.samples)
        if found != vectors:
            # The same array has another content hash in a file than it had in memory.
            found = hash_of_array(prepared.points.stored)
    now = {**before.inputs, "vectors": found, "normalize": prepared.options.normalize}
    different = before.differs_from(RunKey(now, before.labels))
    if different is not None:
        raise _not_the_same(prepared, different)


@dataclass(frozen=True, eq=False)
class Resumed:
    """An earlier selection, resumed.

    Attributes:
        prepared: its data set.
        problem: its points and rules.
        options: the options of the new selection.
        provenance: the provenance of the new selection, which is not finished.
        picks: the earlier picks.
    """

    prepared: PreparedData
    problem: Problem
    options: dict[str, Any]
    provenance: Provenance
    picks: Picks


def resume(
    earlier: SelectionData, data: Any, again: Again, *, budget: int | float | None
) -> Resumed:
    """Resume an earlier selection with another budget; its data set and rules must be the same.

    `data` and `again` are as for `prepare_again`.

    Raises:
        ManifestError, OptionError: as in `Selection.extend`.
    """
    before = earlier.provenance.options
    if "coreset" in earlier.provenance.details:
        raise BudgetError(
            'rows chosen with method="coreset" cannot be continued: they are not the first of a '
            "larger selection. Select again."
        )
    rules = replace(_earlier_rules(earlier, again.rules), budget=budget)
    prepared = prepare_again(earlier, data, again, rules)
    engine = "distances" if isinstance(prepared.points, DistanceMatrix) else again.engine
    options = {
        "budget": budget,
        "start": before.get("start", int(earlier.indices[0])),
        "engine": engine,
        "memory": again.memory,
        "seed": before.get("seed", 0),
    }
    fraction = before.get("drop_outliers")
    if fraction is not None:
        options["drop_outliers"] = fraction
        prepared = without_outliers(prepared, fraction, rules)
    if before.get("max_outliers") is not None:
        # Another budget would leave out other rows; those of the selection stay left out.
        options["max_outliers"] = before["max_outliers"]
        dropped = earlier.provenance.dropped
        prepared = prepared.without(
            {row: why for row, why in dropped.items() if row not in prepared.dropped}
        )
    resolved = resolve_rules(prepared, rules)
    given = describe_rule_options(rules.given())
    provenance = provenance_of(prepared, {**options, **given}, resolved.describe())
    picks = Picks(np.array(earlier.indices), np.array(earlier.radii))
    _check_same_selection(earlier, provenance, prepared, picks)
    problem = Problem.of(prepared, resolved)
    return Resumed(prepared, problem, options, provenance, picks)


def _earlier_rules(earlier: SelectionData, given: RuleOptions) -> RuleOptions:
    """Return the rules that the selection was made by, overruled by those given again."""
    own = given.given()
    others = [name for name in earlier.provenance.options if name not in declared(RuleOptions)]
    kept = options_of(earlier, overruled={*own, *others})
    return RuleOptions.of({**kept, **own})


def _check_same_selection(
    earlier: SelectionData, provenance: Provenance, prepared: PreparedData, picks: Picks
) -> None:
    """Reject picks from other vectors: continuing them would not be the answer."""
    before, now = RunKey.of(earlier.provenance), RunKey.of(provenance)
    if prepared.embeddings is None and before.inputs != now.inputs:
        # The same array has another content hash in a file than it had in memory.
        now = now.on_vectors(hash_of_array(prepared.points.stored))
    different = before.differs_from(now)
    if different is None and not are_usable(picks, prepared.points.eligible):
        different = "rows that it chose cannot be chosen"
    if different is not None:
        raise _not_the_same(prepared, different)


def _not_the_same(prepared: PreparedData, different: str) -> ManifestError:
    return ManifestError(
        f"{prepared.samples.origin} is not what this selection was made from: {different}. "
        "Pass the same data and options, or select again."
    )
