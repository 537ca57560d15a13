"""Encoders that load nothing, and pools of texts for them."""

import numpy as np


class Letters:
    """Embeds a text as how often each letter occurs in it: quick, and equal for equal texts."""

    window = 60

    def __init__(self):
        self.seen = []

    def encode(self, texts):
        self.seen += texts
        return np.array(
            [[text.count(letter) for letter in "abcdefghij"] + [1] for text in texts], np.float32
        )

    def truncated(self, texts):
        return [len(text) > self.window for text in texts]


class CachedLetters(Letters):
    """Has a fingerprint, so that its vectors are cached."""

    fingerprint = "letters 1"


def texts_of(count, seed=0):
    """`count` different texts of the letters that Letters counts."""
    rng = np.random.default_rng(seed)
    return [f"{''.join(rng.choice(list('abcdefghij'), 12))} {row}" for row in range(count)]


def gaps_by_definition(vectors, normalize):
    """(n, n) Euclidean distances, by subtraction in float64."""
    rows = np.asarray(vectors).astype(np.float64)
    if normalize:
        rows = rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))
    squared = np.array([((rows - row) ** 2).sum(axis=1) for row in rows])
    if normalize:  # rows that only the rounding of the division tells apart are one row
        squared[squared < 1e-28] = 0.0
    return np.sqrt(squared)
