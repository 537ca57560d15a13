"""The `Encoder` protocol, and the wrapper that holds any encoder to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from evenly.errors import EncoderError, EvenlyError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

__all__ = ["Encoder", "LoadedEncoder"]

_TEXTS_PER_CALL = 256


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns n texts into n vectors.

    Optional attributes are honoured when they are there: `name` (str), `dimension` (int),
    `window` (tokens read of each text), `texts_per_call` (int), `truncated(texts)` (one bool
    a text: longer than the window?), and `fingerprint` (str), which must change whenever the
    vectors would: an object that has one is cached on disk, one that has none is not.
    """

    def encode(self, texts: list[str]) -> Any:
        """Return one vector a text: an array, tensor or list of shape (n, d)."""


@dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with its provenance, whose every answer is checked.

    Attributes:
        name: what to call it; passing it to `load_encoder` gives the same model again, for
            models that came by name or path.
        fingerprint: "sha256:..." over the weights and every option that changes the vectors;
            None when that cannot be known, and then nothing is cached.
        weights_hash: "sha256:..." of the weights alone. For a model of one weight file it is
            that file's sha256, so that it can be compared with the one its source publishes.
        calls_of: texts handed over at once, where that was asked for.
    """

    name: str
    encoder: Encoder = field(repr=False)
    fingerprint: str | None = None
    weights_hash: str | None = None
    calls_of: int | None = None

    @property
    def dimension(self) -> int | None:
        """The length of a vector, when it is known without embedding anything."""
        return _integer_attribute(self.encoder, "dimension")

    @property
    def window(self) -> int | None:
        """How many tokens of a text the model reads; None when unlimited or unknown."""
        return _integer_attribute(self.encoder, "window")

    @property
    def texts_per_call(self) -> int:
        """How many texts to hand over at once, so that progress shows and shards are cut."""
        own = _integer_attribute(self.encoder, "texts_per_call")
        return self.calls_of or own or _TEXTS_PER_CALL

    def encode(self, texts: list[str]) -> Float[np.ndarray, "n d"]:
        """Embed `texts`: float32, one row a text, as the encoder scales them.

        Raises:
            EncoderError: the encoder failed, or did not return one numeric vector a text.
        """
        try:
            returned = self.encoder.encode(texts)
        except (EvenlyError, MemoryError):
            raise
        except Exception as error:
            raise EncoderError(
                f"the encoder {self.name!r} failed on {len(texts)} texts: "
                f"{type(error).__name__}: {error}"
            ) from error
        return _as_vectors(returned, len(texts), self.name)

    def truncated(self, texts: list[str]) -> Bool[np.ndarray, " n"]:
        """Which texts are longer than the model's window, so that their ends are ignored."""
        find = getattr(self.encoder, "truncated", None)
        if find is None or not texts:
            return np.zeros(len(texts), dtype=bool)
        return np.asarray(find(texts), dtype=bool)

    def count_truncated(self, texts: list[str]) -> int:
        """How many texts are longer than the model's window (0 where that is unknown)."""
        return int(self.truncated(texts).sum())


def _integer_attribute(encoder: object, attribute: str) -> int | None:
    value = getattr(encoder, attribute, None)
    return int(value) if isinstance(value, int | np.integer) else None


def _as_vectors(returned: Any, texts: int, name: str) -> Float[np.ndarray, "n d"]:
    """Convert what an encoder returned to float32 (n, d), or say what it was instead."""
    try:
        vectors = np.asarray(_detached(returned))
    except (ValueError, TypeError, RuntimeError) as error:
        raise EncoderError(
            f"the encoder {name!r} returned {_describe(returned)} for {texts} texts, which is "
            f"not an array ({error}). It must return one vector of the same length for each text."
        ) from error
    if vectors.dtype.kind not in "fiu":
        raise EncoderError(
            f"the encoder {name!r} returned {_describe(returned)} of type {vectors.dtype}. It "
            "must return numbers: one vector for each text."
        )
    if vectors.ndim != 2 or vectors.shape[0] != texts or vectors.shape[1] == 0:
        raise EncoderError(
            f"the encoder {name!r} returned shape {vectors.shape} for {texts} texts. It must "
            f"return one vector for each text: shape ({texts}, d), d at least 1."
        )
    # A value too large for float32 becomes inf, which the caller's check of the vectors names.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(vectors, dtype=np.float32)


def _detached(returned: Any) -> Any:
    """Bring torch tensors, on any device and of any dtype, to where NumPy can read them."""
    if hasattr(returned, "detach"):
        return returned.detach().cpu().float().numpy()
    if isinstance(returned, list | tuple) and returned and hasattr(returned[0], "detach"):
        return [_detached(row) for row in returned]
    return returned


def _describe(returned: Any) -> str:
    kind = type(returned).__name__
    if isinstance(returned, list | tuple):
        lengths = sorted({len(row) for row in returned if hasattr(row, "__len__")})
        return f"a {kind} of {len(returned)} rows of lengths {lengths[:5]}"
    return f"a {kind}"
