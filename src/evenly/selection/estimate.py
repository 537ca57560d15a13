"""Estimate what a selection will cost on this machine before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from os import PathLike
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from evenly.embedding import LoadedEncoder, embed_texts, open_cache
from evenly.errors import EmptyPoolError, OptionError
from evenly.geometry import single_threaded_blas, usable_threads
from evenly.inputs.memory_plan import check_memory, goes_to_disk
from evenly.inputs.prepare import load_model, stay_on_disk
from evenly.inputs.vector_file import scratch_folder
from evenly.memory import free_memory, memory_bytes, resident_memory
from evenly.options import DEFAULT_ENCODER, InputOptions, RuleOptions, TextColumns, documented
from evenly.samples import Samples, check_text, open_with_vectors, texts_of_rows
from evenly.selection.rules.budget import rows_of_budget
from evenly.tables import count, format_seconds, html_table

# Texts that are embedded to measure the encoder: a few, or more if they take too short a time.
_SAMPLE_TEXTS, _MORE_TEXTS, _SHORT_SECONDS = 64, 4096, 0.1

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
# How often files of vectors are read and decoded: 6 to 7 times, from the page cache, for
# 2,000,000 rows of 384.
_FILE_PASSES = 6
_FILE_BYTES_PER_SECOND = 1.6e9

# Fitted to 12 pools of 1,000 to 200,000 rows on 2 cores of an AMD EPYC with AVX-512, where
# estimates were 0.75 to 1.9 times the measured seconds (0.68 to 1.7 without AVX-512).
# Share of the pairs that is compared, overheads included: between chosen rows, and between
# chosen rows and others.
_SHARE_OF_CHOSEN, _SHARE_OF_OTHERS = 0.47, 0.11
# Seconds that the rounds take on one core, from this many multiplications on.
_ROUND_SECONDS, _MANY_MULTIPLICATIONS = 0.3, 1e10


class _Vectors(NamedTuple):
    """The shape of a pool's vectors, and the bytes of one number."""

    rows: int
    dimension: int
    bytes_per_number: int

    @property
    def nbytes(self) -> float:
        return float(self.rows) * self.dimension * self.bytes_per_number


@dataclass(frozen=True)
class Estimate:
    """The estimated cost of a selection.

    Attributes:
        engine: the requested engine, or the one that "auto" resolves to.
        rows: number of rows in the pool.
        dimension: coordinates of a vector.
        budget: number of rows that will be chosen.
        memory: peak in bytes of the vectors and of what the engine keeps; the interpreter, the
            libraries and an encoder's model come on top.
        peak_memory: peak in bytes of a whole process that reads, embeds, chooses and measures, with
            what this process has now: the interpreter, the libraries, the model and data.
        embedding_seconds: for texts, if no vector is cached; 0 for vectors.
        selection_seconds: from the vectors to the answer.
        disk: bytes of the temporary file of vectors that do not fit in memory; 0 without one. The
            embedding cache comes on top, and grows by about as much.
        disk_folder: the folder of the temporary file; None without one.
    """

    engine: str
    rows: int
    dimension: int
    budget: int
    memory: int
    peak_memory: int
    embedding_seconds: float
    selection_seconds: float
    disk: int = 0
    disk_folder: str | None = None

    @property
    def seconds(self) -> float:
        """The total."""
        return self.embedding_seconds + self.selection_seconds

    def _repr_html_(self) -> str:
        lines = [
            ("engine", self.engine),
            ("memory", f"{self.peak_memory / 1e6:,.0f} MB"),
            ("embedding", format_seconds(self.embedding_seconds)),
            ("selection", format_seconds(self.selection_seconds)),
        ]
        return html_table(f"Estimate: {self.budget:,} of {count(self.rows, 'row')}", lines)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "seconds": self.seconds}


@documented(InputOptions, RuleOptions)
def estimate(
    data: Any,
    budget: int | float,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
) -> Estimate:
    """Estimate what `select_uniform` with these arguments would cost, without running it.

    Times come from a short measurement on this machine and a model of how many pairs are
    compared. They are meant to be right within a factor of two for data that are neither all
    alike nor mostly duplicates, and are too large for a GPU.

    Args:
        data: as in `select_uniform`.

    Raises:
        OptionError: the selection does not fit in memory; the message suggests what would.
        BudgetError, DataError: as in `select_uniform`.

    Cost: reads and embeds a sample of the texts, 64 or up to 4,096 with a fast encoder; vectors
        are not read.
    """
    arguments = locals()
    inputs = replace(InputOptions.of(arguments), progress=False)
    return estimate_selection(data, RuleOptions.of(arguments), inputs)


