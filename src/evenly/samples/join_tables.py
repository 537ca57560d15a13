"""Arrow tables of different types as one table."""

from __future__ import annotations

from itertools import chain
from typing import Any

from evenly.errors import DataError


def join_tables(tables: list[Any], origin: str) -> Any:
    """Join tables under the types that hold the values of all, such as int64 for int32.

    Raises:
        DataError: their schemas are too different.
    """
    import pyarrow as pa

    if any(not table.schema.equals(tables[0].schema) for table in tables):
        tables = _with_common_types(tables, origin)
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"{origin} have different schemas: {error}") from error


def _with_common_types(tables: list[Any], origin: str) -> list[Any]:
    """Convert the columns that pyarrow cannot promote: categories, and views of strings.

    Raises:
        DataError: a column holds strings in one table and bytes in another.
    """
    kinds: dict[str, set[Any]] = {}
    for field in chain.from_iterable(table.schema for table in tables):
        kinds.setdefault(field.name, set()).add(field.type)
    common = {
        name: {kind: _common_type(kind) for kind in found}
        for name, found in kinds.items()
        if len(found) > 1
    }
    for name, types in common.items():
        if any(map(_is_text, types.values())) and any(map(_is_bytes, types.values())):
            raise DataError(
                f"{origin} have different schemas: the column {name!r} holds strings in some and "
                "bytes in others. Convert one of them."
            )
    return [_convert(table, common) for table in tables]


def _convert(table: Any, common: dict[str, dict[Any, Any]]) -> Any:
    for number, field in enumerate(table.schema):
        kind = common.get(field.name, {}).get(field.type, field.type)
        if kind != field.type:
            column = table.column(number).cast(kind)
            table = table.set_column(number, field.with_type(kind), column)
    return table


def _common_type(kind: Any) -> Any:
    """Return the type of the values of a dictionary; that of views without the view."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _common_type(kind.value_type)
    views = {"string_view": pa.large_string(), "binary_view": pa.large_binary()}
    return views.get(str(kind), kind)


def _is_text(kind: Any) -> bool:
    return str(kind) in ("string", "large_string")


def _is_bytes(kind: Any) -> bool:
    return str(kind).partition("[")[0] in ("binary", "large_binary", "fixed_size_binary")
