"""From whatever the user has to points: reading, embedding, and refusing what cannot be used.

The border. Everything behind it trusts its input.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike, fspath
from time import perf_counter
from typing import Any, Literal

import numpy as np

from evenly.embedding import Embeddings, embed_texts, load_encoder, open_cache
from evenly.errors import EmptyPoolError, OptionError, TextError, VectorError
from evenly.geometry import DistanceMatrix, Points
from evenly.inputs.checks import (
    OnInvalid,
    _check_vectors,
    _distance_matrix_of,
    _refuse,
    _refuse_empty,
    _spread,
    log,
)
from evenly.memory import free_memory
from evenly.options import as_json_value
from evenly.samples import Samples, StoredVectors, excerpt, open_samples, read_texts, texts_of_rows

__all__ = ["PreparedData", "TextColumns", "load_once", "prepare", "stay_on_disk"]


TextColumns = str | Sequence[str] | Callable[[Any], str] | None


@dataclass(frozen=True, eq=False)
class PreparedData:
    """A data set that has been read, embedded and checked.

    Attributes:
        samples: the records, to take rows from and to write.
        points: their vectors, as geometry sees them; rows in `dropped` are no candidates.
        dropped: row number -> why it can never be chosen.
        embeddings: how the vectors were made; None when the data were vectors.
        text: what of each record was embedded, for people; None when the data were vectors.
        seconds: wall time by step, "reading" and "embedding".
        path: where the data set was read from; None when it was passed as an object.
        options: what was asked for that shapes the vectors, as JSON values; a Python object
            is its name in angle brackets.
        texts_of: reads the texts of a few rows again; None when the data were vectors.
        texts: all of them, where they were to be kept; "" at dropped rows.
    """

    samples: Samples
    points: Points | DistanceMatrix
    dropped: dict[int, str]
    embeddings: Embeddings | None
    text: str | None
    seconds: dict[str, float]
    path: str | None
    options: dict[str, Any]
    texts_of: Callable[[Sequence[int]], list[str]] | None = None
    texts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.points)

    def describe(self, row: int) -> str:
        """Where a row is, and how its text begins, for a message."""
        located = self.samples.locate(row)
        if self.texts_of is None:
            return located
        return f'{located} ("{excerpt(self.texts_of([row])[0])}")'


def prepare(
    data: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool = True,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    engine: str = "auto",
    memory: float | None = None,
    progress: bool | None = None,
    embedding: bool = True,
    keep_texts: bool = False,
) -> PreparedData:
    """Read, embed and check a data set; see `select_uniform` for the arguments.

    `memory` is in bytes. Files of vectors that exceed it, or that the engine "mapped" is to
    read, stay on disk. Without `embedding`, texts are read and checked and no encoder is loaded:
    their points have no coordinates. With `keep_texts` they stay in memory.

    Raises:
        EmptyPoolError: there are no rows, or none that can be used.
        TextError, VectorError: rows cannot be used and `on_invalid` is "error".
    """
    if on_invalid not in ("error", "drop"):
        raise OptionError(f'on_invalid must be "error" or "drop", got {on_invalid!r}.')
    options_of_encoder = _check_encoder_options(encoder_options)
    began = perf_counter()
    samples = open_samples(data)
    if len(samples) == 0:
        raise EmptyPoolError(f"{samples.origin} holds no rows; there is nothing to choose from.")
    if samples.holds_vectors:
        if text is not None:
            raise OptionError(
                f"text={text!r} was given, but {samples.origin} holds vectors, not texts. "
                "Leave text out, or pass the texts."
            )
        vectors = _vectors_of(samples, engine, memory)
        dropped, embeddings, description, kept = {}, None, None, None
        read = perf_counter()
    else:
        texts = read_texts(samples, text, roles)
        dropped, description = dict(texts.invalid), texts.description
        kept = texts.values if keep_texts else None
        _refuse(samples, dropped, on_invalid, TextError, "text")
        read = perf_counter()
        _refuse_empty(samples, dropped)
        usable = [row for row in range(len(samples)) if row not in dropped]
        embeddings = None
        vectors = np.empty((len(samples), 0), np.float32)
    if not samples.holds_vectors and embedding:
        loaded = load_encoder(encoder, device=device, **options_of_encoder)
        embeddings = embed_texts(
            [texts.values[row] for row in usable],
            loaded,
            cache=open_cache(cache_dir),
            progress=progress,
        )
        vectors = _spread(embeddings.vectors, usable, len(samples))
    scaled = normalize and engine != "distances" and vectors.shape[1] > 0
    lengths, unusable = _check_vectors(vectors, dropped, normalize=scaled)
    _refuse(samples, unusable, on_invalid, VectorError, "vector")
    dropped |= unusable
    _refuse_empty(samples, dropped)
    eligible = np.ones(len(samples), bool)
    eligible[list(dropped)] = False
    points: Points | DistanceMatrix
    if engine == "distances":
        points = _distance_matrix_of(samples, eligible)
    else:
        points = Points.of(vectors, lengths, eligible, normalize=scaled)
    seconds = {"reading": read - began}
    if embeddings is not None:
        seconds["embedding"] = embeddings.seconds
    path = fspath(data) if isinstance(data, str | PathLike) else None
    options = {
        "text": text,
        "roles": roles,
        "encoder": encoder,
        "encoder_options": options_of_encoder,
        "normalize": normalize and engine != "distances",
        "on_invalid": on_invalid,
    }
    return PreparedData(
        samples=samples,
        points=points,
        dropped=dropped,
        embeddings=embeddings,
        text=description,
        seconds=seconds,
        path=path,
        options=as_json_value(options),
        texts_of=None
        if samples.holds_vectors
        else partial(texts_of_rows, samples, text=text, roles=roles),
        texts=kept,
    )


def load_once(
    encoder: Any, encoder_options: Mapping[str, Any] | None = None, device: str = "auto"
) -> Any:
    """An encoder to pass to `prepare` many times; arguments as there.

    Raises:
        ModelNotFoundError: the encoder's weights are not to be had.
    """
    return load_encoder(encoder, device=device, **_check_encoder_options(encoder_options))


def _check_encoder_options(given: Mapping[str, Any] | None) -> dict[str, Any]:
    options = dict(given or {})
    if not options:
        return options
    allowed = [*inspect.signature(load_encoder).parameters]
    allowed.remove("encoder")
    allowed.remove("device")
    unknown = [name for name in options if name not in allowed]
    if unknown:
        raise OptionError(
            f"encoder_options has no option {unknown[0]!r}. There are: {', '.join(allowed)}."
        )
    return options


def _vectors_of(samples: Samples, engine: str, memory: float | None) -> Any:
    """The vectors as one array; as they are on disk where they are to stay there."""
    stored = samples.stored
    if not stay_on_disk(stored, engine, memory):
        return samples.vectors
    if stored is not None and not stored.seekable:
        log.warning(
            "%s stays on disk, and rows here and there of it are read again and again, which is "
            "slow for parquet and for .npy in Fortran order. Faster: write it as .npy in rows, or "
            "give more memory=",
            samples.origin,
        )
    return stored


def stay_on_disk(stored: StoredVectors | None, engine: str, memory: float | None) -> bool:
    """Whether vectors are read from their files when they are needed, and not all at once."""
    if stored is None or engine not in ("auto", "mapped"):
        return False
    allowed = free_memory() / 2 if memory is None else memory
    return engine == "mapped" or stored.bytes_in_memory > allowed
