"""Tables of rows to look at, each with the reason why it is there."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Literal

from evenly.tables import count

Kind = Literal["number", "row", "text"]


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, and whether it holds numbers, row numbers or texts."""

    title: str
    kind: Kind


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the value that it is sorted by."""

    shown: str
    value: float | str


@dataclass(frozen=True)
class Table:
    """A table to read, sort and search.

    Attributes:
        name: the id of its element.
        title, lead: what it is called, and what it shows in a sentence or two.
        columns, rows: its content.
        empty: what is said if there are no rows.
    """

    name: str
    title: str
    lead: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = ""


def number(value: float, digits: int = 4) -> Cell:
    """Return a cell with a number."""
    return Cell(f"{value:,.{digits}f}" if isfinite(value) else "–", value)


def whole(value: int, noun: str = "") -> Cell:
    """Return a cell with a whole number of things."""
    return Cell(count(value, noun) if noun else f"{value:,}", value)


def row_number(row: int) -> Cell:
    """Return a cell with the number of a row, as indices have it."""
    return Cell(str(row), row)


def words(text: str) -> Cell:
    """Return a cell with a text."""
    return Cell(text, text.lower())


ROW = Column("row", "row")
TEXT = Column("text", "text")
WHY = Column("why it is here", "text")
