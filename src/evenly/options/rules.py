"""The options that say which rows may be chosen, and how many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from evenly.errors import OptionError
from evenly.options import checks
from evenly.options.declaration import Options, option
from evenly.options.inputs import ID_COLUMN

BALANCES = ("equal", "proportional")
SEARCHES = ("exact", "approximate")


def _rows(name: str, value: Any) -> None:
    # A string is the path of a file of rows; a result says itself which rows it has.
    if value is not None and not checks.is_path(value) and not _names_rows(value):
        checks.several(name, value)


def _names_rows(value: Any) -> bool:
    return not hasattr(value, "ndim") and hasattr(value, "indices")


def _away_from(name: str, value: Any) -> None:
    if value is None or checks.is_path(value):
        return
    is_data = any(hasattr(value, name) for name in ("__len__", "read", "columns"))
    wrong = isinstance(value, Real | str | bytes | Mapping | type) or not is_data
    if wrong or getattr(value, "ndim", 1) not in (1, 2):
        raise OptionError(
            f"{name} must be rows of the data, a Selection, or data, got {checks.shown(value)}."
        )


def _quotas(name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, Mapping) or not value):
        raise OptionError(f'{name} must be {{"group": rows, …}}, got {checks.shown(value)}.')


def _tokenizer(name: str, value: Any) -> None:
    if not (value is None or checks.is_path(value) or _tokenizes(value)):
        raise OptionError(
            f"{name} must be a model name, a path, a tokenizer or a function of a text, got "
            f"{type(value).__name__}: {checks.shown(value)}."
        )


def _tokenizes(value: Any) -> bool:
    # Strings encode, too.
    return not isinstance(value, str) and (callable(value) or hasattr(value, "encode"))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RuleOptions(Options):
    """The budget, and what else a selection must keep to."""

    budget: int | float | None = option(
        None,
        "How many rows to choose: 500, or 0.5 for half of them.",
        "how many rows to choose: an int, or a fraction in (0, 1] of the usable rows. Optional "
        "if `min_distance` or `token_budget` ends the selection.",
        check=checks.optional(checks.rows_or_fraction),
        flags=("-b", "--budget"),
        form="rows",
        metavar="ROWS|FRACTION",
    )
    include: Any = option(
        None,
        "Rows that are chosen from the start: row numbers, ids, or a file of them.",
        "rows that are chosen from the start, counted, and first in the answer, in this order: "
        "row numbers, a mask (n,), ids, an earlier Selection from the same data, or the path of "
        "its manifest or of another file of rows.",
        check=_rows,
        form="row_names",
        metavar="ROW[,ROW…]|MANIFEST|FILE",
    )
    exclude: Any = option(
        None,
        "Rows that are never chosen.",
        "rows that are never chosen and need not be covered, named like `include`.",
        check=_rows,
        form="row_names",
        metavar="ROW[,ROW…]|MANIFEST|FILE",
    )
    away_from: Any = option(
        None,
        "Keep chosen rows away from other data, an earlier selection, or rows of DATA.",
        "what the chosen rows keep away from as from each other, without it being counted or "
        "returned: rows of the data, an earlier Selection or its manifest, or anything that "
        "`data` may be. It "
        "counts in `radii`, `h_min` and `coverage_radius`.",
        check=_away_from,
        form="data_or_row_names",
        metavar="DATA|MANIFEST|ROW[,ROW…]|FILE",
    )
    id_column: Any = option(None, **ID_COLUMN)
    min_distance: float | None = option(
        None,
        "End before a pick that is nearer than this; needs no --budget.",
        "end before a pick that is nearer than this to a chosen row (or to `away_from`): a "
        "Euclidean distance, with a relative tolerance of 1e-12. Alone, it chooses as many rows "
        "as fit.",
        check=checks.optional(checks.number("a finite distance, 0 or more")),
        metavar="DISTANCE",
    )
    groups: Any = option(
        None,
        "The column of the group, or groups, of each row.",
        "the column, or an array (n,), of the group of each row; a list puts a row into several "
        "groups.",
        check=checks.optional(checks.column_or_several),
        form="column_or_array",
        metavar="COLUMN",
    )
    quotas: Mapping[Any, Any] | None = option(
        None,
        "The rows of a group: 500, 0.2 of the budget, or 300..600. Once for each group.",
        "group -> how many of its rows to choose: exactly (an int, or a fraction of the budget), "
        "or (least, most). Quotas are met exactly, or QuotaError says why they cannot be. Groups "
        "without a quota are not restricted.",
        check=_quotas,
        flags=("--quota",),
        form="quotas",
        metavar="NAME=ROWS",
    )
    balance: Literal["equal", "proportional"] | None = option(
        None,
        "Set the quotas of all groups: equal or proportional.",
        'set the quotas of all groups: "equal" numbers of rows, as far as the groups allow, or '
        '"proportional" to their sizes.',
        choices=BALANCES,
    )
    token_budget: int | None = option(
        None,
        "The most tokens that the chosen rows may have together; needs no --budget.",
        "the most tokens that the chosen rows may have together. Until 99 % of them are used, a "
        "row that does not fit is passed over; after that, the first pick that does not fit ends "
        "the selection.",
        check=checks.optional(checks.whole(1)),
        metavar="TOKENS",
    )
    costs: Any = option(
        None,
        "The column of the number of tokens of each row; counted by default.",
        "the column, or an array (n,) of whole numbers, of the number of tokens of each row. By "
        "default the tokens of its texts are counted (`count`).",
        check=checks.optional(checks.column_or_several),
        form="column_or_array",
        metavar="COLUMN",
    )
    count: Any = option(
        None,
        "The columns whose tokens are counted; by default all texts of the record.",
        "the column, several columns, or a function of a record that returns a text, whose tokens "
        "are counted. By default the whole record counts: all columns of texts, with answers and "
        "the turns of all roles, but without ids, names, and what `groups` or `quality` name.",
        check=checks.optional(checks.columns_or_function),
        form="columns",
        metavar="COLUMN[,COLUMN…]",
    )
    tokenizer: Any = option(
        None,
        "The tokenizer that counts tokens, instead of the encoder's.",
        "the tokenizer that counts tokens, instead of the encoder's: a name, a tokenizer, or a "
        "function of a text.",
        check=_tokenizer,
        metavar="NAME|PATH",
    )
    quality: Any = option(
        None,
        "The column of the quality of each row, 0 or more.",
        "the column, or an array (n,) of numbers, 0 or more, of the quality of each row.",
        check=checks.optional(checks.column_or_several),
        form="column_or_array",
        metavar="COLUMN",
    )
    quality_weight: float | None = option(
        None,
        "Multiply distances by (quality / largest quality) to this power.",
        "multiply the distances of a row by (quality / largest quality) to this power; 0 ignores "
        "quality. The default is 1 if `quality` is given.",
        check=checks.optional(checks.number("a finite number, 0 or more")),
        metavar="EXPONENT",
    )
    density_weight: float | None = option(
        None,
        "Multiply distances by density to this power: above 0 for typical rows, below for rare.",
        "multiply the distances of a row by its density to this power: above 0, typical rows count "
        "as farther away, and isolated ones are not picked first; below 0, rare rows do; 0 ignores "
        "density. 1 is a good choice for training data. The density of a row is 1 / (its mean "
        "distance to the `density_neighbours` nearest different rows), at most 10 times that of "
        "the median row; equal rows count once.",
        check=checks.optional(checks.number("a finite number", above=-math.inf)),
        metavar="EXPONENT",
    )
    density_neighbours: int | None = option(
        None,
        "The number of nearest rows from which the density of a row is estimated; 10 by default.",
        "the number of nearest rows from which the density of a row is estimated. The default is "
        "10 if `density_weight` is given.",
        check=checks.optional(checks.whole(1)),
        metavar="ROWS",
    )
    density_search: Literal["exact", "approximate"] | None = option(
        None,
        "How the nearest rows are found for density: exact, or approximate for very large pools.",
        'how the nearest rows are found for density. "exact", the default, compares all rows. '
        '"approximate" takes those that a FAISS index finds, so that densities are somewhat too '
        "small where it misses some: sooner in pools of a million rows, which must be in memory.",
        choices=SEARCHES,
    )
