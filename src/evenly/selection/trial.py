"""What a short trial on a machine says about the memory and the time of a selection there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np

from evenly.embedding import LoadedEncoder, embed_texts
from evenly.errors import OptionError
from evenly.geometry import single_threaded_blas, usable_threads
from evenly.inputs.memory_plan import check_memory, goes_to_disk
from evenly.inputs.prepare import load_model, stay_on_disk
from evenly.memory import free_memory, memory_bytes, resident_memory
from evenly.options import InputOptions
from evenly.samples import Samples, check_text, texts_of_rows
from evenly.selection.rehearsal import rehearse, some_rows
from evenly.shapes import Float

# Texts that are embedded to measure the encoder: a few, or more if they take too short a time.
_SAMPLE_TEXTS, _MORE_TEXTS, _SHORT_SECONDS = 64, 4096, 0.1

# So many texts are embedded three times, because others may have the cores in between.
_MANY_TEXTS = 1024

# Memory. A row's factor, length, bound, nearest chosen row and what partial sorting needs.
_BYTES_PER_ROW = 60
# Beyond a quarter of the vectors, float32 proxies get this much before they become 16 bits wide.
_PROXY_BYTES = 200e6

# Compiled loops and their scratch memory; bytes a row in memory that reading and measuring take
# beside the engine; and how much of a limit is used up.
_COMPILED_BYTES, _MEASURED_BYTES, _SHARE_OF_LIMIT = 100e6, 560, 0.9

# Passes over the vectors before the first pick: lengths, mean, distances to it, hash.
_PASSES = 4
_BYTES_PER_SECOND = 2.5e9
# How often files of vectors are read and decoded, from the page cache, for 2,000,000 rows of 384.
_FILE_PASSES = 5
_FILE_BYTES_PER_SECOND = 1.6e9

# Fitted to 12 pools of 1,000 to 200,000 rows on 2 cores of an AMD EPYC with AVX-512, where
# estimates were 0.75 to 1.9 times the measured seconds (0.68 to 1.7 without AVX-512).
# Share of the pairs that is compared, overheads included: between chosen rows, and between
# chosen rows and others.
_SHARE_OF_CHOSEN, _SHARE_OF_OTHERS = 0.47, 0.11
# Seconds that the rounds take on one core, from this many multiplications on.
_ROUND_SECONDS, _MANY_MULTIPLICATIONS = 0.3, 1e10


class Vectors(NamedTuple):
    """The shape of a pool's vectors, and the bytes of one number."""

    rows: int
    dimension: int
    bytes_per_number: int

    @property
    def nbytes(self) -> float:
        """Bytes of all of them."""
        return float(self.rows) * self.dimension * self.bytes_per_number


@dataclass(frozen=True)
class Trial:
    """What rows cost on the machine that has them.

    Attributes:
        vectors: the shape of their vectors.
        engine, memory, peak_memory, embedding_seconds: see `Estimate`.
        comparing_seconds: from vectors to the answer, without what rounds of picks cost.
        start_seconds: what loading compiled loops takes at the beginning of a process.
        slowness: how many times the seconds of the model a rehearsal took, which
            `comparing_seconds` has been multiplied by.
        file_bytes: of the temporary file of vectors; 0 without one.
    """

    vectors: Vectors
    engine: str
    memory: int
    peak_memory: int
    embedding_seconds: float
    comparing_seconds: float
    start_seconds: float
    slowness: float
    file_bytes: int


def try_rows(
    samples: Samples,
    inputs: InputOptions,
    budget: int,
    pool: int,
) -> Trial | None:
    """Return what choosing `budget` of `pool` rows costs the machine that has these; None: no rows.

    Raises:
        OptionError: they do not fit in memory.
    """
    if len(samples) == 0:
        return None
    if not samples.holds_vectors:
        vectors, some, seconds = _try_embedding(samples, inputs)
        on_disk = goes_to_disk(vectors.rows, vectors.nbytes, inputs)
        return try_vectors(
            vectors, inputs, budget, pool, on_disk=on_disk, some=lambda: some, seconds=seconds
        )
    given = samples.stored_vectors
    rows, dimension = given.shape
    vectors = Vectors(rows, dimension, given.dtype.itemsize)
    on_disk = stay_on_disk(samples.stored, inputs)
    here = vectors.nbytes if samples.stored is None else 0.0
    return try_vectors(
        vectors, inputs, budget, pool, on_disk=on_disk, here=here, some=lambda: some_rows(given)
    )


