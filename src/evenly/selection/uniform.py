"""`select_uniform`: the rows that are spread most evenly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from os import PathLike
from time import perf_counter
from typing import Any, Literal

from evenly.distributed.gathering import check_room, gathered
from evenly.distributed.prepare import prepare, stay_on_workers
from evenly.errors import OptionError, RowError
from evenly.inputs.prepare import PreparedData
from evenly.options import (
    DEFAULT_ENCODER,
    InputOptions,
    OnInvalid,
    RuleOptions,
    TextColumns,
    UniformOptions,
    documented,
)
from evenly.selection.greedy.checkpoint import read_checkpoint
from evenly.selection.greedy.coreset import check_method, parts_of, run_coreset
from evenly.selection.greedy.report import report_run
from evenly.selection.greedy.run import Answer, Beginning, run_greedy
from evenly.selection.greedy.uncovered import check_max_outliers, without_uncovered
from evenly.selection.refine import Refine
from evenly.selection.refine.apply import check_refine, refine_selection
from evenly.selection.results.provenance import begin_provenance
from evenly.selection.results.run_key import NO_KEY, RunKey
from evenly.selection.rules.outliers import without_outliers
from evenly.selection.rules.problem import Problem
from evenly.selection.rules.resolve import check_rules, describe_rule_options, resolve_rules
from evenly.selection.rules.rules import Rules
from evenly.selection.selection import Selection

# They need all vectors in the memory of one machine.
_IN_ONE_PLACE = ("density_weight", "drop_outliers", "max_outliers", "refine")


@documented(InputOptions, RuleOptions, UniformOptions)
def select_uniform(
    data: Any,
    budget: int | float | None = None,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    encoder: Any = DEFAULT_ENCODER,
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
    count: Any = None,
    tokenizer: Any = None,
    quality: Any = None,
    quality_weight: float | None = None,
    density_weight: float | None = None,
    density_neighbours: int | None = None,
    density_search: Literal["exact", "approximate"] | None = None,
    method: Literal["exact", "coreset"] = "exact",
    drop_outliers: float | None = None,
    max_outliers: int | None = None,
    refine: bool | Refine | None = None,
    engine: str = "auto",
    device: str = "auto",
    cluster: str | None = None,
    memory: str | float | None = None,
    on_invalid: OnInvalid = "error",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Selection:
    """Choose the `budget` rows that are spread most evenly: farthest-first, exact.

    h_min, the smallest distance between two chosen rows, is at least half of what any `budget`
    rows could reach. The answer depends on the vectors alone, not on the machine.

    Args:
        data: a list of strings or of dicts, a Hugging Face Dataset, a pandas or Polars frame,
            an Arrow table; a path to .jsonl, .json, .csv, .tsv (also .gz), .parquet or .npy,
            a glob or a folder of such shards, or a URL of these (s3://…); or vectors (n, d): a
            NumPy array, a memory map, a torch tensor. With `cluster`, also a `ray.data.Dataset`,
            or a list of Ray references to arrays or Arrow tables.

    Returns:
        Selection: exactly `budget` distinct rows; fewer if `min_distance` or `token_budget`
        ends the selection. If fewer rows than that are distinct, h_min is 0 and a
        DuplicateRowsWarning gives their number. If some of the first picks are far from all
        other rows, an IsolatedRowsWarning shows them.

    Raises:
        BudgetError: the budget is not between 1 and the number of usable rows, or nothing says
            how many rows to choose.
        QuotaError: no rows meet the quotas; the message gives the reason.
        RowError: a named row or id does not exist, or cannot be chosen.
        DataError: the input cannot be used; the message names the row, line or column.
        EncoderError: the encoder could not be found, or fails.
        CheckpointError: the checkpoint belongs to another selection, is damaged, or is not a
            checkpoint; it is left as it is.
        OutputError: the checkpoint cannot be written.
        ClusterError: the cluster cannot be reached, or loses its workers again and again.

    Cost: the encoder's, then at most n·k·d multiplications, as matrix products. Memory beyond
        the vectors, with the engine "memory": about 60 bytes a row, a copy of the chosen rows
        and their proxy vectors, and proxy vectors of all rows if they fit in a quarter of the
        vectors and 200 MB; `estimate` predicts it. A checkpoint is 16 bytes a chosen row.

    Sources: Gonzalez 1985, doi:10.1016/0304-3975(85)90224-5;
        Wang and Gu 2025, arXiv 2506.24120; for refinement see `evenly.Refine`.
    """
    arguments = locals()
    inputs, rules = InputOptions.of(arguments), RuleOptions.of(arguments)
    how = UniformOptions.of(arguments)
    return select_prepared(prepare_uniform(data, inputs, rules, how), rules, how)


def prepare_uniform(
    data: Any,
    inputs: InputOptions,
    rules: RuleOptions,
    how: UniformOptions,
    *,
    check: Callable[[PreparedData], object] | None = None,
) -> PreparedData:
    """Check all options, and prepare the data set that `select_prepared` chooses from.

    `check` raises what else would be an error later; see `prepare`.
    """
    check_rules(rules)
    check_refine(how.refine, rules)
    check_max_outliers(how.max_outliers, rules, how.drop_outliers)
    check_method(how, rules)
    check_on_cluster(data, inputs, rules)
    if how.checkpoint is not None:
        read_checkpoint(how.checkpoint)  # a damaged file is reported before the work

    def check_all(texts: PreparedData) -> None:
        _check_start(texts, how.start, resolve_rules(texts, rules))
        if check is not None:
            check(texts)

    prepared = prepare(data, inputs, check=check_all, budget=rules.budget)
    given = {**rules.given(), **how.given()}
    for option in _IN_ONE_PLACE:
        if given.get(option):
            prepared = gathered(prepared, option)
    prepared = without_outliers(prepared, how.drop_outliers, rules)
    return without_uncovered(prepared, how.max_outliers, rules, start=how.start, seed=how.seed)


def select_prepared(prepared: PreparedData, rules: RuleOptions, how: UniformOptions) -> Selection:
    """Choose rows of a prepared data set; see `select_uniform`."""
    return select_resolved(prepared, rules, resolve_rules(prepared, rules), how)


def select_resolved(
    prepared: PreparedData, rules: RuleOptions, resolved: Rules, how: UniformOptions
) -> Selection:
    """Choose rows of a prepared data set under rules that are resolved already."""
    _check_start(prepared, how.start, resolved)
    refinement = check_refine(how.refine, rules)
    inputs = prepared.options
    options = {"budget": None, **describe_rule_options(rules.given())}
    options |= {"start": how.start, "engine": inputs.engine, "memory": inputs.memory}
    options["seed"] = how.seed
    if how.method != "exact":
        options["method"] = how.method
    if how.drop_outliers is not None:
        options["drop_outliers"] = how.drop_outliers
    if how.max_outliers is not None:
        options["max_outliers"] = how.max_outliers
    if refinement is not None:
        options["refine"] = asdict(refinement)
    # Hashes are made in the background while rows are chosen; only a checkpoint needs them now.
    provenance = begin_provenance(prepared, options, resolved.describe())
    began = perf_counter()
    problem = Problem.of(prepared, resolved)
    key = NO_KEY if how.checkpoint is None else RunKey.of(provenance())
    beginning = Beginning(start=how.start, seed=how.seed, checkpoint=how.checkpoint, key=key)
    rounds: dict[str, Any] = {}
    if how.method == "coreset":
        budget = problem.most_rows
        check_room(
            prepared,
            budget * len(parts_of(len(prepared), budget)),
            'method="coreset" chooses among the picks of all ranges of rows',
            "choose fewer rows",
        )
        found = run_coreset(problem, how.start, how.seed)
        answer, rounds = Answer(found.picks, found.coverage_radius, 0), found.outcome()
    else:
        answer = run_greedy(problem, beginning, progress=inputs.progress)
    dropped = how.drop_outliers is not None or how.max_outliers is not None
    report_run(prepared, problem, answer, outliers_dropped=dropped)
    seconds = prepared.seconds | {"selection": perf_counter() - began}
    selection = Selection(
        answer.picks.rows,
        answer.picks.radii,
        answer.coverage_radius,
        provenance().finished(
            seconds, answer.taken_over, {**resolved.outcome(answer.picks.rows), **rounds}
        ),
        prepared.samples,
        answer.near,
    )
    if refinement is None:
        return selection
    return refine_selection(
        selection,
        problem,
        refinement,
        by_density=bool(rules.density_weight),
        checkpoint=how.checkpoint,
        progress=inputs.progress,
    )


def check_on_cluster(data: Any, inputs: InputOptions, rules: RuleOptions) -> None:
    """Raise OptionError if an option needs all texts in one place, and they are not."""
    uncounted = rules.token_budget is not None and rules.costs is None
    if uncounted and stay_on_workers(data, inputs):
        raise OptionError(
            "token_budget= needs costs= with cluster=, because texts stay on the machines that "
            "read them: name a column of numbers, or omit cluster=."
        )


def _check_start(prepared: PreparedData, start: int | str, rules: Rules) -> None:
    """Raise RowError if the first pick is a row that does not exist or was dropped."""
    if isinstance(start, str) or len(rules.include):
        return
    row = int(start)
    if not 0 <= row < len(prepared):
        raise RowError(f"start must be a row number from 0 to {len(prepared) - 1}, got {row}.")
    if not prepared.points.eligible[row]:
        raise RowError(
            f"start is row {row}, which cannot be chosen: "
            f"{prepared.samples.locate(row)} {prepared.dropped[row]}."
        )
