"""Check the values of options, before any data is read."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from evenly.errors import BudgetError, OptionError

BOOLEANS = ("bool", "bool_")  # the name of NumPy's, too, which is not imported for this

Check = Callable[[str, Any], object]
"""Takes an option's name and value; raises OptionError if the value is not allowed."""


_LONGEST = 100
_DEVICE = re.compile(r"[a-z]+(:[0-9]+)?")


def shown(value: Any) -> str:
    """Return a value for a message: on one line, and not too long."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    try:
        text = " ".join(repr(value).split())
    except Exception:  # such as an int of more digits than Python prints
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


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
                words = f'"{allowed[0]}" or "{allowed[1]}"'
            else:
                words = f"one of {', '.join(allowed)}"
            raise OptionError(f"{name} must be {words}, got {shown(value)}.")

    return one_of


def flag(name: str, value: Any) -> None:
    """Allow True and False."""
    if type(value).__name__ not in BOOLEANS:
        raise OptionError(f"{name} must be True or False, got {shown(value)}.")


def text(name: str, value: Any) -> None:
    """Allow a string, which may be empty."""
    if not isinstance(value, str):
        raise OptionError(f"{name} must be a string, got {shown(value)}.")


def a_path(name: str, value: Any) -> None:
    """Allow the path of a file or folder."""
    if not is_path(value):
        raise OptionError(f"{name} must be a path, got {shown(value)}.")


def is_path(value: Any) -> bool:
    """Whether a value can be the path of a file or folder."""
    path = fspath(value) if isinstance(value, str | PathLike) else None
    return isinstance(path, str) and path != "" and "\0" not in path


def device(name: str, value: Any) -> None:
    """Allow "auto", and the devices that torch can use on this machine."""
    if isinstance(value, str) and value in ("auto", "cpu"):  # without importing torch
        return
    fault = "is no name of a device"
    if isinstance(value, str) and _DEVICE.fullmatch(value) and value != "meta":
        import torch

        try:
            torch.empty(0, device=value)
        except Exception:  # of many types: torch, its build and its drivers differ
            fault = "is not available to torch on this machine"
        else:
            return
    raise OptionError(
        f'{name} must be "auto", "cpu", or a device of this machine, such as "cuda", "cuda:1" or '
        f'"mps": {shown(value)} {fault}.'
    )


def are_words(value: Any) -> bool:
    """Whether a value is a string or several, none of which is empty."""
    several = [value] if isinstance(value, str) else value
    return (
        isinstance(several, list | tuple | set | frozenset)
        and len(several) > 0
        and all(isinstance(one, str) and one for one in several)
    )


def several(name: str, value: Any) -> None:
    """Allow a list, a one-dimensional array or a series of values."""
    if not _is_series(value):
        raise OptionError(
            f"{name} must be a list, an array (n,) or a series of values, got {shown(value)}."
        )


def columns_or_function(name: str, value: Any) -> None:
    """Allow a column, several columns, or a function of a record."""
    if not callable(value) and not are_words(value):
        raise OptionError(
            f"{name} must be a column, a list of columns or a function of a record, "
            f"got {shown(value)}."
        )


def column_or_several(name: str, value: Any) -> None:
    """Allow the name of a column, or the values of one."""
    if not (value if isinstance(value, str) else _is_series(value)):
        raise OptionError(
            f"{name} must be the name of a column, or a list, an array (n,) or a series of values, "
            f"got {shown(value)}."
        )


def _is_series(value: Any) -> bool:
    return (
        isinstance(value, Iterable)
        and hasattr(value, "__len__")
        and not isinstance(value, str | bytes | bytearray | Mapping | type)
        and getattr(value, "ndim", 1) == 1
    )


def is_number(value: Any) -> bool:
    """Whether a value is a real number; booleans are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def as_float(value: Any) -> float:
    """Return a real number as a float; nan for everything else, and for what no float can hold."""
    try:
        return float(value) if is_number(value) else math.nan
    except OverflowError:
        return math.nan


def number(what: str, *, above: float | None = None, below: float = math.inf) -> Check:
    """Allow finite numbers of at least 0, or above `above`, and below `below`.

    Args:
        what: what the option must be, in words, for the message.
        above, below: the limits, not included; without `above`, 0 is allowed.
    """

    def within(name: str, value: Any) -> None:
        found = as_float(value)
        if not (found > above if above is not None else found >= 0.0) or not found < below:
            raise OptionError(f"{name} must be {what}, got {shown(value)}.")

    return within


def whole(least: int) -> Check:
    """Allow whole numbers of at least `least`."""
    return lambda name, value: whole_number(name, value, least=least)


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Return the value of an option as an int.

    Raises:
        OptionError: the value is not a whole number, or is less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise OptionError(f"{name} must be a whole number, {least} or more, got {shown(value)}.")
    if int(value) > sys.maxsize:
        raise OptionError(f"{name} must be at most {sys.maxsize}, got {shown(value)}.")
    return int(value)


def rows_or_fraction(name: str, value: Any) -> None:
    """Allow a number of rows (an int, 1 or more) or a fraction (a float in (0, 1]).

    Raises:
        BudgetError: the value is neither.
    """
    if not is_number(value):
        raise BudgetError(
            f"{name} must be a whole number of rows or a fraction in (0, 1], got {shown(value)}."
        )
    if isinstance(value, Integral):
        if value < 1:
            raise BudgetError(f"{name} must be at least 1 row, got {shown(value)}.")
    elif not 0.0 < as_float(value) <= 1.0:
        raise BudgetError(
            f"a fractional {name} must be in (0, 1], got {shown(value)}. For a number of rows, "
            "give a whole number."
        )
