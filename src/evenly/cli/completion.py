"""What the shell completes after an option or for an argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

# The forms of values (see `evenly.cli.forms`) that may be files.
_OF_FILES = ("row_names", "data_or_row_names", "column_or_array")


def completing(words: Sequence[str] = (), *, files: bool = True) -> Completer:
    """Return a function that completes some words and, by the shell's own means, files."""

    def complete(ctx: click.Context, param: click.Parameter, begin: str) -> list[CompletionItem]:
        found = [CompletionItem(word) for word in words if word.startswith(begin)]
        return [*found, CompletionItem(begin, type="file")] if files else found

    return complete


def completer_of(
    metavar: str | None, choices: Sequence[str] = (), form: str | None = None
) -> dict[str, Any]:
    """Return the `shell_complete` of an option; nothing if its type knows better.

    The words are the choices, or those parts of the metavar that are written in small letters.
    """
    parts = [part for part in (metavar or "").split("|") if part[:1].isalpha()]
    words = choices or [part for part in parts if part.islower()]
    files = form in _OF_FILES or any(part.startswith(("FILE", "PATH")) for part in parts)
    return {"shell_complete": completing(words, files=files)} if words or files else {}
