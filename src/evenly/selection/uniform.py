"""`select_uniform`: the front door of selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from typing import Any, Literal

from evenly.engines.registry import check_engine
from evenly.inputs.checks import OnInvalid
from evenly.inputs.prepare import PreparedData, TextColumns, prepare
from evenly.memory import memory_bytes
from evenly.options import whole_number
from evenly.selection.greedy.checkpoint import read_checkpoint
from evenly.selection.greedy.run import choose
from evenly.selection.greedy.start import check_start
from evenly.selection.refine import Refine
from evenly.selection.refine.apply import check_refine, refine_selection
from evenly.selection.results.provenance import begin_provenance_of
from evenly.selection.results.selection import Selection
from evenly.selection.rules.outliers import check_drop_outliers, without_outliers
from evenly.selection.rules.resolve import RULES, check_rules, rule_options, rules_of

__all__ = ["select_and_keep", "select_uniform"]


def select_uniform(
    data: Any,
    budget: int | float | None = None,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    normalize: bool = True,
    start: int | str = "farthest-from-mean",
    include: Any = None,
    exclude: Any = None,
    away_from: Any = None,
    id_column: Any = None,
    min_distance: float | None = None,
    groups: Any = None,
    quotas: Mapping[Any, Any] | None = None,
    balance: Literal["equal", "proportional"] | None = None,
    token_budget: int | None = None,
    costs: Any = None,
    tokenizer: Any = None,
    quality: Any = None,
    quality_weight: float | None = None,
    drop_outliers: float | None = None,
    refine: bool | Refine | None = None,
    engine: str = "auto",
    device: str = "auto",
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    checkpoint: str | PathLike[str] | None = None,
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
        budget: how many rows: an int, or a fraction in (0, 1] of the usable rows. May be left
            out where `min_distance` or `token_budget` ends the selection.
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
        start: the first pick: a row number; "farthest-from-mean"; "medoid", the row nearest
            the mean of all usable rows, which is exactly the one with the smallest sum of
            squared distances to them (sum_j |x_i - x_j|² = n·|x_i - m|² + a constant), sums
            that are equal within 1e-12 going to the smallest row number; or "random" (by
            `seed`). Of no effect where `include` begins the selection; with `away_from`,
            "farthest-from-mean" is the row farthest from what to keep away from.
        include: rows that are in from the start, counted, and first in the answer, in this
            order: row numbers, a mask (n,), or ids.
        exclude: rows that are never chosen and need not be covered, named in the same ways.
        away_from: what the chosen rows keep away from as from each other, without counting it
            or returning any of it: rows of the data, an earlier Selection, or anything that
            `data` may be. It counts in `radii`, `h_min` and `coverage_radius`.
        id_column: the column of ids, or the ids (n,), by which rows can be named.
        min_distance: end before a pick that would be nearer than this to what is chosen (and
            to `away_from`): a Euclidean distance, 1e-12 of it for rounding. Alone, it means as
            many as fit.
        groups: the column, or an array (n,), that says in which group a row is; where a value
            is a list, the row is in several.
        quotas: group -> how many of its rows are chosen: exactly (an int, or a fraction of the
            budget), or (least, most). What can be met is met exactly, else QuotaError says why.
            Groups without a quota have none.
        balance: quotas by themselves: "equal" numbers of all groups, as far as they go, or
            "proportional" to their sizes.
        token_budget: the chosen rows never have more tokens together. Until 99 % of it is spent
            a row that no longer fits is passed over for good; after that the first pick that
            does not fit ends the selection. So 99 % is used at least, unless no row left fits.
        costs: the column, or an array (n,) of whole numbers, that says how many tokens a row
            has. By default they are counted, with the encoder's tokenizer.
        tokenizer: a name, a tokenizer, or a function of a text, to count them with instead.
        quality: the column, or an array (n,) of numbers, 0 or more, that says how good rows are.
        quality_weight: the farthest row is that whose distance times
            (quality / largest quality) ** quality_weight is largest. 0: quality does not count.
        drop_outliers: a fraction of the usable rows, such as 0.005: that many rows, those whose
            mean distance to their 5 nearest rows is largest, are left out and listed in
            `provenance["dropped"]`. Broken rows are often among them, and would be picked first.
        refine: True, or `Refine(seconds=…, method=…, seed=…)`: afterwards look for as many rows
            that are farther apart, under the same rules (of quotas, the number of rows of each
            kind stays), which mostly makes h_min 1 to 3 % larger in seconds; with
            method="exact", for the most there is, and the proof. Never worse; a Ctrl-C ends it
            with the best so far. `provenance["refined"]` tells what came of it. `start` is where
            farthest-first begins, and need not be among the rows. Not with `token_budget` or
            `quality_weight`.
        engine: who computes; the answer is the same. "memory": matrix products on the
            processor. "cuda": on a GPU, by torch. "faiss": as "memory", with an index of FAISS
            to find neighbours. "mapped": vectors stay on disk, no more than `memory` is taken.
            "sharded": several pools whose frontiers are merged. "distances": `data` is a
            symmetric matrix (n, n) of distances, of any metric. "auto": "mapped" where files
            of vectors exceed `memory` (half of the free memory, where that is not given),
            "cuda" for large work where a GPU is at hand, else "memory".
        device: where the encoder and the engine "cuda" run: "auto", "cpu", "cuda", "mps", …
        memory: what vectors and engine may take, such as "2GB" or a number of bytes.
        on_invalid: "error", or "drop" to leave out rows without a usable text or vector;
            they are listed in `provenance["dropped"]` and never chosen.
        cache_dir: folder of the embedding cache; False for none.
        checkpoint: a file that holds the picks so far while the selection runs, written about
            every ten seconds and when it is interrupted. If the file is there, the selection
            continues from it, to the same answer; the budget may be another. It stays, so
            that the same call again is done at once.
        progress: progress bars on stderr; by default when stderr is a terminal.
        seed: for start="random".

    Returns:
        Selection: exactly `budget` distinct rows; fewer where `min_distance` or
            `token_budget` ends it. When fewer rows than that are distinct,
        h_min is 0 and a DuplicateRowsWarning says how many there are. Where some of the first
        picks are far from all other rows, an IsolatedRowsWarning shows them.

    Raises:
        BudgetError: the budget is not between 1 and the number of usable rows, or nothing
            says when to end.
        QuotaError: no rows meet the quotas; the message says which group has how many.
        RowError: a row or id that is named is not there, or cannot be chosen.
        DataError: the input cannot be used; the message names the row, line or column.
        EncoderError: the encoder is not to be had, or fails.
        CheckpointError: the checkpoint is of another selection, is damaged, or is no
            checkpoint; it is left as it is.
        OutputError: the checkpoint cannot be written.

    Cost: the encoder's, then at most n·k·d multiplications, as matrix products. Memory beyond
        the vectors, with the engine "memory": about 60 bytes a row, a copy of the chosen rows
        and their stand-ins, and stand-ins of all rows where they fit in a quarter of the
        vectors and 200 MB; `estimate` says how much. A checkpoint is 16 bytes a chosen row.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Wang and Gu 2025, arXiv 2506.24120; of refinement see `evenly.Refine`.
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
        include=include,
        exclude=exclude,
        away_from=away_from,
        id_column=id_column,
        min_distance=min_distance,
        groups=groups,
        quotas=quotas,
        balance=balance,
        token_budget=token_budget,
        costs=costs,
        tokenizer=tokenizer,
        quality=quality,
        quality_weight=quality_weight,
        drop_outliers=drop_outliers,
        refine=refine,
        engine=engine,
        device=device,
        memory=memory,
        on_invalid=on_invalid,
        cache_dir=cache_dir,
        checkpoint=checkpoint,
        progress=progress,
        seed=seed,
    )
    return selection


def select_and_keep(
    data: Any,
    budget: int | float | None = None,
    *,
    start: int | str = "farthest-from-mean",
    drop_outliers: float | None = None,
    refine: bool | Refine | None = None,
    engine: str = "auto",
    seed: int = 0,
    memory: str | float | None = None,
    device: str = "auto",
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
    **others: Any,
) -> tuple[Selection, PreparedData]:
    """`select_uniform`, and the data set as it was taken in, to measure without doing it twice."""
    given = {name: others.pop(name, None) for name in RULES}
    check_rules(budget=budget, **given)
    refinement = check_refine(refine, given)
    check_engine(engine)
    check_start(start)
    check_drop_outliers(drop_outliers)
    whole_number("seed", seed, least=0)
    if checkpoint is not None:
        read_checkpoint(checkpoint)  # one that is unreadable is better known before embedding
    allowed = memory_bytes(memory)
    prepared = prepare(
        data, **others, engine=engine, memory=allowed, device=device, progress=progress
    )
    prepared = without_outliers(
        prepared,
        drop_outliers,
        include=given["include"],
        id_column=given["id_column"],
        progress=progress,
    )
    input_options = {**others, "device": device, "progress": progress}
    rules = rules_of(prepared, budget=budget, **given, input_options=input_options)
    options: dict[str, Any] = {
        "budget": budget,
        "start": start,
        "engine": engine,
        "memory": memory,
        "seed": seed,
    }
    if drop_outliers is not None:
        options["drop_outliers"] = drop_outliers
    if refinement is not None:
        options["refine"] = asdict(refinement)
    provenance = begin_provenance_of(prepared, {**options, **rule_options(given)}, rules.describe())
    selection = choose(
        prepared,
        rules,
        provenance,
        start=start,
        engine=engine,
        seed=seed,
        memory=allowed,
        device=device,
        checkpoint=checkpoint,
        progress=progress,
    )
    if refinement is not None:
        selection = refine_selection(
            selection,
            prepared,
            rules,
            refinement,
            engine=engine,
            memory=allowed,
            device=device,
            progress=progress,
        )
    return selection, prepared
