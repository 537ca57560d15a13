"""Progress bars on stderr: the picks, the radius, and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from tqdm import tqdm

from evenly.progress import hide
from evenly.selection.greedy.picks import Picks

# An estimate needs this many rounds and this share of the picks. At large budgets that is much
# less than the same share of the time; with fewer rounds the slope of a line is arbitrary.
_ROUNDS = 3
_SHARE = 0.05

# The default of tqdm without its own time left, which assumes that every pick takes as long.
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class TimeLeft:
    """The seconds left of a selection, estimated from its rounds so far.

    A pick is compared with those before it, so picks get slower: the seconds of a pick are
    modelled as a + b·(picks before it), with a and b at least 0, fitted to the rounds so far by
    least squares. A round is weighted by its picks, and the more the later it is.

    Args:
        budget: how many picks there will be.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._initial = 0
        self._done = 0
        self._at = 0.0
        self._noted = 0
        # Sums over rounds of w, w·x, w·y, w·x·x, w·x·y, where a round of weight w chose picks
        # about the x-th, in y seconds each.
        self._sums = [0.0] * 5

    def note(self, picks: int, seconds: float) -> None:
        """Note the end of a round: the picks in all, and the reading of a clock.

        Counting begins with the first call: the first round also includes starting up.
        """
        made, taken = picks - self._done, seconds - self._at
        if self._noted == 0:
            self._initial = picks
        elif made > 0:
            # In parts of the budget, so that squares are about as large as counts.
            x, y = (self._done + picks) / 2 / self._budget, taken / made
            for place, term in enumerate((1.0, x, y, x * x, x * y)):
                self._sums[place] += made * x * term
        self._done, self._at = picks, seconds
        self._noted += 1

    def seconds(self) -> float | None:
        """Return the seconds from the last round to the end; None with too little data."""
        made, remaining = self._done - self._initial, self._budget - self._done
        if self._noted <= _ROUNDS or made < _SHARE * (self._budget - self._initial):
            return None
        a, b = _line(*self._sums)
        middle = (self._done + self._budget) / 2 / self._budget
        return remaining * (a + b * middle)


def _line(w: float, wx: float, wy: float, wxx: float, wxy: float) -> tuple[float, float]:
    """Return the height at 0 and the slope of the best line for which neither is below 0."""
    varies = w * wxx - wx * wx
    b = (w * wxy - wx * wy) / varies if varies > 0 else 0.0
    a = (wy - b * wx) / w
    if b < 0:
        return wy / w, 0.0
    if a < 0:
        return 0.0, wxy / wxx
    return a, b


@contextlib.contextmanager
def progress_bar(
    budget: int,
    initial: int,
    shown: bool | None,
    *,
    clock: Callable[[], float] = perf_counter,
    **drawn: Any,
) -> Iterator[Callable[[Picks], None]]:
    """Draw a bar on stderr; yields a function to call after each round with the picks so far.

    Args:
        budget: how many picks there will be.
        initial: how many there were before.
        shown: whether to draw it; None for only if stderr is a terminal.
        clock: returns the time in seconds.
        drawn: arguments for tqdm, such as another `file`.
    """
    if shown is False:
        yield lambda _: None  # even a disabled bar has overhead
        return
    left = TimeLeft(budget)
    with tqdm(
        total=budget,
        initial=initial,
        desc="selecting",
        unit="row",
        bar_format=_FORMAT,
        # Rounds are few and get slower, so tqdm would draw even fewer.
        miniters=1,
        disable=hide(shown),
        **drawn,
    ) as bar:

        def show(picks: Picks) -> None:
            left.note(len(picks), clock())
            bar.set_postfix_str(_postfix(picks, left.seconds()), refresh=False)
            bar.update(len(picks) - bar.n)

        yield show


def _postfix(picks: Picks, seconds: float | None) -> str:
    radius = f"radius {picks.radii[-1]:.4g}"
    return radius if not seconds else f"{radius}, about {tqdm.format_interval(seconds)} left"


@contextlib.contextmanager
def packing_bar(
    shown: bool | None, **drawn: Any
) -> Iterator[Callable[[float, int], Callable[[int], object]]]:
    """Draw a bar on stderr for successive packings.

    It yields a function to call before each packing, with its distance and number of rows, which
    returns a function to call with the number of rows that were examined.

    Args:
        shown, drawn: as for `progress_bar`.
    """
    with tqdm(desc="packing", unit="row", disable=hide(shown), **drawn) as bar:

        def show(distance: float, rows: int) -> Callable[[int], object]:
            bar.reset(rows)
            bar.set_postfix_str(f"distance {distance:.4g}", refresh=False)
            return bar.update

        yield show


@contextlib.contextmanager
def searching_bar(
    what: str, of: str, initial: float, progress: bool | None
) -> Iterator[Callable[[str, float], object]]:
    """Draw a line on stderr about a search; yields a function to call with its step and value.

    Args:
        what: the search.
        of: the name of the value, whose growth is shown.
        initial: the value at the start.
        progress: whether to draw it; None for only if stderr is a terminal.
    """
    with tqdm(
        desc=what,
        bar_format="{desc} [{elapsed}{postfix}]",
        disable=hide(progress),
    ) as bar:

        def report(step: str, now: float) -> None:
            bar.set_description_str(f"{what}: {step}", refresh=False)
            bar.set_postfix_str(f"{of} {now / initial - 1:+.2%}" if initial > 0 else "")

        yield report