def try_vectors(
    vectors: Vectors,
    inputs: InputOptions,
    budget: int,
    pool: int,
    *,
    on_disk: bool = False,
    here: float = 0.0,
    some: Callable[[], Float[np.ndarray, "m d"]] | None = None,
    seconds: float | None = None,
) -> Trial:
    """Return what vectors cost; see `try_rows`.

    Args:
        here: bytes of them that this process has already.
        some: returns some of them, to choose among on trial.
        seconds: how long embedding them takes; None if they are not made of texts.
    """
    if on_disk:
        rows, dimension, size = vectors
        check_memory(rows, dimension, size, min(budget, rows), inputs)
    engine = inputs.engine
    if engine == "auto":
        engine = "mapped" if on_disk else "memory"
    resident = resident_memory() - here  # the rehearsal loads what is counted as compiled loops
    each = _seconds_per_multiplication()
    slowness, start, has_proxies = 1.0, 0.0, True
    found = None
    if some is not None and engine in ("memory", "mapped"):
        few_rows = some()
        whole = len(few_rows) == vectors.rows
        found = rehearse(few_rows, budget / pool, normalize=inputs.normalize, whole=whole)
    if found is not None:
        few = vectors._replace(rows=found.rows)
        modelled = _comparing_seconds(few, found.budget, found.rows, each)
        slowness = found.seconds / (modelled + rounds_seconds(few, found.budget))
        start = found.start_seconds
        # The records of texts take about what proxies of their vectors would.
        has_proxies = seconds is not None or not found.as_they_are
    needed = _needed_memory(
        engine, vectors, budget, memory_bytes(inputs.memory), has_proxies=has_proxies
    )
    _check_fits(engine, needed, vectors)
    comparing = _comparing_seconds(vectors, budget, pool, each)
    if engine == "mapped":
        comparing += _FILE_PASSES * vectors.nbytes / _FILE_BYTES_PER_SECOND
    return Trial(
        vectors=vectors,
        engine=engine,
        memory=int(needed),
        peak_memory=int(_peak_memory(engine, needed, vectors, resident)),
        embedding_seconds=seconds or 0.0,
        comparing_seconds=comparing * slowness,
        start_seconds=start,
        slowness=slowness,
        file_bytes=int(vectors.nbytes) if on_disk and seconds is not None else 0,
    )


