"""`select_uniform`: the front door of selection."""

from __future__ import annotations

import datetime
import math
import platform
import warnings
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from os import PathLike
from time import perf_counter
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from evenly._version import __version__
from evenly.errors import BudgetError, DuplicateRowsWarning, OptionError, RowError
from evenly.geometry import first_of_the_farthest
from evenly.intake import (
    Intake,
    OnInvalid,
    TextColumns,
    as_json_value,
    take_in,
    whole_number,
)
from evenly.pools import ENGINES, make_pool
from evenly.selection.farthest_first import Picks, farthest_first
from evenly.selection.selection import Selection

__all__ = ["rows_of_budget", "select_and_keep", "select_uniform"]


def select_uniform(
    data: Any,
    budget: int | float,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    start: int | str = "farthest-from-mean",
    engine: str = "auto",
    device: str = "auto",
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Selection:
    """Choose the `budget` rows that are spread most evenly: farthest-first, exact.

    h_min, the smallest distance between two chosen rows, is at least half of what any
    `budget` rows could reach. The answer depends on the vectors alone, not on the machine.

    Args:
        data: a list of strings or of dicts, a Hugging Face Dataset, a pandas or Polars frame,
            an Arrow table; a path to .jsonl, .json, .csv, .tsv (also .gz), .parquet or .npy,
            a glob or a folder of such shards; or vectors (n, d): a NumPy array, a memory map,
            a torch tensor.
        budget: how many rows: an int, or a fraction in (0, 1] of the usable rows.
        text: the column that holds the text, several columns to join, or a function of the
            record; found by itself when one answer is obvious. Chat data (`messages`,
            `conversations`) are understood.
        roles: of chat data, whose messages are the text.
        encoder: a sentence-transformers name, a path, "static", or anything with
            `encode(list[str]) -> (n, d)`.
        encoder_options: for `evenly.embedding.load_encoder`: batch_size, dtype, prompt,
            backend, max_length, trust_remote_code.
        normalize: divide every row by its length first, so that the order of distances is
            the order of cosine distances.
        start: the first pick: a row number, "farthest-from-mean", or "random" (by `seed`).
        engine: who computes: "auto" or "memory". The answer is the same.
        device: where the encoder runs: "auto", "cpu", "cuda", "mps", …
        on_invalid: "error", or "drop" to leave out rows without a usable text or vector;
            they are listed in `provenance["dropped"]` and never chosen.
        cache_dir: folder of the embedding cache; False for none.
        progress: progress bars on stderr; by default when stderr is a terminal.
        seed: for start="random".

    Returns:
        Selection: exactly `budget` distinct rows. When fewer rows than that are distinct,
        h_min is 0 and a DuplicateRowsWarning says how many there are.

    Raises:
        BudgetError: the budget is not between 1 and the number of usable rows.
        DataError: the input cannot be used; the message names the row, line or column.
        EncoderError: the encoder is not to be had, or fails.

    Cost: the encoder's, then at most n·k·d multiplications, as matrix products. Memory beyond
        the vectors: 12 bytes a row and 4·(d + 1) bytes a chosen row, and a few blocks.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Wang and Gu 2025, arXiv 2506.24120.
    """
    selection, _ = select_and_keep(
        data,
        budget,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        normalize=normalize,
        start=start,
        engine=engine,
        device=device,
        on_invalid=on_invalid,
        cache_dir=cache_dir,
        progress=progress,
        seed=seed,
    )
    return selection


def select_and_keep(
    data: Any,
    budget: int | float,
    *,
    start: int | str = "farthest-from-mean",
    engine: str = "auto",
    seed: int = 0,
    progress: bool | None = None,
    **intake_options: Any,
) -> tuple[Selection, Intake]:
    """`select_uniform`, and the data set as it was taken in, to measure without doing it twice."""
    _check_options(budget, start, engine, seed)
    intake = take_in(data, **intake_options, progress=progress)
    rows = rows_of_budget(budget, int(np.count_nonzero(intake.points.candidates)))
    began = perf_counter()
    first = _first_row(intake, start, seed)
    pool = make_pool(intake.points, rows, engine)
    with tqdm(
        total=rows, desc="selecting", unit="row", disable=None if progress is None else not progress
    ) as bar:

        def show(picks: Picks) -> None:
            bar.set_postfix(radius=f"{picks.radii[-1]:.4g}", refresh=False)
            bar.update(len(picks) - bar.n)

        picks, coverage_radius = farthest_first(pool, rows, Picks.first(first), progress=show)
    seconds = intake.seconds | {"selection": perf_counter() - began}
    _warn_of_duplicates(picks.radii)
    options = {
        "budget": budget,
        **intake.options,
        "start": start,
        "engine": engine,
        "seed": seed,
    }
    provenance = _provenance(intake, as_json_value(options), seconds)
    selection = Selection(picks.rows, picks.radii, coverage_radius, provenance, intake.samples)
    return selection, intake


def rows_of_budget(budget: Any, pool_size: int) -> int:
    """The budget as a number of rows of a pool; a fraction is rounded to the nearest row.

    Raises:
        BudgetError: the budget is not a number of rows from 1 to the pool size, nor a
            fraction in (0, 1].
    """
    if isinstance(budget, Integral):
        if not 1 <= int(budget) <= pool_size:
            raise BudgetError(
                f"budget must be between 1 and the pool size {pool_size}, got {budget}. "
                "To keep every row, pass budget=1.0."
            )
        return int(budget)
    return max(1, math.floor(float(budget) * pool_size + 0.5))


def _check_options(budget: Any, start: Any, engine: str, seed: Any) -> None:
    """Refuse before any work what no pool could make right."""
    if isinstance(budget, bool) or not isinstance(budget, Real):
        raise BudgetError(
            "budget must be a number of rows (int) or a fraction in (0, 1] (float), "
            f"got {budget!r}."
        )
    if isinstance(budget, Integral):
        if budget < 1:
            raise BudgetError(f"budget must be at least 1 row, got {budget}.")
    elif not 0.0 < float(budget) <= 1.0:
        raise BudgetError(
            f"a fractional budget must be in (0, 1], got {budget!r}. "
            "For a number of rows, pass an int."
        )
    if engine not in ENGINES:
        raise OptionError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}.")
    named = isinstance(start, str) and start in ("farthest-from-mean", "random")
    if not named and (isinstance(start, bool) or not isinstance(start, Integral)):
        raise OptionError(
            f'start must be a row number, "farthest-from-mean" or "random", got {start!r}.'
        )
    whole_number("seed", seed, least=0)


