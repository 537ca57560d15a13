"""The `Encoder` protocol, and the wrapper that checks what an encoder returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from evenly.errors import EncoderError, EvenlyError
from evenly.shapes import Bool, Float
from evenly.tables import count

_TEXTS_PER_CALL = 256


@runtime_checkable
class Encoder(Protocol):
    """An object that turns n texts into n vectors.

    Optional attributes: `name` (str), `dimension` (int), `window` (the number of tokens read of
    each text), `texts_per_call` (int), `pads` (bool: False if a call costs no more for texts of
    different lengths than for those of one), `truncated(texts)` (one bool per text: whether it is
    longer than the window), and `fingerprint` (str), which must change whenever the vectors
    do: vectors are cached on disk only for an encoder that has one.
    """

    def encode(self, texts: list[str]) -> Any:
        """Return one vector per text: an array, tensor or list of shape (n, d)."""


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with its provenance, which checks every result.

    Attributes:
        name: display name; for a model loaded by name or path, `load_encoder` accepts it.
        fingerprint: "sha256:..." of the weights and of every option that changes the vectors;
            None if it cannot be determined, in which case nothing is cached.
        weights_hash: "sha256:..." of the weights alone. For a model with a single weight file
            it is the sha256 of that file, which can be compared with the published one.
        requested_texts_per_call: overrides the encoder's own `texts_per_call`.
    """

    name: str
    encoder: Encoder = field(repr=False)
    fingerprint: str | None = None
    weights_hash: str | None = None
    requested_texts_per_call: int | None = None

    @property
    def dimension(self) -> int | None:
        """The length of a vector, or None if unknown before the first text is embedded."""
        return _integer_attribute(self.encoder, "dimension")

    @property
    def window(self) -> int | None:
        """The number of tokens the model reads of a text; None if unlimited or unknown."""
        return _integer_attribute(self.encoder, "window")

    @property
    def texts_per_call(self) -> int:
        """The number of texts per call of `encode`; progress and shards advance by calls."""
        return (
            self.requested_texts_per_call
            or _integer_attribute(self.encoder, "texts_per_call")
            or _TEXTS_PER_CALL
        )

    @property
    def pads(self) -> bool:
        """Whether a call costs less if its texts are about equally long."""
        return bool(getattr(self.encoder, "pads", True))

    def encode(self, texts: list[str]) -> Float[np.ndarray, "n d"]:
        """Return the vectors of `texts` as float32, one row per text, as the encoder scales them.

        Raises:
            EncoderError: the encoder failed, or did not return one numeric vector per text.
        """
        try:
            returned = self.encoder.encode(texts)
        except (EvenlyError, MemoryError):
            raise
        except Exception as error:
            raise EncoderError(
                f"the encoder {self.name!r} failed on {count(len(texts), 'text')} with "
                f"{type(error).__name__}: {error}"
            ) from error
        return _as_vectors(returned, len(texts), self.name)

    def truncated(self, texts: list[str]) -> Bool[np.ndarray, " n"]:
        """Return which texts are longer than the model's window, so that it ignores their ends."""
        find = getattr(self.encoder, "truncated", None)
        if find is None or not texts:
            return np.zeros(len(texts), dtype=bool)
        return np.asarray(find(texts), dtype=bool)


def _integer_attribute(encoder: object, attribute: str) -> int | None:
    value = getattr(encoder, attribute, None)
    return int(value) if isinstance(value, int | np.integer) else None


def _as_vectors(returned: Any, texts: int, name: str) -> Float[np.ndarray, "n d"]:
    """Convert the result of an encoder to float32 (n, d), or raise EncoderError."""
    try:
        vectors = np.asarray(_detached(returned))
    except (ValueError, TypeError, RuntimeError) as error:
        raise EncoderError(
            f"the encoder {name!r} returned {_describe(returned)} for {count(texts, 'text')}, "
            "which cannot "
            f"be converted to an array ({error}). It must return one vector per text, all of the "
            "same length."
        ) from error
    if vectors.dtype.kind not in "fiu":
        raise EncoderError(
            f"the encoder {name!r} returned {_describe(returned)} of type {vectors.dtype}. It "
            "must return numbers: one vector per text."
        )
    if vectors.ndim != 2 or vectors.shape[0] != texts or vectors.shape[1] == 0:
        raise EncoderError(
            f"the encoder {name!r} returned shape {vectors.shape} for {count(texts, 'text')}. It "
            "must "
            f"return one vector per text: shape ({texts}, d) with d at least 1."
        )
    # A value too large for float32 becomes inf, which the caller reports with its row.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(vectors, dtype=np.float32)


def _detached(returned: Any) -> Any:
    """Convert torch tensors of any device and dtype to NumPy arrays."""
    if hasattr(returned, "detach"):
        return returned.detach().cpu().float().numpy()
    if isinstance(returned, list | tuple) and returned and hasattr(returned[0], "detach"):
        return [_detached(row) for row in returned]
    return returned


def _describe(returned: Any) -> str:
    type_name = type(returned).__name__
    if isinstance(returned, list | tuple):
        lengths = sorted({len(row) for row in returned if hasattr(row, "__len__")})
        return f"a {type_name} of {len(returned)} rows of lengths {lengths[:5]}"
    return f"a {type_name}"