def _try_embedding(
    samples: Samples, inputs: InputOptions
) -> tuple[Vectors, Float[np.ndarray, "m d"], float]:
    """Embed some texts; return the shape of all vectors, these vectors, and the seconds for all."""
    if inputs.text is not None and not callable(inputs.text):
        check_text(samples, inputs.text)
    model, rows = load_model(inputs), len(samples)
    # A fast encoder shows its speed only with more texts.
    few, many = min(rows, _SAMPLE_TEXTS), max(_SAMPLE_TEXTS, min(rows // 8, _MORE_TEXTS))
    numbers = np.unique(np.linspace(0, rows - 1, max(few, min(rows, many))).astype(int))
    texts = list(texts_of_rows(samples, numbers.tolist(), inputs.text, inputs.roles))
    usable = [text for text in texts if text]
    embed_texts(usable[:2], model, cache=None, progress=False)  # warm up
    some = usable[:: max(1, len(usable) // few)][:few]
    seconds, embedded = _time_embedding(some, model)
    if seconds < _SHORT_SECONDS and len(usable) > len(some):
        some = usable
        seconds, embedded = _time_embedding(some, model)
        if len(some) >= _MANY_TEXTS:
            seconds = (seconds + sum(_time_embedding(some, model)[0] for _ in range(2))) / 3
    n_usable = rows * len(usable) / max(1, len(texts))
    vectors = Vectors(rows, embedded.shape[1], bytes_per_number=4)
    return vectors, embedded, seconds / max(1, len(some)) * n_usable


def _time_embedding(
    texts: Sequence[str], model: LoadedEncoder
) -> tuple[float, Float[np.ndarray, "m d"]]:
    began = perf_counter()
    embedded = embed_texts(texts, model, cache=None, progress=False)
    return perf_counter() - began, embedded.vectors


def _needed_memory(
    engine: str, vectors: Vectors, budget: int, limit: float | None, *, has_proxies: bool
) -> float:
    """Return the peak in bytes of the vectors and of what the engine keeps.

    Rows of length 1 in float32 need no proxies.
    """
    if engine == "distances":
        return vectors.nbytes + vectors.rows * 24.0
    targets = float(budget) * vectors.dimension * (vectors.bytes_per_number + 4)
    bounds = float(vectors.rows) * _BYTES_PER_ROW
    if engine == "mapped":
        from evenly.engines.registry import DEFAULT_MEMORY

        most = DEFAULT_MEMORY if limit is None else limit
        return min(most, 2 * vectors.nbytes + targets + bounds)
    numbers, most = float(vectors.rows) * vectors.dimension, vectors.nbytes / 4 + _PROXY_BYTES
    proxies = numbers * 4 if numbers * 4 <= most else min(numbers * 2, most)
    return vectors.nbytes + proxies * has_proxies + targets + bounds


def _peak_memory(engine: str, needed: float, vectors: Vectors, resident: float) -> float:
    """Return the peak in bytes of the whole process, measured with a certificate."""
    own = max(0.0, resident) + _COMPILED_BYTES
    if engine == "mapped":
        return own + _SHARE_OF_LIMIT * needed
    return own + needed + vectors.rows * _MEASURED_BYTES


def _check_fits(engine: str, needed: float, vectors: Vectors) -> None:
    free = free_memory()
    if needed <= free:
        return
    advice = (
        'Save the vectors as .npy and pass engine="mapped" with memory= set to what may be used.'
        if engine != "mapped"
        else "Pass a smaller memory=."
    )
    raise OptionError(
        f"{vectors.rows:,} rows of {vectors.dimension} numbers of {vectors.bytes_per_number} bytes "
        f'need {needed / 1e9:.1f} GB with engine="{engine}", and {free / 1e9:.1f} GB are free. '
        f"{advice}"
    )


def rounds_seconds(vectors: Vectors, budget: int) -> float:
    """Return what rounds of picks cost on one machine."""
    work = float(vectors.rows) * budget * vectors.dimension
    return 0.002 + _ROUND_SECONDS * min(1.0, work / _MANY_MULTIPLICATIONS) / usable_threads()


def _comparing_seconds(vectors: Vectors, budget: int, pool: int, each: float) -> float:
    """Model the seconds of passes over vectors, and of pairs at the measured speed of products.

    A multiplication takes `each` seconds on one core.

    Chosen rows are compared with most rows chosen before them, other rows with a small share. A
    machine that has a part of the pool has this part of the pairs.
    """
    rows, dimension = vectors.rows, vectors.dimension
    coordinates = float(dimension)
    if float(rows) * budget * dimension >= _MANY_MULTIPLICATIONS and dimension >= 96:
        # Proxies on the principal axes are compared by their leading coordinates.
        coordinates *= 0.6
    pairs = budget * (_SHARE_OF_CHOSEN * budget + _SHARE_OF_OTHERS * (pool - budget))
    products = pairs * rows / pool * coordinates * each
    return products / usable_threads() + _PASSES * vectors.nbytes / _BYTES_PER_SECOND


def _seconds_per_multiplication() -> float:
    """Time a float32 matrix product on one core."""
    left = np.ones((1024, 192), np.float32)
    right = np.ones((512, 192), np.float32)
    times = []
    with single_threaded_blas():
        for _ in range(5):
            began = perf_counter()
            left @ right.T
            times.append(perf_counter() - began)
    return min(times) / (1024 * 512 * 192)
