"""The options of single verbs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from numbers import Integral
from os import PathLike
from typing import Any, Literal

from evenly.errors import OptionError
from evenly.options import checks
from evenly.options.declaration import Options, option

STARTS = ("farthest-from-mean", "medoid", "random")
_DISTANCE = checks.optional(checks.number("a finite distance, 0 or more"))


def _start(name: str, value: Any) -> None:
    is_row = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_row and not (isinstance(value, str) and value in STARTS):
        raise OptionError(
            f'{name} must be a row number, "{STARTS[0]}", "{STARTS[1]}" or "{STARTS[2]}", '
            f"got {checks.shown(value)}."
        )


def _refine(name: str, value: Any) -> None:
    # A mapping comes from a manifest or the command line; `Refine` is declared above this package.
    flags = value is None or type(value).__name__ in checks.BOOLEANS
    if not flags and not isinstance(value, Mapping) and not hasattr(value, "method"):
        raise OptionError(
            f"{name} must be True, False or Refine(seconds=…), got {checks.shown(value)}."
        )


_SEED: dict[str, Any] = {"check": checks.whole(0)}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UniformOptions(Options):
    """How `select_uniform` runs, apart from its input and its rules."""

    start: int | str = option(
        "farthest-from-mean",
        "The first pick: a row number, farthest-from-mean, medoid or random.",
        'the first pick: a row number; "farthest-from-mean"; "medoid", the row nearest the mean '
        "of all usable rows, which is exactly the one with the smallest sum of squared distances "
        "to them (sum_j |x_i - x_j|² = n·|x_i - m|² + a constant; sums that are equal within "
        '1e-12 tie, and the smallest row number wins); or "random" (by `seed`). It has no effect '
        'if `include` begins the selection; with `away_from`, "farthest-from-mean" is the row '
        "farthest from what to keep away from.",
        check=_start,
        form="row_or_name",
        metavar="ROW|farthest-from-mean|medoid|random",
    )
    method: Literal["exact", "coreset"] = option(
        "exact",
        "coreset: choose in two rounds, with a weaker guarantee.",
        '"exact", or "coreset": farthest-first in each of 8 to 64 ranges of rows, then among what '
        "these chose. The coverage radius is at most 4 times the least possible, and h_min at "
        "least a sixth of the largest possible; the coverage radius is that of all rows. The "
        "answer depends on the order of the rows, and a prefix is not the answer for fewer. Of the "
        "rules, only `exclude` is honoured; not with `refine`, `checkpoint` or `max_outliers`.",
        choices=("exact", "coreset"),
    )
    drop_outliers: float | None = option(
        None,
        "Leave out this fraction of rows, those farthest from their nearest rows: 0.005.",
        "a fraction of the usable rows, such as 0.005: those with the largest mean distance to "
        "their 5 nearest rows are left out; `provenance.dropped` lists them. Broken rows are often "
        "among them, and would be picked first. 0.05 is a good choice for training data "
        "if `density_weight` is not given.",
        check=checks.optional(
            checks.number(
                "a fraction of the rows between 0 and 1, such as 0.005 for half a percent",
                above=0.0,
                below=1.0,
            )
        ),
        metavar="FRACTION",
    )
    max_outliers: int | None = option(
        None,
        "Leave out at most this many rows, those far from all others.",
        "at most this many rows need not be near a chosen one, and are left out: farthest-first "
        "picks as many rows more than `budget`, and the picks that are farthest from all others "
        "are left out with the rows that are nearest to them. `provenance.dropped` lists them. Not "
        "with `drop_outliers`, `include`, `away_from` or `token_budget`.",
        check=checks.optional(checks.whole(1)),
        metavar="N",
    )
    refine: Any = option(
        None,
        "Afterwards look for rows that are farther apart, or for the best and its proof.",
        "True, or `Refine(seconds=…, method=…, seed=…)`: afterwards look for as many rows that "
        "are farther apart, under the same rules (the number of rows in each group stays). h_min "
        'usually grows by 1 to 3 %, in seconds; method="exact" looks for the largest h_min and '
        "the proof that it is. The result is never worse, and Ctrl-C keeps the best found so far; "
        "`provenance.refined` describes it. The row of `start` need not be among the chosen rows. "
        "With `density_weight` above 0, rows move for a smaller mean distance of all rows to the "
        'nearest chosen one instead (method="search" only, and not with `min_distance`). '
        "Not with `token_budget` or `quality`.",
        choices=("search", "exact"),
        check=_refine,
    )
    checkpoint: str | PathLike[str] | None = option(
        None,
        "Keep the picks so far in this file, and continue from it if it exists.",
        "a file that keeps the picks while the selection runs, written about every ten seconds "
        "and on interruption. If it exists, the selection continues from it to the same answer, "
        "even with another budget. It is not deleted, so that the same call again returns at "
        "once. A refinement continues where it stopped, too, for the same budget, method and "
        "seed.",
        check=checks.optional(checks.a_path),
        form="file",
        metavar="FILE",
    )
    seed: int = option(0, "The seed of everything random.", 'the seed of start="random".', **_SEED)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QualityOptions(Options):
    """How `select_by_quality` chooses."""

    quality: Any = option(
        MISSING,
        "The column of the quality of each row, 0 or more.",
        check=checks.column_or_several,
        form="column_or_array",
        metavar="COLUMN",
    )
    min_distance: float | None = option(
        None,
        "Leave out rows nearer than this to a better one; found for the budget by default.",
        check=_DISTANCE,
        metavar="DISTANCE",
    )
    method: Literal["packing", "gist"] = option(
        "packing",
        "gist: the largest sum of qualities + weight · h_min, of at most --budget rows.",
        choices=("packing", "gist"),
    )
    diversity_weight: float | None = option(
        None,
        "For gist: what a distance of 1 is worth, in units of quality.",
        check=checks.optional(checks.number("a finite number, 0 or more")),
        metavar="WEIGHT",
    )


def _similarity(name: str, value: Any) -> None:
    if value is not None and not -1.0 <= checks.as_float(value) <= 1.0:
        raise OptionError(
            f"{name} must be a cosine similarity between -1 and 1, such as 0.95, "
            f"got {checks.shown(value)}."
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DeduplicationOptions(Options):
    """How `deduplicate` chooses."""

    min_distance: float | None = option(
        None,
        "Rows nearer than this are duplicates; 0 for exact ones only.",
        check=_DISTANCE,
        metavar="DISTANCE",
    )
    similarity: float | None = option(
        None,
        "Instead of a distance: rows that are more similar than this are duplicates, such as 0.95.",
        "instead of `min_distance`: rows with a larger cosine similarity are duplicates. A "
        "similarity s is the distance sqrt(2 - 2 s) of rows of length 1; 0.95 is 0.3162.",
        check=_similarity,
        metavar="COSINE",
    )
    to: int | float | None = option(
        None,
        "Instead of a distance: the most rows to keep, 500 or 0.8.",
        check=checks.optional(checks.rows_or_fraction),
        form="rows",
        metavar="ROWS|FRACTION",
    )
    keep: Literal["first", "longest", "best"] = option(
        "first",
        "Which of several to keep: the first row, the longest text, or the best by --quality.",
        choices=("first", "longest", "best"),
    )
    quality: Any = option(
        None,
        "For --keep best: the column of the quality of each row, 0 or more.",
        check=checks.optional(checks.column_or_several),
        form="column_or_array",
        metavar="COLUMN",
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StreamOptions(Options):
    """How `select_stream` goes through its batches."""

    keep: int = option(
        4,
        "The candidates kept for each row of the budget, 2 or more; more choose better.",
        check=checks.whole(2),
    )
    batch_size: int = option(
        8192,
        "The most rows taken in at once.",
        "the most rows taken in at once. It does not change the answer.",
        check=checks.whole(1),
        flags=("--rows-at-once",),
    )
    second_pass: bool = option(
        False,
        "Read DATA again, to know the true coverage radius.",
        "go through the batches again, to know the true coverage radius.",
        check=checks.flag,
    )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FillOptions(Options):
    """How `Selection.fill` searches."""

    min_distance: float | None = option(
        None,
        "How far apart rows must be; by default the h_min of the manifest.",
        check=checks.optional(checks.number("a finite distance, more than 0", above=0.0)),
        metavar="DISTANCE",
    )
    seconds: float | None = option(
        None,
        "The most time for the search; by default it ends when nothing more is found.",
        check=checks.optional(checks.number("a number of seconds, more than 0", above=0.0)),
        metavar="SECONDS",
    )
    seed: int = option(0, "The seed of the search.", **_SEED)


def _certificate(name: str, value: Any) -> None:
    if type(value).__name__ not in checks.BOOLEANS and not (
        isinstance(value, str) and value == "thorough"
    ):
        raise OptionError(f'{name} must be True, False or "thorough", got {checks.shown(value)}.')


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MeasuringOptions(Options):
    """What is measured of a subset."""

    random_subsets: int = option(
        3,
        "The number of random subsets of the same size to measure beside it.",
        check=checks.whole(0),
    )
    certificate: bool | Literal["thorough"] = option(
        True,
        "Prove how far h_min is from the best possible: yes, no or thorough.",
        check=_certificate,
        choices=("yes", "no", "thorough"),
        form="yes|no",
    )
    details: bool = option(
        False,
        "Also measure the pool's dimension and the subset's diversity.",
        check=checks.flag,
    )
    exact: bool = option(
        False,
        "Average over all rows, instead of a random sample where these are many.",
        "average over all rows. By default, means and quantiles of distances come from a random "
        "sample of 2,048 rows if the pool has more than four times as many and comparing all of "
        "them would take more than 1e10 multiplications; the standard errors are reported beside "
        "the means, and `singleton_share` is None. All else is exact anyway.",
        check=checks.flag,
    )
    seed: int = option(0, "The seed of the random subsets.", **_SEED)


_REACH = checks.optional(checks.number("a finite distance, 0 or more"))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BudgetOptions(Options):
    """What `suggest_budget` finds a budget for, and what it measures beside the run."""

    h_min: float | None = option(
        None,
        "Find the largest budget whose chosen rows are all at least this far apart.",
        "a Euclidean distance: find the largest budget whose chosen rows are all at least this far "
        "apart.",
        check=_REACH,
        metavar="DISTANCE",
    )
    coverage_radius: float | None = option(
        None,
        "Find the smallest budget at which no row is farther than this from a chosen one.",
        "a Euclidean distance: find the smallest budget at which no usable row is farther than "
        "this from its nearest chosen row.",
        check=_REACH,
        metavar="DISTANCE",
    )
    tokens: int | None = option(
        None,
        "Find the largest budget whose chosen rows have at most so many tokens.",
        "find the largest budget whose chosen rows have at most so many tokens together.",
        check=checks.optional(checks.whole(1)),
        metavar="TOKENS",
    )
    random_subsets: int = option(
        1,
        "The number of random orders of rows to measure beside the run; 0 for none.",
        check=checks.whole(0),
    )
