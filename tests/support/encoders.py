"""A deterministic stand-in for a model, so that most tests load none."""

from __future__ import annotations

import hashlib

import numpy as np

from evenly.embedding import LoadedEncoder

DIMENSION = 5


def vector_of(text: str) -> np.ndarray:
    """The vector that belongs to a text, whatever else is embedded with it."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return np.frombuffer(digest[:DIMENSION], dtype=np.uint8).astype(np.float32) / 7


class CountingEncoder:
    """Embeds by hashing, and remembers every text it was asked for, in order."""

    window = 20

    def __init__(self, texts_per_call: int = 4) -> None:
        self.texts_per_call = texts_per_call
        self.seen: list[str] = []
        self.calls = 0

    def encode(self, texts: list[str]) -> np.ndarray:
        self.calls += 1
        self.seen += texts
        return np.array([vector_of(text) for text in texts])

    def truncated(self, texts: list[str]) -> np.ndarray:
        return np.array([len(text) > self.window for text in texts])


def loaded(encoder: object, fingerprint: str | None = "sha256:" + "ab" * 32) -> LoadedEncoder:
    return LoadedEncoder("counting", encoder, fingerprint)  # type: ignore[arg-type]
