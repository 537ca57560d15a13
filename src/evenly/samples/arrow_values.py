"""Arrow columns as Python values, and rows of Arrow tables, without a loss of either."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from evenly.errors import DataError
from evenly.samples.rows import RowNumbers

_RECORDS_PER_BATCH = 4096
_Decoder = Callable[[Any], Any]


def table_records(table: Any, origin: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a pyarrow Table as dicts of Python values; see `column_values`."""
    for batch in table.to_batches(max_chunksize=_RECORDS_PER_BATCH):
        columns = [
            column_values(array, field, origin)
            for array, field in zip(batch.columns, batch.schema, strict=True)
        ]
        for row in zip(*columns, strict=True):
            yield dict(zip(batch.schema.names, row, strict=True))


def column_values(column: Any, field: Any, origin: str) -> list[object]:
    """Return a column of a pyarrow Table as Python values.

    Columns of JSON, such as those of the datasets library, are parsed. Times that need
    nanoseconds, which Python's do not have, become strings.

    Raises:
        DataError: Python cannot represent a value; the message names the column.
    """
    decode = _decoder(field)
    try:
        _check_readable(field)
        values: list[object] = _with_nanoseconds(column).to_pylist()
        return values if decode is None else [decode(value) for value in values]
    except (ValueError, OverflowError, NotImplementedError, RecursionError) as error:
        raise DataError(
            f"{origin}: a value in the column {field.name!r} of type {field.type} cannot be read: "
            f"{str(error).rstrip('.')}. Correct it, or leave the column out."
        ) from error


def take_rows(table: Any, rows: RowNumbers, *, largest: int = 1 << 28) -> Any:
    """Return rows of a pyarrow Table, in the order of `rows`.

    pyarrow's own `take` joins all chunks of a column first, which copies the whole column, and
    fails if its strings exceed 2 GiB. This copies the chosen rows only, and joins at most
    `largest` bytes of a column.
    """
    import pyarrow as pa

    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    parts, start, begin = [], 0, 0
    for batch in table.to_batches():
        end = begin + int(np.searchsorted(ascending[begin:], start + batch.num_rows))
        if end > begin:
            numbers = pa.array(ascending[begin:end] - start)
            try:
                parts.append(pa.Table.from_batches([batch.take(numbers)]))
            except pa.ArrowNotImplementedError:  # views of strings, and run-end encoded columns
                slices = [table.slice(row, 1) for row in rows.tolist()]
                return pa.concat_tables(slices)
        start, begin = start + batch.num_rows, end
    chosen, places = pa.concat_tables(parts or [table.slice(0, 0)]), np.argsort(order)
    if (order[:-1] < order[1:]).all():
        return chosen
    if _largest_column(chosen) <= largest:
        return chosen.take(pa.array(places))
    halves = np.array_split(places, 2)
    return pa.concat_tables([take_rows(chosen, half, largest=largest) for half in halves])


def _largest_column(table: Any) -> int:
    """Return the size of the largest column in bytes; dictionaries do not shrink with the rows."""
    from pyarrow import types

    sizes = [column.nbytes for column in table.columns if not types.is_dictionary(column.type)]
    return max(sizes, default=0)


def is_plain(kind: Any) -> bool:
    """Return whether JSON and CSV can hold every value of an Arrow type, however large."""
    from pyarrow import types

    if types.is_nested(kind):
        return all(is_plain(field.type) for field in _parts(kind))
    return bool(
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_null(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
    )


def _check_readable(field: Any) -> None:
    """Raise ValueError if the type, or a part of it, would lose its meaning in Python."""
    from pyarrow import types

    name = _extension(field)
    # The values would be the numbers of the periods, or tensors without their shapes.
    if name in ("pandas.period", "arrow.fixed_shape_tensor", "arrow.variable_shape_tensor"):
        raise ValueError(f"Python has no values of the type {name}")
    if types.is_interval(field.type):
        raise ValueError("Python has no values that combine months and days")
    for part in _parts(field.type):
        _check_readable(part)


def _parts(kind: Any) -> list[Any]:
    """Return the fields that a nested type consists of."""
    from pyarrow import types

    return [kind.field(place) for place in range(kind.num_fields)] if types.is_nested(kind) else []


def _with_nanoseconds(column: Any) -> Any:
    import pyarrow as pa

    if not (pa.types.is_time64(column.type) and column.type.unit == "ns"):
        return column
    try:
        return column.cast(pa.time64("us"))
    except pa.ArrowInvalid:
        return column.cast(pa.string())


def _decoder(field: Any) -> _Decoder | None:
    """Return what parses the JSON in a value of a field; None if it holds none."""
    from pyarrow import types

    kind = field.type
    if _extension(field) == "arrow.json":
        return lambda value: None if value is None else json.loads(value)
    if types.is_struct(kind):
        found = {part.name: _decoder(part) for part in _parts(kind)}
        decoders = {name: decode for name, decode in found.items() if decode is not None}
        return _struct_decoder(decoders) if decoders else None
    if types.is_map(kind):
        decode = _decoder(kind.item_field)
        return decode and _list_decoder(lambda pair: (pair[0], decode(pair[1])))
    if types.is_nested(kind) and hasattr(kind, "value_field"):
        return _list_decoder(_decoder(kind.value_field))
    return None


def _extension(field: Any) -> str | None:
    """Return the name of an extension type, even if pyarrow does not know the type."""
    name = getattr(field.type, "extension_name", None)
    stored: bytes | None = (field.metadata or {}).get(b"ARROW:extension:name")
    return name or (stored.decode() if stored else None)


def _struct_decoder(decoders: dict[str, _Decoder]) -> _Decoder:
    def decode(value: Any) -> Any:
        if value is None:
            return None
        return value | {name: parse(value[name]) for name, parse in decoders.items()}

    return decode


def _list_decoder(parse: _Decoder | None) -> _Decoder | None:
    if parse is None:
        return None
    return lambda value: None if value is None else [parse(item) for item in value]
