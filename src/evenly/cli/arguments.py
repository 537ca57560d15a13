"""Turn the words of a command line into arguments of the library."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from evenly.cli.streams import standard_input
from evenly.options import EncoderOptions, declared


def data_or_stdin(data: str | None) -> Any:
    """Return the DATA of a command; - is standard input."""
    return standard_input() if data == "-" else data


def library_options(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a command as the library takes them."""
    rest = dict(options)
    own = {name: rest.pop(name) for name in declared(EncoderOptions) if name in rest}
    if own:
        defaults = {name: field.default for name, (field, _) in declared(EncoderOptions).items()}
        changed = {name: value for name, value in own.items() if value != defaults[name]}
        rest["encoder_options"] = changed
    if rest.pop("no_cache", False):
        rest["cache_dir"] = False
    if "vectors" in rest:
        rest["vectors"] = _vectors(rest["vectors"], rest.pop("vectors_column"))
    by_id = rest.get("id_column") is not None
    for name in ("id_column", "groups", "costs", "quality"):
        if name in rest:
            rest[name] = column_or_array(rest[name])
    for name in ("include", "exclude"):
        if name in rest:
            rest[name] = rows_or_ids(rest[name], by_id=by_id)
    if "away_from" in rest:
        rest["away_from"] = data_or_rows(rest["away_from"], by_id=by_id)
    return {**rest, "progress": ctx.obj}


def _vectors(path: str | None, column: str | None) -> Any:
    """Return the vectors of the rows as the library takes them: a path, or a column."""
    if path is not None and column is not None:
        raise click.UsageError("--vectors and --vectors-column both name the vectors; give one.")
    return column if path is None else Path(path)


def given(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return those of `library_options` that were written on the command line."""

    def was_given(name: str) -> bool:
        source = ctx.get_parameter_source(name)
        return source not in (None, click.core.ParameterSource.DEFAULT)

    sources = {
        "encoder_options": tuple(declared(EncoderOptions)),
        "cache_dir": ("cache_dir", "no_cache"),
        "refine": ("refine", "refine_seconds"),
        "vectors": ("vectors", "vectors_column"),
    }
    return {
        name: value
        for name, value in options.items()
        if any(was_given(option) for option in sources.get(name, (name,)))
    }


def rows_or_ids(value: str | None, *, by_id: bool) -> Any:
    """Return the rows that a word names: the path of a file, or those it lists with commas."""
    if value is None or _is_file(value):
        return value
    from evenly.selection.results.row_files import is_row_number

    named = [name.strip() for name in value.split(",") if name.strip()]
    # Without ids, a word that is not a number is for the library to reject.
    return [int(name) if not by_id and is_row_number(name) else name for name in named]


def data_or_rows(value: str | None, *, by_id: bool) -> Any:
    """Return what a word says to keep away from: the path of data, or rows of the data."""
    if value is None:
        return None
    from evenly.selection.results.row_files import begins_with_row_number, read_array, rows_in_file

    if value.endswith(".npy") and _is_file(value):
        rows = read_array(value)
        return rows if rows.ndim == 1 else value
    if _is_file(value):
        # A .txt file may hold texts, which are data.
        of_rows = value.endswith(".txt") and (by_id or begins_with_row_number(value))
        return rows_in_file(value, by_id=by_id) if of_rows else value
    listed = all(name.strip().isdecimal() for name in value.split(","))
    return rows_or_ids(value, by_id=by_id) if listed or (by_id and "," in value) else value


def column_or_array(value: str | None) -> Any:
    """Return the name of a column, or the values of a .npy file, one for each row."""
    if value is None or not (value.endswith(".npy") and _is_file(value)):
        return value
    from evenly.selection.results.row_files import read_array

    return read_array(value)


def _is_file(value: str) -> bool:
    return os.path.isfile(value)  # noqa: PTH113 - a Path raises if the value is a long list
