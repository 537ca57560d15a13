"""Write the documentation of options from their declarations."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

from evenly.options.declaration import Declared, Options, declared

_WIDTH = 96
F = TypeVar("F", bound=Callable[..., Any])


def documented(*classes: type[Options]) -> Callable[[F], F]:
    """Add those options of a function to its docstring that the docstring does not describe.

    The docstring has a line `Args:`. What it says of an option there stays; the other
    parameters that `classes` declare are described after them, in the order of the signature.
    """
    known = declared(*classes)

    def add(function: F) -> F:
        doc = inspect.getdoc(function)
        if doc is None:  # python -OO
            return function
        before, section, after = doc.partition("Args:\n")
        own, gap, rest = after.partition("\n\n")
        described = [line.split(":")[0] for line in own.splitlines() if line[4:5].strip()]
        names = {name.strip() for line in described for name in line.split(",")}
        lines = [
            _paragraph(name, known[name][1])
            for name in inspect.signature(function).parameters
            if name in known and name not in names
        ]
        function.__doc__ = before + section + "\n".join([own.rstrip("\n"), *lines]) + gap + rest
        return function

    return add


def _paragraph(name: str, about: Declared) -> str:
    text = about.doc or about.help[0].lower() + about.help[1:]
    text = f"{name}: {text}"
    return textwrap.fill(
        text, _WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8, break_on_hyphens=False
    )