def estimate_selection(data: Any, rules: RuleOptions, inputs: InputOptions) -> Estimate:
    """Estimate what a selection would cost; see `estimate`."""
    samples = open_with_vectors(data, inputs.vectors, inputs.id_column)
    if len(samples) == 0:
        raise EmptyPoolError(f"{samples.origin} holds no rows; there is nothing to choose from.")
    n_chosen = rows_of_budget(rules.budget, len(samples))
    embedding_seconds, on_disk, resident = 0.0, False, 0.0
    if samples.holds_vectors:
        given = samples.stored_vectors
        rows, dimension = given.shape
        vectors = _Vectors(rows, dimension, given.dtype.itemsize)
        on_disk = stay_on_disk(samples.stored, inputs)
        if samples.stored is None:
            resident -= vectors.nbytes  # which are there already
    else:
        vectors, embedding_seconds = _try_embedding(samples, inputs)
        on_disk = goes_to_disk(vectors.rows, vectors.nbytes, inputs)
    resident += resident_memory()
    if on_disk:
        check_memory(vectors.rows, vectors.dimension, vectors.bytes_per_number, n_chosen, inputs)
    engine = inputs.engine
    if engine == "auto":
        engine = "mapped" if on_disk else "memory"
    needed = _needed_memory(engine, vectors, n_chosen, memory_bytes(inputs.memory))
    _check_fits(engine, needed, vectors)
    seconds = _selection_seconds(vectors, n_chosen)
    if engine == "mapped":
        seconds += _FILE_PASSES * vectors.nbytes / _FILE_BYTES_PER_SECOND
    return Estimate(
        engine=engine,
        rows=vectors.rows,
        dimension=vectors.dimension,
        budget=n_chosen,
        memory=int(needed),
        peak_memory=int(_peak_memory(engine, needed, vectors, resident)),
        embedding_seconds=embedding_seconds,
        selection_seconds=seconds,
        **_disk_of(vectors, inputs, written=on_disk and not samples.holds_vectors),
    )


def _disk_of(vectors: _Vectors, inputs: InputOptions, *, written: bool) -> dict[str, Any]:
    """Return the size and the folder of the temporary file of vectors, if there is one."""
    if not written:
        return {}
    folder = scratch_folder(open_cache(inputs.cache_dir))
    return {"disk": int(vectors.nbytes), "disk_folder": str(folder)}


def _try_embedding(samples: Samples, inputs: InputOptions) -> tuple[_Vectors, float]:
    """Embed a sample of the texts; return the shape of all vectors and the seconds for all."""
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
    seconds, dimension = _time_embedding(some, model)
    if seconds < _SHORT_SECONDS and len(usable) > len(some):
        some = usable
        seconds, dimension = _time_embedding(some, model)
    n_usable = rows * len(usable) / max(1, len(texts))
    vectors = _Vectors(rows, dimension, bytes_per_number=4)
    return vectors, seconds / max(1, len(some)) * n_usable


def _time_embedding(texts: Sequence[str], model: LoadedEncoder) -> tuple[float, int]:
    began = perf_counter()
    embedded = embed_texts(texts, model, cache=None, progress=False)
    return perf_counter() - began, embedded.vectors.shape[1]


def _needed_memory(engine: str, vectors: _Vectors, budget: int, limit: float | None) -> float:
    """Return the peak in bytes of the vectors and of what the engine keeps."""
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
    return vectors.nbytes + proxies + targets + bounds


def _peak_memory(engine: str, needed: float, vectors: _Vectors, resident: float) -> float:
    """Return the peak in bytes of the whole process, measured with a certificate."""
    own = max(0.0, resident) + _COMPILED_BYTES
    if engine == "mapped":
        return own + _SHARE_OF_LIMIT * needed
    return own + needed + vectors.rows * _MEASURED_BYTES


def _check_fits(engine: str, needed: float, vectors: _Vectors) -> None:
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


def _selection_seconds(vectors: _Vectors, budget: int) -> float:
    """Model the seconds: compared pairs at the measured speed of products, rounds and passes.

    Chosen rows are compared with most rows chosen before them, other rows with a small share.
    """
    rows, dimension = vectors.rows, vectors.dimension
    work = float(rows) * budget * dimension
    coordinates = float(dimension)
    if work >= _MANY_MULTIPLICATIONS and dimension >= 96:
        # Proxies on the principal axes are compared by their leading coordinates.
        coordinates *= 0.6
    pairs = budget * (_SHARE_OF_CHOSEN * budget + _SHARE_OF_OTHERS * (rows - budget))
    products = pairs * coordinates * _seconds_per_multiplication()
    rounds = _ROUND_SECONDS * min(1.0, work / _MANY_MULTIPLICATIONS)
    passes = _PASSES * vectors.nbytes / _BYTES_PER_SECOND
    return 0.002 + (products + rounds) / usable_threads() + passes


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
