"""The space in which subsets are measured: by default that of the selections among them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evenly.distributed.prepare import (
    OnWorkers,
    check_options,
    open_on_workers,
    prepare,
    stay_on_workers,
)
from evenly.distributed.references import check_cluster, is_in_ray
from evenly.errors import ManifestError, RowError
from evenly.inputs.prepare import PreparedData
from evenly.memory import memory_bytes
from evenly.metrics.row_numbers import row_numbers
from evenly.metrics.subset_files import open_subset, rows_of_records
from evenly.options import InputOptions, as_json_value, in_words
from evenly.options.declaration import declared
from evenly.samples import Samples, VectorsBeside, open_samples
from evenly.selection.results.base import Result
from evenly.selection.results.provenance import (
    OF_TEXTS,
    SPACE,
    Provenance,
    id_column_of,
)
from evenly.selection.results.run_key import with_hash
from evenly.selection.resume import merge_options, options_of
from evenly.selection.rules.row_names import RowNames
from evenly.shapes import Int
from evenly.tables import count

log = logging.getLogger("evenly")


@dataclass(frozen=True, eq=False)
class Subsets:
    """Subsets of one data set, ready to be measured.

    Attributes:
        prepared: the data set.
        rows: name -> the row numbers of each subset.
        rules: name -> the rules that a result was made under; () for other subsets.
    """

    prepared: PreparedData
    rows: dict[str, Int[np.ndarray, " k"]]
    rules: dict[str, tuple[str, ...]]


def prepare_subsets(data: Any, subsets: Mapping[Any, Any], options: Mapping[str, Any]) -> Subsets:
    """Prepare a data set and check the rows of subsets to measure, first before embedding.

    Args:
        data: the data set.
        subsets: name -> row numbers, or ids if a column of ids is given; a result that has row
            numbers: a `Selection`, a `Deduplication` or a `StreamSelection`; or the path of a
            file of these, or of records of the data. Messages leave out a name of "".
        options: those of the input that were given, which decide; None for the others: then
            those of the results count, which must agree, or else the defaults. The least
            `memory=` of a result holds for measuring it, too.

    Raises:
        ManifestError: results differ in an option, or one was made from other data.
        RowError: as in `row_numbers`, or a record is not in the data; the message names the
            subset.
        DataError: the file of a subset cannot be read.
        OptionError: the data are in a Ray cluster of which this process is no part.
    """
    on_workers = _opened_on_workers(data, subsets, options)
    samples = open_samples(data) if on_workers is None else on_workers.samples
    id_column = options.get("id_column")
    opened = {
        str(name): open_subset(one, samples, by_id=id_column is not None)
        for name, one in subsets.items()
    }

    def rows_of(prepared: PreparedData) -> dict[str, Int[np.ndarray, " k"]]:
        return {name: _rows_of(prepared, name, one, id_column) for name, one in opened.items()}

    if on_workers is None:
        samples = _with_vectors(samples, opened, options)
    inputs = _inputs_of(samples, opened, options)
    if on_workers is None:
        inputs = replace(inputs, cluster=None)  # what is in memory is measured here
    prepared = prepare(on_workers or samples, inputs, check=rows_of)
    for name, rows in opened.items():
        if isinstance(rows, Result) and (different := _differences(rows.provenance, prepared)):
            log.warning(
                "%s is measured in another space than its own: %s",
                name or f"the {rows.noun}",
                "; ".join(different),
            )
    rules = {
        name: tuple(rows.provenance.rules) if isinstance(rows, Result) else ()
        for name, rows in opened.items()
    }
    return Subsets(prepared, rows_of(prepared), rules)


def _opened_on_workers(
    data: Any, subsets: Mapping[Any, Any], options: Mapping[str, Any]
) -> OnWorkers | None:
    """Return the data as workers of a cluster have opened them; None if they are read here."""
    if "cluster" in options:
        check_cluster(data, options["cluster"])
    given = InputOptions.of({name: one for name, one in options.items() if one is not None})
    if given.cluster is None or not stay_on_workers(data, given):
        return None
    check_options(given)
    if _vectors_of(subsets, options) and not is_in_ray(data):
        return None
    return open_on_workers(data, given.cluster)


def _with_vectors(
    samples: Samples, subsets: Mapping[Any, Any], options: Mapping[str, Any]
) -> Samples:
    """Return records with the vectors of a result that still has them, if no others are given."""
    for beside in _vectors_of(subsets, options):
        if len(beside.rows) == len(samples) and samples.holds_records:
            return samples.with_vectors(beside)
    return samples


def _vectors_of(subsets: Mapping[Any, Any], options: Mapping[str, Any]) -> list[VectorsBeside]:
    """Return the vectors that results still have, if no others are given."""
    if options.get("vectors") is not None or options.get("encoder") is not None:
        return []
    kept = [one.samples for one in subsets.values() if isinstance(one, Result)]
    return [one.beside for one in kept if one is not None and one.beside is not None]


def _rows_of(
    prepared: PreparedData, name: str, given: Any, id_column: Any
) -> Int[np.ndarray, " k"]:
    def found() -> Any:
        if isinstance(given, Samples):
            column = id_column if isinstance(id_column, str) else None
            return rows_of_records(prepared, given, column)
        if id_column is not None and _are_ids(given):
            return RowNames(prepared, id_column).rows("the subset", given)
        return given

    try:
        return row_numbers(prepared, prepared.remember(f"subset {name}", found))
    except RowError as error:
        if name == "":
            raise
        raise RowError(f"subset {name!r}: {error}") from None


def _are_ids(given: Any) -> bool:
    """Whether a value is several strings; numbers are row numbers."""
    if (
        isinstance(given, Result)
        or not isinstance(given, Iterable)
        or getattr(given, "ndim", 1) != 1
    ):
        return False
    return all(isinstance(one, str) for one in given)


def _inputs_of(
    samples: Samples, subsets: Mapping[Any, Any], options: Mapping[str, Any]
) -> InputOptions:
    given = {
        name: options[name]
        for name in declared(InputOptions)
        if name in options and options[name] is not None
    }
    found: dict[str, Any] | None = None
    source: Any = None
    for name, rows in subsets.items():
        if not isinstance(rows, Result):
            continue
        own = _space_of(rows, samples, given)
        if found is None:
            found, source = own, name
        for option in {**found, **own}:
            one, other = found.get(option), own.get(option)
            if one is not other and one != other:
                raise ManifestError(
                    f"{source} and {name} are of different spaces: {option} is "
                    f"{in_words(one)} in the one and {in_words(other)} in the other. Give "
                    f"{option}= (on the command line: --{option.replace('_', '-')}) to measure "
                    "both in one."
                )
    return InputOptions.of({"memory": _least_memory(subsets), **given, **(found or {})})


def _least_memory(subsets: Mapping[Any, Any]) -> str | float | None:
    """Return the smallest `memory=` that a result was made within; None if all had any."""
    limits = [
        rows.provenance.options.get("memory")
        for rows in subsets.values()
        if isinstance(rows, Result)
    ]
    limited = [limit for limit in limits if limit is not None]
    return min(limited, key=lambda limit: memory_bytes(limit) or 0.0, default=None)


def _space_of(earlier: Result, samples: Samples, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that made the vectors of a result, overruled by those given."""
    before = earlier.provenance.input
    if before.rows != len(samples):
        raise ManifestError(
            f"{samples.origin} has {count(len(samples), 'row')}, but the {earlier.noun} was made "
            "from "
            f"{before.rows} ({before.origin}). Give the same data."
        )
    wanted = [name for name in SPACE if not (samples.holds_vectors and name in OF_TEXTS)]
    if samples.holds_vectors or "encoder" in given:
        wanted.remove("vectors")
    if "vectors" in given:
        wanted = [name for name in wanted if name not in ("encoder", "encoder_options")]
    options = earlier.provenance.options
    unneeded = {*options} - {*wanted}
    known = options_of(earlier, overruled={*given, *unneeded})
    own = {name: value for name, value in known.items() if name in wanted}
    if own.get("vectors") is not None:
        own |= id_column_of(earlier.provenance)
    if "encoder" in given and as_json_value(given["encoder"]) != options.get("encoder"):
        own.pop("encoder_options", None)  # those of another encoder
    if options.get("engine") == "distances":
        own["engine"] = "distances"
    now = {name: value for name, value in given.items() if name in (*SPACE, "engine")}
    if now.get("engine") == "auto":
        del now["engine"]
    return merge_options(own, now)


def _differences(before: Provenance, now: PreparedData) -> list[str]:
    """Describe how the space of prepared data differs from that of a result."""
    old, new = before.encoder, now.embeddings
    pairs: dict[str, tuple[Any, Any]] = {
        "normalize": (bool(before.options["normalize"]), now.options.normalize),
        "dimensions": (before.input.dimension, now.points.dimension),
    }
    if old is not None and new is not None:
        pairs = {
            "encoder": (
                with_hash(old.name, old.fingerprint),
                with_hash(new.encoder, new.fingerprint),
            ),
            "text": (before.text, now.text),
            "roles": (_roles(before.options["roles"]), _roles(now.options.roles)),
            **pairs,
        }
    return [f"{name} {in_words(b)}, not {in_words(a)}" for name, (a, b) in pairs.items() if a != b]


def _roles(roles: Any) -> list[str]:
    return [roles] if isinstance(roles, str) else sorted(roles)