def _first_row(intake: Intake, start: int | str, seed: int) -> int:
    points = intake.points
    if start == "farthest-from-mean":
        return first_of_the_farthest(points.squared_distances_to_mean())
    if start == "random":
        candidates = np.flatnonzero(points.candidates)
        return int(np.random.default_rng(seed).choice(candidates))
    row = int(start)
    if not 0 <= row < len(points):
        raise RowError(f"start must be a row number from 0 to {len(points) - 1}, got {row}.")
    if not points.candidates[row]:
        raise RowError(
            f"start is row {row}, which cannot be chosen: "
            f"{intake.samples.locate(row)} {intake.dropped[row]}."
        )
    return row


def _warn_of_duplicates(radii: np.ndarray[Any, Any]) -> None:
    distinct = int(np.count_nonzero(radii))
    if distinct < len(radii):
        warnings.warn(
            f"only {distinct} of the rows are distinct, fewer than the {len(radii)} asked for: "
            f"h_min is 0. For distinct rows alone, take prefix({distinct}).",
            DuplicateRowsWarning,
            stacklevel=4,
        )


def _provenance(
    intake: Intake, options: dict[str, Any], seconds: dict[str, float]
) -> dict[str, Any]:
    embeddings = intake.embeddings
    return {
        "evenly": __version__,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": _versions(embedded=embeddings is not None),
        "options": options,
        "input": {
            "origin": intake.samples.origin,
            "path": intake.path,
            "rows": len(intake),
            "dimension": intake.points.dimension,
            "content_hash": intake.samples.content_hash(),
        },
        "text": intake.text,
        "encoder": None
        if embeddings is None
        else {
            "name": embeddings.encoder,
            "weights_hash": embeddings.weights_hash,
            "fingerprint": embeddings.fingerprint,
            "truncated": embeddings.truncated,
            "reused": embeddings.reused,
            "computed": embeddings.computed,
        },
        "dropped": {str(row): reason for row, reason in intake.dropped.items()},
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
    }


def _versions(*, embedded: bool) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    names = ["numpy"] + (["torch", "sentence-transformers"] if embedded else [])
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
