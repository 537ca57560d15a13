"""`away_from=`: what chosen rows keep away from, as points beside the pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import OptionError, VectorError
from evenly.geometry import DistanceMatrix, Points
from evenly.inputs.prepare import prepare
from evenly.samples import open_samples
from evenly.selection.results.selection import Selection
from evenly.selection.rules.row_names import RowNames, is_of_the_pool, names_rows

if TYPE_CHECKING:
    from jaxtyping import Int

    from evenly.inputs.prepare import PreparedData

__all__ = ["Away"]


_TEXTS = ("text", "roles")


@dataclass(frozen=True, eq=False)
class Away:
    """What to keep away from.

    Attributes:
        points: scaled as those of the pool; None where there are none, and where the pool is of
            distances, which `rows` then say all about.
        rows: (a,) those that are rows of the pool, each once; None where they are other data.
    """

    points: Points | None
    rows: Int[np.ndarray, " a"] | None

    @classmethod
    def of(
        cls, given: Any, prepared: PreparedData, names: RowNames, input_options: Mapping[str, Any]
    ) -> Away:
        """Points of whatever the user keeps away from.

        Args:
            given: row numbers, a mask or ids of rows of the pool; an earlier Selection or the
                path of its manifest; or anything that `data` may be.
            prepared: the pool.
            names: how its rows can be named.
            input_options: what `prepare` was given for the pool.

        Raises:
            OptionError: it is a Selection by another encoder, or texts where the pool has none.
            VectorError: its vectors are of another dimension than the pool's.
            DataError: it cannot be taken in.
        """
        if given is None:
            return cls(None, None)
        if _is_manifest(given):
            given = Selection.load(given)
        if isinstance(given, Selection):
            _check_encoder(given, prepared)
            if is_of_the_pool(given, prepared):
                return cls._rows(prepared, np.array(given.indices))
            return cls(_points_of_selection(given, prepared, input_options), None)
        if names_rows(given, by_id=names.id_column is not None):
            return cls._rows(prepared, names.rows("away_from", given))
        return cls(_points_of(given, prepared, input_options), None)

    @classmethod
    def _rows(cls, prepared: PreparedData, rows: Int[np.ndarray, " a"]) -> Away:
        points = prepared.points
        # A row that was dropped has no vector to keep away from.
        usable = np.unique(rows[points.eligible[rows]])
        if not len(usable):
            return cls(None, None)
        return cls(None if isinstance(points, DistanceMatrix) else points.take(usable), usable)


def _is_manifest(given: Any) -> bool:
    """Whether it is the path of one JSON object: data would be an array."""
    if not isinstance(given, str | PathLike) or not fspath(given).endswith(".json"):
        return False
    try:
        with Path(given).open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def _check_encoder(earlier: Selection, prepared: PreparedData) -> None:
    before, now = earlier.provenance.get("encoder"), prepared.embeddings
    if before is None or now is None:
        return
    if (before["name"], before["fingerprint"]) != (now.encoder, now.fingerprint):
        raise OptionError(
            f"away_from is a Selection made with the encoder {before['name']} "
            f"({_short(before['fingerprint'])}), and this one is {now.encoder} "
            f"({_short(now.fingerprint)}): its distances were others. Use the same encoder, or "
            "pass the records it chose: away_from=earlier.take(data)"
        )


def _short(fingerprint: str | None) -> str:
    return "no fingerprint" if fingerprint is None else f"{fingerprint[:19]}…"


def _points_of_selection(
    earlier: Selection, prepared: PreparedData, input_options: Mapping[str, Any]
) -> Points | None:
    """The rows that it chose, with the text that it was made from."""
    before = earlier.provenance["options"]
    own = {
        name: before[name]
        for name in _TEXTS
        if name in before and not str(before[name]).startswith("<")
    }
    records = earlier.samples_again().take(earlier.indices)
    return _points_of(records, prepared, {**input_options, **own})


def _points_of(
    given: Any, prepared: PreparedData, input_options: Mapping[str, Any]
) -> Points | None:
    """Another data set, taken in as the pool was."""
    if isinstance(prepared.points, DistanceMatrix):
        raise OptionError(
            'engine="distances" knows no distances but those between rows of the data, so '
            "away_from= must name some of them: row numbers, a mask or ids."
        )
    samples = open_samples(given)
    if not len(samples):
        return None
    options = dict(input_options)
    if samples.holds_vectors:
        vectors = _in_the_type_of(prepared.points, samples.vectors, samples.origin)
        samples = open_samples(vectors)
        options = {name: value for name, value in options.items() if name not in _TEXTS}
    elif prepared.embeddings is None:
        raise OptionError(
            f"away_from is {samples.origin}, which holds texts, but {prepared.samples.origin} holds "
            "vectors, and nobody knows by which encoder. Embed the texts with that one first: "
            "evenly.embed(…)"
        )
    elif not samples.columns:
        # Plain strings are the texts, whatever the column of the pool is called.
        options.pop("text", None)
    other = prepare(samples, **{**options, "engine": "memory"})
    points = other.points
    assert isinstance(points, Points)
    if points.dimension != prepared.points.dimension:
        raise VectorError(
            f"away_from is {samples.origin} with vectors of {points.dimension} dimensions; those "
            f"of {prepared.samples.origin} have {prepared.points.dimension}. Both must come of the "
            "same encoder."
        )
    return points if points.eligible.all() else points.take(np.flatnonzero(points.eligible))


def _in_the_type_of(points: Points, vectors: Any, origin: str) -> Any:
    """Vectors as the pool keeps its own, so that the same vector is at distance 0.

    Raises:
        VectorError: they are of another dimension.
    """
    if vectors.shape[1] != points.dimension:
        raise VectorError(
            f"away_from is {origin}, of {vectors.shape[1]} dimensions; the pool's vectors have "
            f"{points.dimension}. Both must come of the same encoder."
        )
    with np.errstate(over="ignore"):
        return vectors.astype(points.stored.dtype, copy=False)
