"""How the value of a declared option is written on the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from evenly.cli.completion import completer_of
from evenly.options.declaration import Declared

_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "folder": click.Path(file_okay=False),
    "file": click.Path(dir_okay=False),
}


def number(value: str) -> int | float:
    """Read `500` as a number of rows and `0.5` as a fraction: the point makes the difference."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    raise click.BadParameter(f"{value!r} is neither a number of rows (500) nor a fraction (0.5).")


def _row_or_name(value: str) -> int | str:
    try:
        return int(value)
    except ValueError:
        return value


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",")]


def _columns(value: str) -> str | list[str]:
    return _names(value) if "," in value else value


def _quotas(values: tuple[str, ...]) -> dict[str, Any] | None:
    """Read `code=500`, `code=0.2`, `code=300..600`, `code=300..` and `code=..600`."""
    quotas: dict[str, Any] = {}
    for value in values:
        name, found, quota = value.rpartition("=")
        if not found or not name:
            raise click.BadParameter(f"{value!r} is not NAME=ROWS, such as code=500.")
        if name in quotas:
            raise click.BadParameter(f"the group {name!r} has two quotas; give it one.")
        least, several, most = quota.partition("..")
        ends = [_limit(value, limit) for limit in ((least, most) if several else (quota,))]
        quotas[name] = (ends[0], ends[1]) if several else ends[0]
    return quotas or None


def _limit(value: str, limit: str) -> int | float | None:
    if not limit and ".." in value:
        return None
    try:
        return number(limit)
    except click.BadParameter:
        raise click.BadParameter(
            f"{value!r} does not say how many rows: NAME=500, a fraction of the budget (NAME=0.2), "
            "or from least to most (NAME=300..600)."
        ) from None


_PARSERS: dict[str, Callable[..., Any]] = {
    "rows": number,
    "row_or_name": _row_or_name,
    "list": _names,
    "columns": _columns,
    "quotas": _quotas,
    "yes|no": lambda value: {"yes": True, "no": False}.get(value, value),
}


def click_arguments(about: Declared, annotation: str, default: Any) -> dict[str, Any]:
    """Return the arguments of `click.option` for a declared option.

    The annotation says how a value is written, unless `about.form` does.
    """
    found: dict[str, Any] = {"help": about.help, "default": default, "metavar": about.metavar}
    form = about.form or annotation.removesuffix(" | None")
    if form == "bool":
        return {**found, "is_flag": True}
    found["show_default"] = default is not None
    found |= completer_of(about.metavar, about.choices, form)
    if about.choices and about.metavar is None:
        found["type"] = click.Choice(about.choices)
    elif form in _TYPES:
        found["type"] = _TYPES[form]
    if form in _PARSERS:
        found["callback"] = _callback(_PARSERS[form])
    if form == "list":
        found["default"] = ",".join(default)
    elif form == "quotas":
        found.update(multiple=True, default=())
    elif form == "yes|no":
        found["default"] = "yes" if default else "no"
    return found


def _callback(parse: Callable[..., Any]) -> Callable[..., Any]:
    return lambda ctx, param, value: None if value is None else parse(value)
