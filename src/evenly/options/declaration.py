"""Declare an option once: its name, type, default, help, documentation and check.

An option is a field of a frozen dataclass that inherits from `Options`. The field's name,
annotation and default are the option's; `option` adds the rest. The checks of values, the
documentation of Python functions (`documented`), the command line and the tables of the
documentation follow from these declarations, and tests compare public signatures with them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from evenly.options.checks import Check, choice

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False, repr=False)
class Declared:
    """What is declared of an option in addition to its name, type and default.

    Attributes:
        help: one line, for the command line and for tables.
        doc: the text for docstrings; the same as `help` if None.
        check: raises OptionError for a value that is not allowed; None allows the choices only.
        choices: the only values allowed if there is no other check, besides None as a default.
        flags: the spellings on the command line if they are not the name; () if the option is
            not available there.
        form: how a value is written there: a name in `evenly.cli.forms`; by default it follows
            from the choices or the type.
        metavar: the placeholder for a value in the help of the command line.
    """

    help: str
    doc: str | None = None
    check: Check | None = None
    choices: tuple[str, ...] = ()
    flags: tuple[str, ...] | None = None
    form: str | None = None
    metavar: str | None = None


def option(default: Any, help: str, doc: str | None = None, **more: Any) -> Any:
    """Declare a field of an `Options` class; `help`, `doc` and `more` are those of `Declared`."""
    return field(default=default, metadata={"declared": Declared(help, doc, **more)})


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Options:
    """Options that belong together. Every value is checked when an instance is made."""

    def __post_init__(self) -> None:
        for name, (one, about) in declared(type(self)).items():
            value = getattr(self, name)
            if about.check is not None:
                about.check(name, value)
            elif not (value is None and one.default is None):
                choice(*about.choices)(name, value)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Make an instance of those values that are options of this class."""
        return cls(**{name: values[name] for name in declared(cls) if name in values})

    def given(self) -> dict[str, Any]:
        """Return the options whose value is not None."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def flags_of(name: str, about: Declared) -> tuple[str, ...]:
    """Return how an option is spelled on the command line; () if it is not available there."""
    return ("--" + name.replace("_", "-"),) if about.flags is None else about.flags


def declared(*classes: type[Options]) -> dict[str, tuple[dataclasses.Field[Any], Declared]]:
    """Return the declarations of some classes by name, in order."""
    return {
        one.name: (one, one.metadata["declared"])
        for own in classes
        for one in fields(own)
        if "declared" in one.metadata
    }
