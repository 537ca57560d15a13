"""`away_from=`: what chosen rows keep away from, as points like those of the pool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.errors import OptionError, VectorError
from evenly.geometry import DistanceMatrix, Points
from evenly.inputs.prepare import load_model, prepare
from evenly.options import InputOptions, NotKept
from evenly.samples import column_of, open_samples, open_with_vectors
from evenly.selection.results.base import Result
from evenly.selection.results.row_files import is_manifest, load_result
from evenly.selection.rules.row_names import RowNames, is_of_the_pool, names_rows
from evenly.shapes import Int
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData
    from evenly.samples import Samples


@dataclass(frozen=True, eq=False)
class AwayFrom:
    """The rows or points to keep away from.

    Attributes:
        points: the points, scaled like those of the pool; None if there are none, or if the pool
            is a matrix of distances, for which `rows` are enough.
        rows: (a,) rows of the pool to keep away from, each once; None if they are other data.
    """

    points: Points | None
    rows: Int[np.ndarray, " a"] | None

    @classmethod
    def of(cls, given: Any, prepared: PreparedData, names: RowNames) -> AwayFrom:
        """Resolve what the user keeps away from.

        Args:
            given: row numbers, a mask or ids of rows of the pool; an earlier result or the path
                of its manifest; or anything that `data` may be, prepared like the pool.
            prepared: the pool. If it is not embedded yet, everything is checked that can be.
            names: the ways to name its rows.

        Raises:
            OptionError: it is a result by another encoder, or texts although the pool is of
                vectors.
            VectorError: its vectors have another dimension than the pool's.
            DataError: it cannot be prepared.
        """
        if given is None or (not prepared.embedded and hasattr(given, "read")):
            return cls(None, None)  # what can be read only once is read after embedding
        given = _loaded(given, prepared)
        if isinstance(given, Result):
            _check_encoder(given, prepared)
        rows = rows_of_the_pool(given, names)
        if rows is not None:
            return cls._rows(prepared, rows)
        if isinstance(given, Result):
            return cls(_points_of_selection(given, prepared), None)
        return cls(_points_of(given, prepared, prepared.options), None)

    @classmethod
    def _rows(cls, prepared: PreparedData, rows: Int[np.ndarray, " a"]) -> AwayFrom:
        points = prepared.points
        # A dropped row has no vector to keep away from.
        usable = np.unique(rows[points.eligible[rows]])
        if not len(usable):
            return cls(None, None)
        return cls(None if isinstance(points, DistanceMatrix) else points.take(usable), usable)


def rows_of_the_pool(given: Any, names: RowNames) -> Int[np.ndarray, " a"] | None:
    """Return the rows of the pool that `away_from` names; None if it is other data, or None."""
    given = _loaded(given, names.prepared)
    if isinstance(given, Result):
        return np.array(given.indices) if is_of_the_pool(given, names.prepared) else None
    if given is not None and names_rows(given, by_id=names.id_column is not None):
        return names.rows("away_from", given)
    return None


def _loaded(given: Any, prepared: PreparedData) -> Any:
    if not isinstance(given, str | PathLike) or not is_manifest(given):
        return given
    return prepared.remember(f"rows in {fspath(given)}", lambda: load_result(given))


def _check_encoder(earlier: Result, prepared: PreparedData) -> None:
    before = earlier.provenance.encoder
    if before is None or prepared.samples.holds_vectors:
        return
    if prepared.embeddings is not None:
        name, fingerprint = prepared.embeddings.encoder, prepared.embeddings.fingerprint
    else:
        model = load_model(prepared.options)
        name, fingerprint = model.name, model.fingerprint
    if (before.name, before.fingerprint) != (name, fingerprint):
        raise OptionError(
            f"away_from is a {earlier.noun} made with the encoder {before.name} "
            f"({_short(before.fingerprint)}), but the encoder is now {name} "
            f"({_short(fingerprint)}), in whose space distances differ. Use the same encoder, "
            "or keep away from the chosen records instead."
        )


def _short(fingerprint: str | None) -> str:
    return "no fingerprint" if fingerprint is None else f"{fingerprint[:19]}…"


def _points_of_selection(earlier: Result, prepared: PreparedData) -> Points | None:
    """Return the rows that a result of other data chose, with the text that it was made from.

    Raises:
        OptionError: its data were passed as an object, and it was loaded from a file.
    """
    source = earlier.provenance.input
    if earlier.samples is None and source.path is None:
        raise OptionError(
            f"away_from is a {earlier.noun} from other data ({source.origin}), which cannot be "
            "opened again. Pass the chosen records instead."
        )
    own = {
        name: value
        for name, value in earlier.provenance.options.items()
        if name in ("text", "roles") and not isinstance(value, NotKept)
    }
    samples = earlier.samples_again()
    if prepared.samples.holds_vectors and source.vectors is not None:
        return _points_of(_vectors_of(earlier, samples), prepared, prepared.options)
    return _points_of(samples.take(earlier.indices), prepared, replace(prepared.options, **own))


def _vectors_of(earlier: Result, samples: Samples) -> Any:
    """Return the vectors of chosen records that had vectors beside them.

    Raises:
        OptionError: they were passed as an array, and the selection was loaded from a file.
    """
    if samples.beside is None:
        given = earlier.provenance.options.get("vectors")
        if isinstance(given, NotKept):
            raise OptionError(
                f"away_from is a {earlier.noun} whose vectors were a Python object ({given}), "
                "which it does not keep. Pass the vectors of its rows instead."
            )
        samples = open_with_vectors(samples, given, earlier.provenance.options.get("id_column"))
    vectors = samples.stored_vectors
    return vectors[np.array(earlier.indices)]


def _points_of(given: Any, prepared: PreparedData, options: InputOptions) -> Points | None:
    """Return the points of another data set, prepared like the pool."""
    if isinstance(prepared.points, DistanceMatrix):
        raise OptionError(
            'engine="distances" knows only distances between rows of the data, so away_from= must '
            "name some of these rows: row numbers, a mask or ids."
        )
    samples, beside = open_samples(given), prepared.samples.beside
    if not len(samples):
        return None
    column = None if beside is None else column_of(beside.given)
    if column is not None and samples.holds_records:
        samples = open_with_vectors(samples, column)
    options = replace(options, vectors=None)
    if samples.holds_vectors:
        if not prepared.embedded:
            return None
        # In the number type of the pool, equal vectors are at distance 0.
        vectors: Any = samples.vectors
        _check_dimension(vectors.shape[1], samples, prepared)
        with np.errstate(over="ignore"):
            vectors = vectors.astype(prepared.points.stored.dtype, copy=False)
        samples = open_samples(vectors)
        options = replace(options, text=None)
    elif prepared.samples.holds_vectors:
        raise OptionError(
            f"away_from is {samples.origin}, which holds texts, but {prepared.samples.origin} "
            "holds vectors of an unknown encoder. Embed the texts with that encoder first, and "
            "keep away from their vectors."
        )
    elif not samples.columns:
        # Plain strings are the texts, whatever the column of the pool is called.
        options = replace(options, text=None)
    options = replace(options, engine="memory")
    other = prepare(samples, options, embedding=prepared.embedded)
    points = other.points
    assert isinstance(points, Points)
    _check_dimension(points.dimension, samples, prepared)
    return points if points.eligible.all() else points.take(np.flatnonzero(points.eligible))


def _check_dimension(dimension: int, samples: Samples, prepared: PreparedData) -> None:
    if dimension != prepared.points.dimension:
        raise VectorError(
            f"away_from is {samples.origin} with vectors of {count(dimension, 'dimension')}; "
            "those of "
            f"{prepared.samples.origin} have {prepared.points.dimension}. Both must come from the "
            "same encoder."
        )
