"""The space in which subsets are measured: by default that of the selections among them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from evenly.errors import ManifestError, RowError
from evenly.inputs.prepare import PreparedData, prepare
from evenly.metrics.row_numbers import row_numbers
from evenly.options import InputOptions, as_json_value
from evenly.options.declaration import declared
from evenly.samples import Samples, open_samples
from evenly.selection.results.base import Result
from evenly.selection.results.provenance import (
    OF_TEXTS,
    SPACE,
    EncoderRecord,
    Provenance,
    id_column_of,
)
from evenly.selection.resume import merge_options, options_of
from evenly.shapes import Int

log = logging.getLogger("evenly")


def prepare_subsets(
    data: Any, subsets: Mapping[Any, Any], options: Mapping[str, Any]
) -> tuple[PreparedData, dict[str, Int[np.ndarray, " k"]]]:
    """Prepare a data set and check the rows of subsets to measure, first before embedding.

    Args:
        data: the data set.
        subsets: name -> row numbers, or a result that has them: a `Selection`, a
            `Deduplication` or a `StreamSelection`. Messages leave out a name of "".
        options: those of the input that were given, which decide; None for the others: then
            those of the results count, which must agree, or else the defaults.

    Raises:
        ManifestError: results differ in an option, or one was made from other data.
        RowError: as in `row_numbers`; the message names the subset.
    """

    def rows_of(prepared: PreparedData) -> dict[str, Int[np.ndarray, " k"]]:
        return {str(name): _rows_of(prepared, name, rows) for name, rows in subsets.items()}

    samples = _with_vectors(open_samples(data), subsets, options)
    prepared = prepare(samples, _inputs_of(samples, subsets, options), check=rows_of)
    for name, rows in subsets.items():
        if isinstance(rows, Result) and (different := _differences(rows.provenance, prepared)):
            log.warning(
                "%s is measured in another space than its own: %s",
                name or f"the {rows.noun}",
                "; ".join(different),
            )
    return prepared, rows_of(prepared)


def _with_vectors(
    samples: Samples, subsets: Mapping[Any, Any], options: Mapping[str, Any]
) -> Samples:
    """Return records with the vectors of a result that still has them, if no others are given."""
    if options.get("vectors") is not None or options.get("encoder") is not None:
        return samples
    for rows in subsets.values():
        beside = rows.samples.beside if isinstance(rows, Result) and rows.samples else None
        if beside is not None and len(beside.rows) == len(samples) and samples.holds_records:
            return samples.with_vectors(beside)
    return samples


def rules_of(rows: Any) -> tuple[str, ...]:
    """Return the names of the rules that a result was made under; () for row numbers."""
    return tuple(rows.provenance.rules) if isinstance(rows, Result) else ()


def _rows_of(prepared: PreparedData, name: Any, rows: Any) -> Int[np.ndarray, " k"]:
    try:
        return row_numbers(prepared, rows)
    except RowError as error:
        if name == "":
            raise
        raise RowError(f"subset {str(name)!r}: {error}") from None


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
                    f"{one!r} in the one and {other!r} in the other. Give "
                    f"{option}= (on the command line: --{option.replace('_', '-')}) to measure "
                    "both in one."
                )
    return InputOptions.of({**given, **(found or {})})


def _space_of(earlier: Result, samples: Samples, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that made the vectors of a result, overruled by those given."""
    before = earlier.provenance.input
    if before.rows != len(samples):
        raise ManifestError(
            f"{samples.origin} has {len(samples)} rows, but the {earlier.noun} was made from "
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
            "encoder": (_with_hash(old), _with_hash(new)),
            "text": (before.text, now.text),
            "roles": (_roles(before.options["roles"]), _roles(now.options.roles)),
            **pairs,
        }
    return [f"{name} {b}, not {a}" for name, (a, b) in pairs.items() if a != b]


def _with_hash(encoder: Any) -> str:
    name = encoder.name if isinstance(encoder, EncoderRecord) else encoder.encoder
    return f"{name} ({encoder.fingerprint[:19]}…)" if encoder.fingerprint else str(name)


def _roles(roles: Any) -> list[str]:
    return [roles] if isinstance(roles, str) else sorted(roles)
