"""Options as JSON values, and what remains of those that are not JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike, fspath
from typing import Any

from evenly.options.checks import BOOLEANS, shown

_NOT_KEPT = "not kept"


@dataclass(frozen=True)
class NotKept:
    """What remains of an option's value that cannot be written down.

    Attributes:
        description: words for the value: the name of a Python object, or how many values there
            were and their hash.
        is_object: whether the value was a Python object; else it was too long.
    """

    description: str
    is_object: bool = True

    def __str__(self) -> str:
        return self.description


def as_json_value(value: Any) -> Any:
    """Return a value as JSON has it; a Python object becomes `NotKept` with its name."""
    if value is None or isinstance(value, str | bool | NotKept):
        return value
    if type(value).__name__ in BOOLEANS:
        return bool(value)
    if isinstance(value, Real):
        with suppress(OverflowError):  # a fraction can exceed what floats hold
            return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, PathLike):
        return fspath(value)
    if isinstance(value, Sequence):
        return [as_json_value(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): as_json_value(part) for name, part in value.items()}
    return NotKept(getattr(value, "__qualname__", type(value).__qualname__))


def in_words(value: Any) -> str:
    """Return a value for a message: on and off for a switch, a string as it is."""
    if value is None:
        return "not given"
    if type(value).__name__ in BOOLEANS:
        return "on" if value else "off"
    return value if isinstance(value, str) else shown(value)


def encode(value: Any) -> Any:
    """Return a value of `as_json_value` as `json.dumps` takes it."""
    if isinstance(value, NotKept):
        return {_NOT_KEPT: value.description, "object": value.is_object}
    if isinstance(value, list):
        return [encode(part) for part in value]
    if isinstance(value, dict):
        return {name: encode(part) for name, part in value.items()}
    return value


def decode(value: Any) -> Any:
    """Return what `encode` was given."""
    if isinstance(value, list):
        return [decode(part) for part in value]
    if isinstance(value, dict):
        if set(value) == {_NOT_KEPT, "object"}:
            return NotKept(str(value[_NOT_KEPT]), bool(value["object"]))
        return {name: decode(part) for name, part in value.items()}
    return value
