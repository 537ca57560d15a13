"""What a selection will cost on this machine, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from evenly.embedding import embed_texts, load_encoder
from evenly.engines.registry import check_engine
from evenly.errors import EmptyPoolError, OptionError
from evenly.geometry import single_threaded_blas, usable_threads
from evenly.inputs.prepare import TextColumns, stay_on_disk
from evenly.memory import free_memory, memory_bytes
from evenly.samples import open_samples, read_texts
from evenly.selection.rules.budget import check_budget, rows_of_budget

__all__ = ["Estimate", "estimate"]


_SAMPLE_TEXTS = 64


_ROOM_BYTES = 200e6


# A row's factor, length, bound, nearest chosen row, and what partial sorting takes.
_BYTES_A_ROW = 60


# Passes over the vectors before the first pick: lengths, mean, distances to it, hash.
_PASSES = 4


_BYTES_A_SECOND = 2.5e9


# Files of vectors are read about so often, and decoded: 7 to 9 times, from the page cache, at
# 2,000,000 rows of 384.
_READINGS = 8


_BYTES_READ_A_SECOND = 1.6e9


# Fitted to 12 pools of 1,000 to 200,000 rows on 2 cores of an AMD EPYC (AVX-512): with these
# numbers estimates are 0.75 to 1.9 times what they took, 0.68 to 1.7 without its registers of 512
# bits. Of the pairs of chosen rows, and of chosen rows with others, which share is compared,
# overheads included; seconds that rounds take of one core where they are many, and the
# multiplications from which they are.
_OF_CHOSEN, _OF_OTHERS = 0.47, 0.11


_ROUNDS, _LONG = 0.3, 1e10


@dataclass(frozen=True)
class Estimate:
    """What a selection will take.

    Attributes:
        engine: which engine "auto" takes, or the one asked for.
        rows: of the pool.
        dimension: coordinates of a vector.
        budget: rows that will be chosen.
        memory: bytes of the vectors and of what the engine keeps, at their peak; the
            interpreter, the libraries and an encoder's model come on top.
        embedding_seconds: for texts, none of whose vectors are in the cache; else 0.
        selection_seconds: from the vectors to the answer.
    """

    engine: str
    rows: int
    dimension: int
    budget: int
    memory: int
    embedding_seconds: float
    selection_seconds: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.embedding_seconds + self.selection_seconds

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {**asdict(self), "seconds": self.seconds}


def estimate(
    data: Any,
    budget: int | float,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
) -> Estimate:
    """Say what `select_uniform` with these arguments will cost, without doing it.

    Times come from a short measurement here and a model of how many pairs are compared; they
    are meant to be right within a factor of two, for data that are neither all alike nor all
    duplicates. On a GPU they are too large.

    Args:
        data, budget, text, roles, encoder, encoder_options, engine, device, memory: as in
            `select_uniform`.

    Raises:
        OptionError: the job does not fit in memory; the message says what would.
        BudgetError, DataError: as in `select_uniform`.

    Cost: reads texts and embeds 64 of them; of vectors it reads nothing.
    """
    check_budget(budget)
    check_engine(engine)
    allowed = memory_bytes(memory)
    samples = open_samples(data)
    if len(samples) == 0:
        raise EmptyPoolError(f"{samples.origin} holds no rows; there is nothing to choose from.")
    embedding_seconds, on_disk = 0.0, False
    if samples.holds_vectors:
        stored = samples.stored
        vectors: Any = samples.vectors if stored is None else stored
        (rows, dimension), item = vectors.shape, vectors.dtype.itemsize
        on_disk = stay_on_disk(stored, engine, allowed)
    else:
        texts = read_texts(samples, text, roles)
        usable = [row for row in range(len(samples)) if row not in texts.invalid]
        rows, item = len(samples), 4
        loaded = load_encoder(encoder, device=device, **dict(encoder_options or {}))
        step = max(1, len(usable) // _SAMPLE_TEXTS)
        some = [texts.values[row] for row in usable[::step][:_SAMPLE_TEXTS]]
        embed_texts(some[:2], loaded, cache=None, progress=False)  # what happens once only
        began = perf_counter()
        embedded = embed_texts(some, loaded, cache=None, progress=False)
        embedding_seconds = (perf_counter() - began) / max(1, len(some)) * len(usable)
        dimension = embedded.vectors.shape[1]
    chosen = rows_of_budget(budget, rows)
    name = _engine(engine, on_disk)
    needed = _memory(name, rows, dimension, item, chosen, allowed)
    _check_fits(name, needed, rows, dimension, item)
    seconds = _selection_seconds(rows, dimension, item, chosen)
    if name == "mapped":
        seconds += _READINGS * float(rows) * dimension * item / _BYTES_READ_A_SECOND
    return Estimate(name, rows, dimension, chosen, int(needed), embedding_seconds, seconds)


def _engine(engine: str, on_disk: bool) -> str:
    if engine != "auto":
        return engine
    return "mapped" if on_disk else "memory"


def _memory(
    engine: str, rows: int, dimension: int, item: int, chosen: int, allowed: float | None
) -> float:
    vectors = float(rows) * dimension * item
    columns = float(chosen) * dimension * (item + 4)
    if engine == "distances":
        return vectors + rows * 24.0
    if engine == "mapped":
        from evenly.engines.registry import DEFAULT_MEMORY

        limit = DEFAULT_MEMORY if allowed is None else allowed
        return min(limit, 2 * vectors + columns + rows * _BYTES_A_ROW)
    proxies = float(rows) * dimension * 4
    if proxies > vectors / 4 + _ROOM_BYTES:
        proxies = min(float(rows) * dimension * 2, vectors / 4 + _ROOM_BYTES)
    return vectors + proxies + columns + rows * _BYTES_A_ROW


def _check_fits(engine: str, needed: float, rows: int, dimension: int, item: int) -> None:
    free = free_memory()
    if needed <= free:
        return
    advice = (
        'Save the vectors as .npy and pass engine="mapped" with memory= what may be taken.'
        if engine != "mapped"
        else "Pass a smaller memory=."
    )
    raise OptionError(
        f"{rows:,} rows of {dimension} numbers of {item} bytes need {needed / 1e9:.1f} GB with "
        f'engine="{engine}", and {free / 1e9:.1f} GB are free. {advice}'
    )


def _selection_seconds(rows: int, dimension: int, item: int, chosen: int) -> float:
    """The model: shares of all pairs at the speed of matrix products here, passes and rounds.

    Chosen rows are compared with all before them; the others with a share.
    """
    work = float(rows) * chosen * dimension
    # Turned rows are compared by a part of their coordinates, where there is much to compare.
    coordinates = dimension if work < _LONG or dimension < 96 else 0.6 * dimension
    pairs = chosen * (_OF_CHOSEN * chosen + _OF_OTHERS * (rows - chosen))
    products = pairs * coordinates * _seconds_a_multiplication()
    rounds = _ROUNDS * min(1.0, work / _LONG)
    passes = _PASSES * float(rows) * dimension * item / _BYTES_A_SECOND
    return 0.002 + (products + rounds) / usable_threads() + passes


def _seconds_a_multiplication() -> float:
    """Of a float32 matrix product on one core."""
    left = np.ones((1024, 192), np.float32)
    right = np.ones((512, 192), np.float32)
    times = []
    with single_threaded_blas():
        for _ in range(5):
            began = perf_counter()
            left @ right.T
            times.append(perf_counter() - began)
    return min(times) / (1024 * 512 * 192)
