"""Provenance: which versions, options, input and encoder a result was made from."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import Any

import numpy.typing as npt

from evenly._version import __version__
from evenly.geometry import Points, in_background, usable_threads
from evenly.inputs.prepare import PreparedData
from evenly.options import InputOptions
from evenly.options.values import as_json_value, decode, encode
from evenly.samples import Samples, VectorsBeside
from evenly.samples.hashes import feed_array

# Hashing fewer numbers takes less time than handing the work to another thread.
_LARGE = 200_000

# The options of the input that decide what the vectors are; the first four only for texts.
OF_TEXTS = ("text", "roles", "encoder", "encoder_options")
SPACE = (*OF_TEXTS, "vectors", "normalize", "on_invalid")


@dataclass(frozen=True)
class VectorsRecord:
    """The vectors that records were given.

    Attributes:
        origin: words for them, such as the name of a file.
        content_hash: the sha256 of their content.
    """

    origin: str
    content_hash: str


@dataclass(frozen=True)
class InputRecord:
    """The input that row numbers refer to.

    Attributes:
        origin: words for it, such as the name of a file.
        rows: the number of rows.
        dimension: the number of coordinates of a vector.
        path: where it was read from; None if it was passed as an object.
        content_hash: the sha256 of its content; None for a stream.
        vectors: the vectors that its records were given; None if there are none beside them.
    """

    origin: str
    rows: int
    dimension: int | None
    path: str | None = None
    content_hash: str | None = None
    vectors: VectorsRecord | None = None

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> InputRecord:
        """Return what `asdict` made of one."""
        vectors = document.get("vectors")
        record = None if vectors is None else VectorsRecord(**vectors)
        return cls(**{**document, "vectors": record})


@dataclass(frozen=True)
class EncoderRecord:
    """The encoder that made the vectors.

    Attributes:
        name: its name.
        weights_hash: the hash of its weights, if it has a file of them.
        fingerprint: the hash of all that its vectors depend on, besides the text.
        truncated: the number of texts that were longer than it reads.
        vectors_hash: the hash of the vectors; None for a stream.
        reused, computed: the numbers of vectors that came from the cache, and that it computed.
    """

    name: str
    weights_hash: str | None
    fingerprint: str | None
    truncated: int
    vectors_hash: str | None = None
    reused: int = 0
    computed: int = 0


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from, and what became of it.

    Attributes:
        evenly: the version of evenly.
        input: the input that the row numbers refer to.
        options: the options it was made with, as JSON values or `NotKept`.
        versions: the versions of Python and of the libraries that decide the vectors.
        text: what was embedded of each record, for people; None if the input were vectors.
        encoder: the encoder; None if the input were vectors.
        dropped: row number -> why the row could not be chosen; empty for a stream.
        rules: what the rules came to, as JSON values: numbers of rows, and hashes.
        created: when it was made, in ISO 8601.
        seconds: wall time by step.
        taken_over: how many picks were there before, in a checkpoint or an earlier selection.
        details: what the verb reports in addition to its answer, by name: "refined", "filled",
            "by_quality", "coreset", "stream", "tokens" or "groups", each a mapping.
    """

    evenly: str
    input: InputRecord
    options: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    encoder: EncoderRecord | None = None
    dropped: Mapping[int, str] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    created: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    taken_over: int = 0
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def refined(self) -> Mapping[str, Any] | None:
        """What a refinement came to; None if there was none."""
        return self.details.get("refined")

    @property
    def filled(self) -> Mapping[str, Any] | None:
        """What filling came to; None if the selection was not filled."""
        return self.details.get("filled")

    @property
    def by_quality(self) -> Mapping[str, Any] | None:
        """What choosing by quality came to; None if rows were chosen otherwise."""
        return self.details.get("by_quality")

    def finished(
        self,
        seconds: Mapping[str, float],
        taken_over: int = 0,
        details: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Provenance:
        """Return the provenance of a result that is made now, with the time of each step."""
        rounded = {step: round(value, 4) for step, value in seconds.items()}
        both = {**self.details, **(details or {})}
        return replace(self, created=now(), seconds=rounded, taken_over=taken_over, details=both)

    def with_detail(self, name: str, **values: Any) -> Provenance:
        """Return the provenance with what a verb reports."""
        return replace(self, details={**self.details, name: values})

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as plain JSON values."""
        document: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            is_record = isinstance(value, InputRecord | EncoderRecord)
            document[one.name] = asdict(value) if is_record else encode(value)
        document["dropped"] = {str(row): reason for row, reason in self.dropped.items()}
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Provenance:
        """Return the provenance that `as_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is not one.
        """
        values = {one.name: document[one.name] for one in fields(cls)}
        encoder = values["encoder"]
        values["input"] = InputRecord.from_dict(values["input"])
        values["encoder"] = None if encoder is None else EncoderRecord(**encoder)
        values["options"] = decode(dict(values["options"]))
        values["dropped"] = {int(row): str(why) for row, why in values["dropped"].items()}
        for name in ("versions", "rules", "seconds", "details"):
            values[name] = dict(values[name])
        if not isinstance(values["input"].rows, int):
            raise TypeError("input.rows is not a whole number")
        return cls(**values)


def now() -> str:
    """Return the time in ISO 8601, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def input_options(options: InputOptions) -> dict[str, Any]:
    """Return the options that decide the vectors of a data set, as JSON values."""
    own = {name: getattr(options, name) for name in SPACE}
    own["encoder_options"] = dict(own["encoder_options"] or {})
    own["vectors"] = None  # as the samples name them, which may have had them before
    return {name: as_json_value(value) for name, value in own.items()}


def describe_encoder(prepared: PreparedData, *, hashed: bool = True) -> EncoderRecord | None:
    """Return the encoder of a data set; None if its data were vectors."""
    found = prepared.embeddings
    if found is None:
        return None
    return EncoderRecord(
        name=found.encoder,
        weights_hash=found.weights_hash,
        fingerprint=found.fingerprint,
        truncated=found.truncated,
        vectors_hash=hash_of_array(found.vectors) if hashed else None,
        reused=found.reused,
        computed=found.computed,
    )


def provenance_of(
    prepared: PreparedData, options: Mapping[str, Any], rules: Mapping[str, Any] | None = None
) -> Provenance:
    """Return what is known before the selection, from its options and `Rules.describe`.

    Cost: hashes the input, and the vectors if they are not the input.
    """
    beside = prepared.samples.beside
    return Provenance(
        evenly=__version__,
        input=InputRecord(
            origin=prepared.samples.origin,
            rows=len(prepared),
            dimension=prepared.points.dimension,
            path=prepared.path,
            content_hash=prepared.samples.content_hash(),
            vectors=_describe_vectors(prepared.samples),
        ),
        options={
            **input_options(prepared.options),
            **({} if beside is None else _how_given(beside, prepared.options)),
            **as_json_value(options),
        },
        versions=versions(embedded=prepared.embeddings is not None),
        text=prepared.text,
        encoder=describe_encoder(prepared),
        dropped=prepared.dropped,
        rules=rules or {},
    )


def vectors_hash(samples: Samples) -> str:
    """Return the sha256 of vectors that were not embedded: files as they are, or an array."""
    return (samples if samples.beside is None else samples.beside.rows).content_hash()


def id_column_of(provenance: Provenance) -> dict[str, Any]:
    """Return the option of the column that found the vectors of rows, if a column was named."""
    column = provenance.options.get("id_column")
    return {"id_column": column} if isinstance(column, str) else {}


def _how_given(beside: VectorsBeside, options: InputOptions) -> dict[str, Any]:
    """Return the options that gave records their vectors."""
    by_id = {"id_column": options.id_column} if isinstance(options.id_column, str) else {}
    return {"vectors": beside.given, **by_id}


def _describe_vectors(samples: Samples) -> VectorsRecord | None:
    if samples.beside is None:
        return None
    return VectorsRecord(samples.beside.origin, vectors_hash(samples))


def begin_provenance(
    prepared: PreparedData, options: Mapping[str, Any], rules: Mapping[str, Any] | None = None
) -> Callable[[], Provenance]:
    """Start `provenance_of`, and return a function that waits for its result.

    Large arrays are hashed by one of the threads that choose rows, beside the others.
    """
    points = prepared.points
    # Workers of a cluster do one thing after the other.
    is_here = isinstance(points, Points) and points.elsewhere is None
    large = is_here and len(points) * points.dimension > _LARGE
    threads = usable_threads() if large else 1
    return in_background(lambda: provenance_of(prepared, options, rules), threads=threads).result


def hash_of_array(array: npt.NDArray[Any]) -> str:
    """Return the sha256 of dtype, shape and bytes: the content hash of an array in memory."""
    digest = hashlib.sha256()
    feed_array(digest, array)
    return f"sha256:{digest.hexdigest()}"


@cache  # reading the versions takes as long as a small selection
def versions(*, embedded: bool) -> Mapping[str, str]:
    """Return the versions of Python and of the libraries that decide the vectors."""
    from importlib.metadata import PackageNotFoundError, version

    names = ["numpy"] + (["torch", "sentence-transformers"] if embedded else [])
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
