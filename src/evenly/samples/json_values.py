"""Values of every library as JSON that any parser reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from evenly.errors import OutputError

MISSING = ("NAType", "NaTType")
"""The types of pandas' marks of a missing value."""


def json_record(record: Any, replaced: set[str]) -> bytes:
    """Return a record, or a string, as one line of JSON without its newline.

    JSON has neither NaN nor infinite numbers: they become null, and `replaced` gets the names of
    their columns. Dates and times become ISO 8601.

    Raises:
        OutputError: JSON cannot hold a value; the message names the column.
    """
    value = dict(record) if isinstance(record, Mapping) else record
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):
        items = value.items() if isinstance(value, dict) else [("text", value)]
        return _encode({name: _finite_value(name, item, replaced) for name, item in items})


def json_field(name: str, value: Any, replaced: set[str]) -> str:
    """Return a value as a field of CSV: a string as it is, None as "", lists and dicts as JSON.

    Raises:
        OutputError: JSON cannot hold a value; the message names the column.
    """
    if isinstance(value, Decimal):
        return str(value)
    if value is not None and not isinstance(value, (str, int, float, list, tuple, Mapping)):
        try:
            value = json_value(value)
        except TypeError as error:
            raise _unfit(name, error) from error
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float):
        return json.dumps(float(value))  # NaN and Infinity are words of CSV
    try:
        return _encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        return _encode(_finite_value(name, value, replaced)).decode()


def plain_json(value: object) -> bytes:
    """Return one line of JSON that represents a `value` of any type in a hash."""
    return json.dumps(value, default=_any_value, skipkeys=True).encode() + b"\n"


def json_value(value: Any) -> object:
    """Convert a value of another library to one that JSON can hold.

    Raises:
        TypeError: there is none of the same meaning.
    """
    kind = type(value)
    if kind.__name__ in MISSING:
        return None
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "Mm":
        # As lists, dates in nanoseconds would be whole numbers.
        if value.dtype.kind == "m":
            raise TypeError(_unlike(kind, in_parquet=True))
        dates: Any = value
        absent: Any = np.where(np.isnat(dates), None, np.datetime_as_string(dates))
        return absent.tolist()
    if isinstance(value, (bytes, bytearray, memoryview, Decimal, timedelta)):
        raise TypeError(_unlike(kind, in_parquet=True))
    if isinstance(value, UUID):
        return str(value)
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            plain: object = getattr(value, method)()
            if type(plain) is kind:
                break
            return plain
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(_unlike(kind))


def _encode(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=json_value).encode()
    except UnicodeEncodeError:
        # UTF-8 cannot encode a lone surrogate, but JSON can escape it.
        return json.dumps(value, allow_nan=False, default=json_value).encode()


def _finite_value(name: Any, value: Any, replaced: set[str]) -> Any:
    """Return a value with None for numbers that are not finite, and add its name to `replaced`."""
    try:
        _encode({name: value})
    except (TypeError, ValueError, RecursionError):
        try:
            finite = _finite(value)
            _encode({name: finite})
        except (TypeError, ValueError, RecursionError) as error:
            raise _unfit(name, error) from error
        replaced.add(str(name))
        return finite
    return value


def _finite(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return _finite(json_value(value))


def _unlike(kind: type, *, in_parquet: bool = False) -> str:
    way = "write .parquet, which can" if in_parquet else "convert it to strings or numbers"
    return f"it has a value of type {kind.__name__}; {way}, or leave the column out"


def _unfit(name: object, error: Exception) -> OutputError:
    reason = str(error)
    if "leave the column out" not in reason:
        reason += "; convert it to strings, numbers, lists and dicts, or leave the column out"
    return OutputError(f"JSON and CSV cannot hold the column {name!r}: {reason}.")


def _any_value(value: Any) -> object:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (Decimal, timedelta)):
        return str(value)
    try:
        return json_value(value)
    except TypeError:
        # Not the repr, which may contain an address that differs from run to run.
        return f"<{type(value).__name__}>"
