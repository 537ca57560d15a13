"""The options that are rules of a selection, and what they become as arguments of the library."""

from __future__ import annotations

from typing import Any

import click

from evenly.cli.options import Option, number

__all__ = ["ROWS", "RULES", "given_rules", "rule_arguments"]


_COLUMNS = ("id_column", "groups", "costs", "quality")


def _quotas(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any] | None:
    """`code=500`, `code=0.2`, `code=300..600`, `code=300..` and `code=..600`."""
    quotas: dict[str, Any] = {}
    for value in values:
        name, found, quota = value.rpartition("=")
        if not found or not name:
            raise click.BadParameter(f"{value!r} is not NAME=ROWS, such as code=500.")
        if name in quotas:
            raise click.BadParameter(f"the group {name!r} has two quotas; give it one.")
        least, several, most = quota.partition("..")
        ends = [_end(ctx, param, value, end) for end in ((least, most) if several else (quota,))]
        quotas[name] = (ends[0], ends[1]) if several else ends[0]
    return quotas or None


def _end(ctx: click.Context, param: click.Parameter, value: str, end: str) -> int | float | None:
    if not end and ".." in value:
        return None
    try:
        return number(ctx, param, end)
    except click.BadParameter:
        raise click.BadParameter(
            f"{value!r} does not say how many rows: NAME=500, a fraction of the budget (NAME=0.2), "
            "or from least to most (NAME=300..600)."
        ) from None


ROWS: list[Option] = [
    click.option(
        "--include",
        metavar="ROW[,ROW…]|FILE",
        help="Rows that are in from the start: row numbers, ids, or a file of them.",
    ),
    click.option("--exclude", metavar="ROW[,ROW…]|FILE", help="Rows that are never chosen."),
    click.option(
        "--away-from",
        metavar="DATA|MANIFEST|ROW[,ROW…]|FILE",
        help="Keep away from other data, an earlier selection, or rows of DATA.",
    ),
    click.option(
        "--id-column", metavar="COLUMN", help="Rows are named by their ids, in this column."
    ),
]


RULES: list[Option] = [
    *ROWS,
    click.option(
        "--min-distance",
        type=float,
        metavar="DISTANCE",
        help="End before a pick nearer than this; needs no --budget.",
    ),
    click.option("--groups", metavar="COLUMN", help="Which group, or groups, a row is in."),
    click.option(
        "--quota",
        "quotas",
        multiple=True,
        callback=_quotas,
        metavar="NAME=ROWS",
        help="Rows of a group: 500, 0.2 of the budget, or 300..600. Once for each group.",
    ),
    click.option(
        "--balance",
        type=click.Choice(["equal", "proportional"]),
        help="Quotas by themselves, for all groups.",
    ),
    click.option(
        "--token-budget",
        type=int,
        metavar="TOKENS",
        help="The chosen rows never have more together; needs no --budget.",
    ),
    click.option("--costs", metavar="COLUMN", help="Tokens of each row; else they are counted."),
    click.option(
        "--tokenizer", metavar="NAME|PATH", help="Counts tokens, in the place of the encoder's."
    ),
    click.option("--quality", metavar="COLUMN", help="How good each row is, 0 or more."),
    click.option(
        "--quality-weight",
        type=float,
        metavar="EXPONENT",
        help="Distances count times (quality / largest) to this power.",
    ),
]


def rule_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The options, those that name rows or columns as the library takes them."""
    from evenly.cli.jobs import column_or_array, data_or_rows, rows_or_ids

    by_id = options["id_column"] is not None
    taken: dict[str, Any] = {
        name: column_or_array(options[name]) for name in _COLUMNS if name in options
    }
    for name in ("include", "exclude"):
        taken[name] = rows_or_ids(options[name], by_id=by_id)
    taken["away_from"] = data_or_rows(options["away_from"], by_id=by_id)
    return {**options, **taken}


def given_rules(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without the rules that were not given."""
    from evenly.selection.rules.resolve import RULES as NAMES

    return {
        name: value for name, value in arguments.items() if value is not None or name not in NAMES
    }
