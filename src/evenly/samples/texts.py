"""Reads the text of each row, which is then embedded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evenly.errors import ColumnError, OptionError, TextError
from evenly.samples.base import Samples
from evenly.samples.chat import ChatError, chat_text, check_roles, messages_of
from evenly.samples.rows import check_columns

_log = logging.getLogger("evenly")

# Columns that usually hold the text; data with two of them are ambiguous.
_CANDIDATES = ("prompt", "instruction", "question", "messages", "conversations")
_ABSENT = object()


@dataclass(frozen=True)
class Texts:
    """One text per row, and the reasons why some rows have none.

    Attributes:
        values: n texts; "" for invalid rows.
        invalid: maps row numbers to reasons, such as "column 'input' is None".
        description: source of the texts, such as "instruction + input".
    """

    values: list[str]
    invalid: dict[int, str]
    description: str


@dataclass(frozen=True, eq=False)
class RowTexts:
    """The texts of some data, read again each time, one record after the other.

    Attributes:
        samples: strings or records.
        names: the columns of the text; () for plain strings and functions.
        function: what returns the text of a record, if it is a function.
        roles: roles whose messages are read from chats.
        description: source of the texts, such as "instruction + input".
    """

    samples: Samples
    names: tuple[str, ...]
    function: Callable[[Any], str] | None
    roles: frozenset[str]
    description: str

    def read(self) -> Iterator[tuple[str, str]]:
        """Yield the text of each row and "", or "" and the reason why the row is invalid.

        Raises:
            ColumnError: a column is missing.
            TextError: the function failed.
        """
        return (_join_or_reason(parts, self.roles) for parts in self._parts())

    def texts(self) -> Iterator[str]:
        """Yield the text of each row, "" for invalid rows; raises like `read`."""
        return (text for text, _ in self.read())

    def _parts(self) -> Iterator[_Parts]:
        if self.function is not None:
            return _called(self.samples, self.function)
        if not self.names:
            return ((("", item),) for item in self.samples.records())
        rows = self.samples.iter_columns(self.names, _ABSENT)
        return (tuple(zip(self.names, values, strict=True)) for values in rows)


class _UnusableError(Exception):
    """The reason why a row has no text; never leaves this file."""


def read_texts(
    samples: Samples,
    text: str | Sequence[str] | Callable[[Any], str] | None = None,
    roles: str | Sequence[str] = ("user",),
) -> Texts:
    r"""Read the text of every row.

    Args:
        samples: strings or records.
        text: a column; several columns, whose non-empty texts are joined by "\n"; or a function
            of a record (a dict or a string). By default the column is detected and logged:
            plain strings are the texts; else the column "text"; else the only one present of
            "prompt", "instruction" (with "input" if present), "question", "messages" and
            "conversations"; else the only column.
        roles: roles whose messages are read from chats, joined by "\n".

    Returns:
        Texts: `invalid` has the rows whose text is None, missing, not a string, empty, only
        white space, invalid Unicode or a chat of an unknown shape.

    Raises:
        ColumnError: a column is missing, or the text column cannot be detected.
        TextError: the samples are vectors, or the function `text` failed.
        OptionError: `text` or `roles` is invalid.
    """
    if not samples.holds_records:
        raise TextError(f"{samples.origin} holds vectors, so there are no texts to read.")
    texts = open_texts(samples, text, roles)
    values, invalid = [], {}
    for row, (value, reason) in enumerate(texts.read()):
        values.append(value)
        if reason:
            invalid[row] = reason
    return Texts(values, invalid, texts.description)


def open_texts(
    samples: Samples,
    text: str | Sequence[str] | Callable[[Any], str] | None = None,
    roles: str | Sequence[str] = ("user",),
) -> RowTexts:
    """Return the texts that `read_texts` reads, to be read record by record, any number of times.

    Raises:
        ColumnError: the text column cannot be detected.
        TextError: the samples are vectors.
        OptionError: `text` or `roles` is invalid.
    """
    if not samples.holds_records:
        raise TextError(f"{samples.origin} holds vectors, so there are no texts to read.")
    wanted = check_roles(roles)
    if callable(text):
        name = getattr(text, "__name__", type(text).__name__)
        return RowTexts(samples, (), text, wanted, f"the function {name}")
    names = _find_columns(samples) if text is None else _check_names(text)
    description = " + ".join(names) or "the strings"
    if names and text is None:
        _log.info("text column: %s (detected automatically)", description)
    return RowTexts(samples, names, None, wanted, description)


def check_text(samples: Samples, text: str | Sequence[str]) -> None:
    """Raise ColumnError if one of the columns of the text is missing."""
    check_columns(_check_names(text), samples.columns, samples.origin)


def text_columns(
    samples: Samples, text: str | Sequence[str] | Callable[[Any], str] | None = None
) -> tuple[str, ...]:
    """Return the columns that `read_texts` reads; () for plain strings and functions."""
    if callable(text):
        return ()
    return _find_columns(samples) if text is None else _check_names(text)


def texts_of_rows(
    samples: Samples,
    rows: Iterable[int],
    text: str | Sequence[str] | Callable[[Any], str] | None = None,
    roles: str | Sequence[str] = ("user",),
) -> Iterator[str]:
    """Yield the texts of some rows, as they are read; "" for invalid rows.

    `text` and `roles` are as in `read_texts`, and raise the same errors.
    """
    wanted = check_roles(roles)
    names = text_columns(samples, text)
    for record in samples.records(rows):
        if callable(text):
            parts: _Parts = (("", text(record)),)
        elif names:
            parts = tuple((name, record.get(name, _ABSENT)) for name in names)
        else:
            parts = (("", record),)
        yield _join_or_reason(parts, wanted)[0]


def excerpt(text: str, width: int = 70) -> str:
    """Return a text on one line, truncated to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


