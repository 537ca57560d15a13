"""Checks of option values that no data is needed for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

import numpy as np

from evenly.errors import OptionError

__all__ = ["as_json_value", "check_distance", "whole_number"]


def whole_number(name: str, value: Any, *, least: int) -> int:
    """The option `name` as an int of at least `least`; anything else is an OptionError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name} must be a whole number, {least} or more, got {value!r}.")
    return int(value)


def as_json_value(value: Any) -> Any:
    """An option as a JSON value: itself where it is one, else its name in angle brackets."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, Sequence):
        return [as_json_value(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): as_json_value(part) for name, part in value.items()}
    return f"<{getattr(value, '__qualname__', type(value).__qualname__)}>"


def check_distance(min_distance: Any) -> None:
    """Refuse what is no distance; None is none.

    Raises:
        OptionError: it is no finite number of at least 0.
    """
    if min_distance is None:
        return
    number = isinstance(min_distance, Real) and not isinstance(min_distance, bool)
    if not number or not 0 <= float(min_distance) < np.inf:
        raise OptionError(
            f"min_distance must be a finite distance, 0 or more, got {min_distance!r}."
        )
