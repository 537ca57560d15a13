"""Colours of rows by a column: of groups, or from low to high numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenly.inputs.columns import Column
from evenly.reporting.page.texts import shown
from evenly.shapes import Float, Int

# Okabe and Ito's, in an order in which neighbours differ most.
_GROUPS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A900", "#8C6BB1")
_OTHERS = "#8f96a1"
_SCALE = 9
_WIDTH = 40


@dataclass(frozen=True, eq=False)
class Colouring:
    """The colour of each row by one column.

    Attributes:
        name: the column.
        colours: (n,) as 0xRRGGBBAA, one for each row of the input.
        legend: labels and their colours.
        is_scale: whether the colours run from low to high.
    """

    name: str
    colours: Int[np.ndarray, " n"]
    legend: list[tuple[str, str]]
    is_scale: bool

    @classmethod
    def of(cls, name: str, values: Column) -> Colouring:
        """Colour by numbers if all values are numbers or missing, and several; else by group."""
        numbers = _numbers(values)
        if numbers is not None:
            return _by_number(name, numbers)
        return _by_group(name, values)


def _numbers(values: Column) -> Float[np.ndarray, " n"] | None:
    """Return values as numbers, NaN for missing ones; None if they name groups."""
    found = np.full(len(values), np.nan)
    for place, value in enumerate(values):
        if value is None or value == "":
            continue
        if isinstance(value, bool | np.bool_):
            return None
        try:
            found[place] = float(value)
        except (TypeError, ValueError):
            return None
    known = found[np.isfinite(found)]
    return found if len(np.unique(known)) > len(_GROUPS) else None


def _by_number(name: str, numbers: Float[np.ndarray, " n"]) -> Colouring:
    from bokeh.palettes import Viridis256

    known = np.isfinite(numbers)
    # A few extreme values must not make all others look equal.
    low, high = np.quantile(numbers[known], (0.02, 0.98))
    if not high > low:
        low, high = numbers[known].min(), numbers[known].max()
    share = np.clip((np.where(known, numbers, low) - low) / (high - low), 0.0, 1.0)
    palette = np.array([_packed(colour) for colour in Viridis256], np.uint32)
    colours = palette[(share * 255).astype(np.int64)]
    colours[~known] = _packed(_OTHERS)
    steps = np.linspace(0.0, 1.0, _SCALE)
    legend = [(f"{low + (high - low) * step:.4g}", Viridis256[int(step * 255)]) for step in steps]
    return Colouring(shown(name, _WIDTH), colours, legend, is_scale=True)


def _by_group(name: str, values: Column) -> Colouring:
    names = [group_name(value) for value in values]
    counts = Counter(names)
    most = counts.most_common(len(_GROUPS))
    colour_of = {group: colour for (group, _), colour in zip(most, _GROUPS, strict=False)}
    colours = np.array([_packed(colour_of.get(group, _OTHERS)) for group in names], np.uint32)
    legend = [(f"{group} ({counts[group]:,})", colour_of[group]) for group, _ in most]
    others = len(counts) - len(most)
    if others:
        legend.append((f"{others:,} other{'s' if others > 1 else ''}", _OTHERS))
    return Colouring(shown(name, _WIDTH), colours, legend, is_scale=False)


def group_name(value: Any) -> str:
    """Return what a value of a column is called as a group."""
    if value is None:
        return "(none)"
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return ", ".join(sorted(shown(one, _WIDTH) for one in value)) or "(none)"
    return shown(value, _WIDTH)


def _packed(colour: str) -> int:
    """Return "#RRGGBB" as 0xRRGGBBFF."""
    return int(colour[1:7], 16) << 8 | 0xFF