_Parts = tuple[tuple[str, object], ...]


def _called(samples: Samples, function: Callable[[Any], str]) -> Iterator[_Parts]:
    for row, record in enumerate(samples.records()):
        try:
            value = function(record)
        except Exception as error:
            raise TextError(
                f"{samples.locate(row)}: the function passed as text= failed with "
                f"{type(error).__name__}: {error}"
            ) from error
        yield (("", value),)


def _join_or_reason(parts: _Parts, roles: frozenset[str]) -> tuple[str, str]:
    """Return the text of a row and "", or "" and the reason why the row is invalid."""
    try:
        return _join(parts, roles), ""
    except _UnusableError as reason:
        return "", str(reason)


def _join(parts: _Parts, roles: frozenset[str]) -> str:
    texts = [_text(name, value, roles) for name, value in parts]
    joined = texts[0] if len(texts) == 1 else "\n".join(filter(None, texts))
    if not joined or joined.isspace():
        raise _UnusableError("is only white space" if joined else "is empty")
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            raise _UnusableError(
                f"is not valid Unicode: there is a lone surrogate at character {error.start + 1}"
            ) from error
    return joined


def _text(name: str, value: object, roles: frozenset[str]) -> str:
    if isinstance(value, str) and (not value or value[0].isalnum()):
        return value  # no messages begin like this
    subject = f"column {name!r} " if name else ""
    try:
        messages = messages_of(value)
        if messages is not None:
            return chat_text(messages, roles)
    except ChatError as error:
        raise _UnusableError(f"{subject}{error}") from error
    if isinstance(value, str):
        return value
    if value is None or value is _ABSENT:
        raise _UnusableError(f"{subject}is {'None' if value is None else 'missing'}")
    raise _UnusableError(f"{subject}is {type(value).__name__}, not a string")


def _check_names(text: object) -> tuple[str, ...]:
    names = (text,) if isinstance(text, str) else text
    are_names = isinstance(names, Sequence) and all(
        name and isinstance(name, str) for name in names
    )
    if not isinstance(names, Sequence) or not names or not are_names:
        raise OptionError(
            f"text must be a column, a list of columns or a function of a record, got {text!r}."
        )
    return tuple(names)


def _find_columns(samples: Samples) -> tuple[str, ...]:
    """Return the columns that hold the text; () for plain strings.

    The column "text" takes precedence. If there are two other candidates, the user decides.
    """
    beside = samples.beside
    columns = tuple(name for name in samples.columns if beside is None or name != beside.given)
    if not samples.columns or "text" in columns:
        return ("text",) if columns else ()
    found = [name for name in _CANDIDATES if name in columns]
    if not found and len(columns) == 1:
        return columns
    if len(found) != 1:
        problem = f"could be {' or '.join(found)}" if found else "is in none of the usual columns"
        raise ColumnError(
            f"the text of {samples.origin} {problem}. Name the column with text= (on the command "
            f"line: --text). The columns are: {', '.join(columns)}."
        )
    if found == ["instruction"] and "input" in columns:
        return ("instruction", "input")
    return (found[0],)
