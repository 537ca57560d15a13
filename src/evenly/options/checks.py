"""Check the values of options, before any data is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from evenly.errors import BudgetError, OptionError

BOOLEANS = ("bool", "bool_")  # the name of NumPy's, too, which is not imported for this

Check = Callable[[str, Any], object]
"""Takes an option's name and value; raises OptionError if the value is not allowed."""


def optional(check: Check) -> Check:
    """Allow None, too."""

    def optionally(name: str, value: Any) -> None:
        if value is not None:
            check(name, value)

    return optionally


def choice(*allowed: str) -> Check:
    """Allow some words only."""

    def one_of(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in allowed:
            if len(allowed) == 2:
                shown = f'"{allowed[0]}" or "{allowed[1]}"'
            else:
                shown = f"one of {', '.join(allowed)}"
            raise OptionError(f"{name} must be {shown}, got {value!r}.")

    return one_of


def flag(name: str, value: Any) -> None:
    """Allow True and False."""
    if type(value).__name__ not in BOOLEANS:
        raise OptionError(f"{name} must be True or False, got {value!r}.")


def text(name: str, value: Any) -> None:
    """Allow a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name} must be a string, got {value!r}.")


def a_path(name: str, value: Any) -> None:
    """Allow the path of a file or folder."""
    if not isinstance(value, str | PathLike) or not fspath(value):
        raise OptionError(f"{name} must be a path, got {value!r}.")


def is_number(value: Any) -> bool:
    """Whether a value is a real number; booleans are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def number(what: str, *, above: float | None = None, below: float = math.inf) -> Check:
    """Allow finite numbers of at least 0, or above `above`, and below `below`.

    Args:
        what: what the option must be, in words, for the message.
        above, below: the limits, not included; without `above`, 0 is allowed.
    """

    def within(name: str, value: Any) -> None:
        low = is_number(value) and (
            float(value) > above if above is not None else float(value) >= 0.0
        )
        if not low or not float(value) < below:
            raise OptionError(f"{name} must be {what}, got {value!r}.")

    return within


def whole(least: int) -> Check:
    """Allow whole numbers of at least `least`."""
    return lambda name, value: whole_number(name, value, least=least)


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Return the value of an option as an int.

    Raises:
        OptionError: the value is not a whole number, or is less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name} must be a whole number, {least} or more, got {value!r}.")
    return int(value)


def rows_or_fraction(name: str, value: Any) -> None:
    """Allow a number of rows (an int, 1 or more) or a fraction (a float in (0, 1]).

    Raises:
        BudgetError: the value is neither.
    """
    if not is_number(value):
        raise BudgetError(
            f"{name} must be a number of rows (int) or a fraction in (0, 1] (float), got {value!r}."
        )
    if isinstance(value, Integral):
        if value < 1:
            raise BudgetError(f"{name} must be at least 1 row, got {value}.")
    elif not 0.0 < float(value) <= 1.0:
        raise BudgetError(
            f"a fractional {name} must be in (0, 1], got {value!r}. For a number of rows, "
            "pass an int."
        )
