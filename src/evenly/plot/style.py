"""How all plots look: few lines, labels beside what they name, colours that all can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from evenly.errors import MissingExtraError

# Okabe and Ito, "Color Universal Design" (2008).
CHOSEN = "#0072B2"
MARKED = "#D55E00"
RANDOM = "#7A7A7A"
SOFT = "#B8BCC2"

_SIZE = (6.4, 4.0)
# Labels are at least this far apart, as a share of the height.
_GAP = 0.07


class Label(NamedTuple):
    """A text beside the end of a line."""

    x: float
    y: float
    text: str
    colour: str


def new_axes(ax: Any, *, grid: str = "y") -> Any:
    """Return axes in the style of all plots: those given, or those of a new figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtraError("matplotlib", "plot", "evenly.plot") from None
    if ax is None:
        _, ax = pyplot.subplots(figsize=_SIZE, layout="constrained")
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(length=0)
    ax.grid(axis=grid, alpha=0.25, linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def entitle(ax: Any, title: str, x: str, y: str) -> None:
    """Write the title and what the axes show."""
    ax.set_title(title, loc="left")
    ax.set_xlabel(x)
    ax.set_ylabel(y)


def whole_numbers(axis: Any) -> None:
    """Write the numbers of an axis as 20,000."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def percentages(axis: Any) -> None:
    """Write the fractions of an axis as 50%."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def label_ends(ax: Any, labels: Sequence[Label]) -> None:
    """Write labels to the right of the ends of lines, and move those apart that would overlap."""
    low, high = ax.get_ylim()
    gap, above = _GAP * (high - low), -float("inf")
    for label in sorted(labels, key=lambda one: one.y):
        y = max(label.y, above + gap)
        above = y
        ax.annotate(
            label.text,
            (label.x, y),
            xytext=(6, 0),
            textcoords="offset points",
            color=label.colour,
            va="center",
            annotation_clip=False,
        )


def distance_unit(normalized: bool | None) -> str:
    """Return the unit of distances in words; None if it is unknown whether rows are normalised."""
    return "distance of unit vectors" if normalized else "Euclidean distance"
