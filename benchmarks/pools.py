"""Pools to choose from, generated or read from a file; all rows have unit length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

Vectors = np.ndarray

BLOCK = 16_384
"""Rows generated at once. The rows of a seed depend on it."""


def clustered(n: int, d: int = 384, seed: int = 0) -> Vectors:
    """Return isotropic Gaussian clusters of about a hundred rows each; float32, unit length."""
    rows = np.empty((n, d), np.float32)
    end = 0
    for block in clustered_blocks(n, d, seed):
        begin, end = end, end + len(block)
        rows[begin:end] = block
    return rows


def clustered_blocks(n: int, d: int = 384, seed: int = 0) -> Iterator[Vectors]:
    """Yield the rows of `clustered` block by block."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(1, n // 100), d), dtype=np.float32)
    for begin in range(0, n, BLOCK):
        count = min(BLOCK, n - begin)
        block = random.standard_normal((count, d), dtype=np.float32)
        block *= np.float32(0.5)
        block += centres[random.integers(len(centres), size=count)]
        yield unit_rows(block)


def embeddings_alike(n: int, d: int = 384, seed: int = 0) -> Vectors:
    """Return a substitute for sentence embeddings if no file of them is given.

    It shares with them a decaying spectrum, topics of very different sizes, near-duplicates and
    arbitrary axes. Its distances are not those of any text.
    """
    random = np.random.default_rng(seed)
    spread = (1.0 + np.arange(d)) ** -0.3
    axes = np.linalg.qr(random.standard_normal((d, d)))[0] * spread[:, None]
    axes = (axes / np.sqrt((spread**2).sum())).astype(np.float32)
    topics = random.standard_normal((max(1, n // 20), d), dtype=np.float32)
    topics += 0.35 * random.standard_normal(d, dtype=np.float32)  # a component common to all texts
    # Sizes follow Zipf's law: a few topics have many rows, most have few.
    shares = 1.0 / (1.0 + np.arange(len(topics))) ** 0.8
    topic = random.choice(len(topics), size=n, p=shares / shares.sum())
    rows = np.empty((n, d), np.float32)
    for begin in range(0, n, BLOCK):
        part = slice(begin, min(begin + BLOCK, n))
        noise = random.standard_normal((part.stop - begin, d), dtype=np.float32)
        # Uniform between near-duplicates and rows that hardly share their topic.
        noise *= random.uniform(0.1, 1.5, size=(len(noise), 1)).astype(np.float32)
        rows[part] = unit_rows((topics[topic[part]] + noise) @ axes)
    return rows


def curved(n: int, d: int = 384, seed: int = 0) -> Vectors:
    """Return rows of few intrinsic dimensions: float32, unit length.

    Rows have 24 coordinates with a decaying spectrum, in 200 clusters whose sizes follow Zipf's
    law, with noise of a quarter of the spread of the clusters. A linear map to d coordinates and
    a tanh bend them.
    """
    random = np.random.default_rng(seed)
    spread = (1.0 + np.arange(24)) ** -0.5
    centres = random.standard_normal((200, 24)) * spread
    shares = 1.0 / (1.0 + np.arange(200))
    cluster = random.choice(200, size=n, p=shares / shares.sum())
    short = centres[cluster] + 0.25 * random.standard_normal((n, 24)) * spread
    return unit_rows(np.tanh(short @ random.standard_normal((24, d))).astype(np.float32))


def from_npy(path: str | Path) -> Vectors:
    """Return the rows of a user's .npy file as float32 with unit length.

    Raises:
        ValueError: the file does not hold (n, d) finite, nonzero vectors.
    """
    rows = np.load(path)
    if rows.ndim != 2:
        raise ValueError(f"{Path(path).name} has shape {rows.shape}; (n, d) is needed.")
    return unit_rows(rows.astype(np.float32))


def unit_rows(rows: Vectors) -> Vectors:
    """Divide the rows by their lengths in place, and return them.

    Raises:
        ValueError: the length of a row is zero or not finite.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    usable = np.isfinite(lengths) & (lengths > 0)
    if not usable.all():
        raise ValueError(f"row {int(np.argmin(usable))} has no length to divide by.")
    rows /= lengths[:, None].astype(np.float32)
    return rows


def write_npy(path: Path, rows: Vectors) -> None:
    """Write a pool to a file atomically."""
    part = path.with_suffix(".part")
    with part.open("wb") as stream:
        np.save(stream, rows)
    part.rename(path)


def write_large_npy(path: Path, n: int = 2_000_000, d: int = 384, seed: int = 0) -> None:
    """Write the rows of `clustered` to a file as float16, block by block."""
    part = path.with_suffix(".part")
    header = {"descr": "<f2", "fortran_order": False, "shape": (n, d)}
    with part.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for block in clustered_blocks(n, d, seed):
            stream.write(block.astype("<f2").tobytes())
    part.rename(path)


def blocks(rows: Vectors) -> Iterator[slice]:
    """Yield slices that cover the rows of a pool in small blocks."""
    for begin in range(0, len(rows), BLOCK):
        yield slice(begin, min(begin + BLOCK, len(rows)))


def farthest_from_mean(rows: Vectors) -> int:
    """Return the row farthest from the mean in float64, the first if several tie."""
    mean = np.zeros(rows.shape[1])
    for block in blocks(rows):
        mean += rows[block].sum(axis=0, dtype=np.float64)
    mean /= len(rows)
    farthest, row = -1.0, 0
    for block in blocks(rows):
        gaps = rows[block].astype(np.float64) - mean
        squared = np.einsum("ij,ij->i", gaps, gaps)
        best = int(np.argmax(squared))
        if squared[best] > farthest:
            farthest, row = float(squared[best]), block.start + best
    return row
