"""From whatever the user has to points: reading, embedding, and refusing what cannot be used.

The border. Everything behind it trusts its input.
"""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evenly.embedding import Embeddings, embed_texts, load_encoder, open_cache
from evenly.errors import EmptyPoolError, OptionError, TextError, VectorError
from evenly.geometry import LARGEST, Metric, Points, row_lengths
from evenly.samples import Samples, StoredVectors, excerpt, open_samples, read_texts, texts_of_rows

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

__all__ = [
    "Intake",
    "OnInvalid",
    "TextColumns",
    "as_json_value",
    "embed",
    "free_memory",
    "load_once",
    "memory_bytes",
    "stay_on_disk",
    "take_in",
    "whole_number",
]

log = logging.getLogger("evenly")

OnInvalid = Literal["error", "drop"]
TextColumns = str | Sequence[str] | Callable[[Any], str] | None

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Intake:
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
    points: Points | Metric
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


def take_in(
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
) -> Intake:
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
    candidates = np.ones(len(samples), bool)
    candidates[list(dropped)] = False
    points: Points | Metric
    if engine == "distances":
        points = _metric_of(samples, candidates)
    else:
        points = Points.of(vectors, lengths, candidates, normalize=scaled)
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
    return Intake(
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


def embed(
    data: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Embeddings:
    """Embed every row of a data set, through the cache.

    Args:
        data: texts, records, a data frame, a data set or a path; see `select_uniform`.
        text: the column or columns that hold the text, or a function of the record.
        roles: of chat data, whose messages are the text.
        encoder: a sentence-transformers name, a path, "static", or anything with
            `encode(list[str]) -> (n, d)`.
        encoder_options: for `evenly.embedding.load_encoder`: batch_size, dtype, prompt,
            backend, max_length, trust_remote_code.
        device: "auto", "cpu", "cuda", "mps", …
        cache_dir: folder of the embedding cache; False for none.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        Embeddings: `vectors` is (n, d) float32, as the encoder gave them (not normalised),
        one row for each row of `data`.

    Raises:
        TextError: rows without a usable text.
        ModelNotFoundError: the encoder's weights are not to be had.

    Cost: one pass of the encoder over each distinct text that the cache does not hold.
    """
    intake = take_in(
        data,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        device=device,
        normalize=False,
        cache_dir=cache_dir,
        progress=progress,
    )
    if intake.embeddings is None:
        raise OptionError(f"{intake.samples.origin} holds vectors already; nothing to embed.")
    return intake.embeddings


def load_once(
    encoder: Any, encoder_options: Mapping[str, Any] | None = None, device: str = "auto"
) -> Any:
    """An encoder to pass to `take_in` many times; arguments as there.

    Raises:
        ModelNotFoundError: the encoder's weights are not to be had.
    """
    return load_encoder(encoder, device=device, **_check_encoder_options(encoder_options))


def whole_number(name: str, value: Any, *, least: int) -> int:
    """The option `name` as an int of at least `least`; anything else is an OptionError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name} must be a whole number, {least} or more, got {value!r}.")
    return int(value)


def as_json_value(value: Any) -> Any:
    """An option as a JSON value: itself where it is one, else its name in angle brackets."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, Sequence):
        return [as_json_value(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): as_json_value(part) for name, part in value.items()}
    return f"<{getattr(value, '__qualname__', type(value).__qualname__)}>"


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


def _metric_of(samples: Samples, candidates: Bool[np.ndarray, " n"]) -> Metric:
    """The data as distances of every row to every other.

    Raises:
        VectorError: they are texts, or no distances; the message names row and column.
    """
    if samples.vectors is None:
        raise VectorError(
            f'{samples.origin} holds texts; engine="distances" needs a matrix of distances (n, n).'
        )
    metric = Metric(samples.vectors, candidates)
    fault = metric.fault()
    if fault is not None:
        raise VectorError(f"{samples.origin} {fault}.")
    return metric


def free_memory() -> float:
    """Bytes of memory that are free on this machine; infinite where it does not say."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return float("inf")


def memory_bytes(value: str | float | None) -> float | None:
    """What `memory=` says, in bytes: a number, or one with a unit such as "500MB" or "2 GiB".

    Raises:
        OptionError: it is neither, or not above 0.
    """
    if value is None:
        return None
    size = 0.0
    if not isinstance(value, str):
        size = float(value)
    else:
        found = re.fullmatch(r"([0-9.]+) *([kKMGT]?)(i?)B?", value.strip())
        if found is not None and found[1].count(".") <= 1 and found[1] != ".":
            step = 1024.0 if found[3] else 1000.0
            size = float(found[1]) * step ** " KMGT".index(found[2].upper() or " ")
    if not 0 < size < float("inf"):
        raise OptionError(
            f'memory must be a number of bytes above 0, or a string such as "2GB", got {value!r}.'
        )
    return size


def _spread(
    vectors: Float[np.ndarray, "m d"], rows: list[int], count: int
) -> Float[np.ndarray, "n d"]:
    """Vectors of some rows as vectors of all, zeros where there is none."""
    if len(rows) == count:
        return vectors
    spread = np.zeros((count, vectors.shape[1]), vectors.dtype)
    spread[rows] = vectors
    return spread


def _check_vectors(
    vectors: np.ndarray[Any, Any], dropped: dict[int, str], *, normalize: bool
) -> tuple[Float[np.ndarray, " n"], dict[int, str]]:
    """Lengths of all rows, and the rows that cannot be points, with the reason."""
    unusable: dict[int, str] = {}
    if vectors.shape[1] == 0:
        return np.zeros(len(vectors)), unusable
    lengths = row_lengths(vectors)
    suspicious = ~(lengths <= LARGEST)
    if normalize or not lengths.max(initial=0.0) >= 1 / LARGEST:
        # Too short to be divided by, or all so short that no squared distance is above 0.
        suspicious |= (lengths < 1 / LARGEST) & (normalize | (lengths > 0))
    for row in np.flatnonzero(suspicious).tolist():
        if row in dropped:
            continue
        bad = np.flatnonzero(~np.isfinite(vectors[row]))
        if len(bad):
            unusable[row] = f"coordinate {bad[0]} is {vectors[row][bad[0]]}"
        elif not np.any(vectors[row]):
            unusable[row] = "is a zero vector, which has no direction to normalise"
        else:
            unusable[row] = (
                f"has no coordinate beyond {np.abs(vectors[row]).max():.3g}, which float64 cannot "
                f"square; lengths from {1 / LARGEST:.0e} to {LARGEST:.0e} are allowed: scale the "
                "vectors"
            )
    return lengths, unusable


def _refuse_empty(samples: Samples, dropped: dict[int, str]) -> None:
    if len(dropped) == len(samples):
        raise EmptyPoolError(
            f"none of the {len(samples)} rows of {samples.origin} can be used: "
            + _examples(samples, dropped)
        )


def _refuse(
    samples: Samples,
    invalid: dict[int, str],
    on_invalid: OnInvalid,
    error: type[TextError] | type[VectorError],
    what: str,
) -> None:
    if not invalid:
        return
    if on_invalid == "drop":
        log.warning(
            "%d of %d rows dropped for their %s: %s",
            len(invalid),
            len(samples),
            what,
            _examples(samples, invalid),
        )
        return
    raise error(
        f"{len(invalid)} of {len(samples)} rows have no usable {what}: "
        f"{_examples(samples, invalid)}. Mend them, or leave such rows out with "
        'on_invalid="drop" (on the command line: --on-invalid drop).'
    )


def _examples(samples: Samples, invalid: dict[int, str]) -> str:
    shown = [f"{samples.locate(row)} {invalid[row]}" for row in sorted(invalid)[:_SHOWN]]
    more = len(invalid) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
