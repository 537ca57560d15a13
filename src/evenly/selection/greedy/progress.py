"""How far a selection has come, on stderr: picks, radius, and the time that is left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from tqdm import tqdm

from evenly.selection.greedy.picks import Picks

# An estimate is told after this many rounds and this share of the picks. At large budgets
# that is much less than the same share of the time, and before it a line has no direction.
_ROUNDS = 3

_SHARE = 0.05

# As tqdm draws by itself, less its own time left, which takes every pick for the same work.
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class TimeLeft:
    """Seconds left of a selection, told from its rounds so far.

    A pick is compared with those before it, so picks get slower: the seconds that one takes
    are modelled as a + b·(picks before it), with neither a nor b below 0, and what is left is
    the sum of that. The line is fitted to the rounds so far by least squares. A round weighs
    by its picks, and more the later it is: the next ones are more like it.

    Args:
        budget: how many picks there will be.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._begun = 0
        self._done = 0
        self._at = 0.0
        self._noted = 0
        # Sums over rounds of w, w·x, w·y, w·x·x, w·x·y, where a round of weight w chose picks
        # about the x-th, in y seconds each.
        self._sums = [0.0] * 5

    def note(self, picks: int, seconds: float) -> None:
        """A round has ended, with so many picks in all, at this reading of a clock.

        The first call is where counting begins: what came before it, the first round, was
        also spent on starting up, or on picks that were taken over.
        """
        made, taken = picks - self._done, seconds - self._at
        if self._noted == 0:
            self._begun = picks
        elif made > 0:
            # In parts of the budget, so that the squares stay of the size of the counts.
            x, y = (self._done + picks) / 2 / self._budget, taken / made
            for place, term in enumerate((1.0, x, y, x * x, x * y)):
                self._sums[place] += made * x * term
        self._done, self._at = picks, seconds
        self._noted += 1

    def seconds(self) -> float | None:
        """Seconds from the last round to the end; None while there is too little to go by."""
        made, owed = self._done - self._begun, self._budget - self._done
        if self._noted <= _ROUNDS or made < _SHARE * (self._budget - self._begun):
            return None
        a, b = _line(*self._sums)
        middle = (self._done + self._budget) / 2 / self._budget
        return owed * (a + b * middle)


def _line(w: float, wx: float, wy: float, wxx: float, wxy: float) -> tuple[float, float]:
    """Height at 0 and slope, neither below 0, of the line that fits best."""
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
    begun: int,
    shown: bool | None,
    *,
    clock: Callable[[], float] = perf_counter,
    **drawn: Any,
) -> Iterator[Callable[[Picks], None]]:
    """A bar on stderr, and what to call after each round with the picks so far.

    Args:
        budget: how many picks there will be.
        begun: how many there were before.
        shown: whether to draw it; None for only when stderr is a terminal.
        clock: the time, in seconds.
        drawn: for tqdm, such as another `file`.
    """
    if shown is False:
        yield lambda _: None  # a bar that is not drawn takes its time too
        return
    left = TimeLeft(budget)
    with tqdm(
        total=budget,
        initial=begun,
        desc="selecting",
        unit="row",
        bar_format=_FORMAT,
        # Rounds are few and get slower, which tqdm would take for a reason to draw fewer.
        miniters=1,
        disable=None if shown is None else not shown,
        **drawn,
    ) as bar:

        def show(picks: Picks) -> None:
            left.note(len(picks), clock())
            bar.set_postfix_str(_told(picks, left.seconds()), refresh=False)
            bar.update(len(picks) - bar.n)

        yield show


def _told(picks: Picks, seconds: float | None) -> str:
    told = f"radius {picks.radii[-1]:.4g}"
    return told if not seconds else f"{told}, about {tqdm.format_interval(seconds)} left"


@contextlib.contextmanager
def packing_bar(
    shown: bool | None, **drawn: Any
) -> Iterator[Callable[[float, int], Callable[[int], object]]]:
    """A bar on stderr for packings, one after the other.

    What it yields is called before each packing, with its distance and the rows it goes
    through, and gives what to call with how many rows were looked at.

    Args:
        shown, drawn: as for `progress_bar`.
    """
    hidden = None if shown is None else not shown
    with tqdm(desc="packing", unit="row", disable=hidden, **drawn) as bar:

        def show(distance: float, rows: int) -> Callable[[int], object]:
            bar.reset(rows)
            bar.set_postfix_str(f"distance {distance:.4g}", refresh=False)
            return bar.update

        yield show


@contextmanager
def searching_bar(
    what: str, of: str, began: float, progress: bool | None
) -> Iterator[Callable[[str, float], object]]:
    """A line on stderr that says what is being done, and by how much something has grown."""
    with tqdm(
        desc=what,
        bar_format="{desc} [{elapsed}{postfix}]",
        disable=None if progress is None else not progress,
    ) as bar:

        def told(doing: str, now: float) -> None:
            bar.set_description_str(f"{what}: {doing}", refresh=False)
            bar.set_postfix_str(f"{of} {now / began - 1:+.2%}" if began > 0 else "")

        yield told
