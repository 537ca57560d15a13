"""Progress bars on stderr: the picks, the radius, and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, Protocol

from tqdm import tqdm

from evenly.progress import new_bar
from evenly.selection.greedy.picks import Picks

# An estimate needs this many rounds and this share of the picks; with less, it is arbitrary.
_ROUNDS = 3
_SHARE = 0.05

# The default of tqdm without its own time left, which assumes that every pick takes as long.
_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"

# For a step of a search whose length is not known, and for one whose length is.
_STEP = "{desc} [{elapsed}{postfix}]"
_STEP_OF = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} UNIT [{elapsed}{postfix}]"


class TimeLeft:
    """The seconds left of a selection, estimated from its rounds so far.

    A pick is compared with those before it, so picks get slower: the seconds of a pick grow on a
    line through the averages of the first and the second half of the picks so far, but at most in
    proportion to the picks before it.

    Args:
        budget: how many picks there will be.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._rounds: list[tuple[int, float]] = []

    def note(self, picks: int, seconds: float) -> None:
        """Note the end of a round: the picks in all, and the reading of a clock.

        Counting begins with the first call: the first round also includes starting up.
        """
        if not self._rounds or picks > self._rounds[-1][0]:
            self._rounds.append((picks, seconds))

    def seconds(self) -> float | None:
        """Return the seconds from the last round to the end; None with too little data."""
        if len(self._rounds) <= _ROUNDS:
            return None
        (first, begun), (done, now) = self._rounds[0], self._rounds[-1]
        if done - first < _SHARE * (self._budget - first):
            return None
        middle, half = min(self._rounds[1:-1], key=lambda one: abs(2 * one[0] - first - done))
        early, late = (half - begun) / (middle - first), (now - half) / (done - middle)
        slope = max(0.0, (late - early) / (done - first))
        expected = late + slope * (self._budget - middle)
        in_proportion = late * (self._budget + done) / (done + middle)
        return (self._budget - done) * min(expected, in_proportion)


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

    `shown` is None to draw it only if stderr is a terminal; `drawn` are arguments for tqdm.
    """
    if shown is False:
        yield lambda _: None  # even a disabled bar has overhead
        return
    left = TimeLeft(budget)
    with new_bar(
        total=budget,
        initial=initial,
        desc="selecting",
        unit="row",
        bar_format=_FORMAT,
        # Rounds are few and get slower, so tqdm would draw even fewer.
        miniters=1,
        shown=shown,
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
    """
    with new_bar(desc="packing", unit="row", shown=shown, **drawn) as bar:

        def show(distance: float, rows: int) -> Callable[[int], object]:
            bar.reset(rows)
            bar.set_postfix_str(f"distance {distance:.4g}", refresh=False)
            return bar.update

        yield show


class Report(Protocol):
    """Shows the step of a search, and how far it is."""

    def __call__(
        self,
        step: str,
        now: float | None,
        unit: str = "",
        done: int = 0,
        total: int | None = None,
        /,
    ) -> object:
        """Show a step and how much of it is done; `now` is None if the value is as before."""


@contextlib.contextmanager
def searching_bar(what: str, of: str, initial: float, progress: bool | None) -> Iterator[Report]:
    """Draw a bar on stderr about a search; yields a function to call with its steps.

    `of` names the value, whose growth from `initial` is shown.
    """
    with new_bar(desc=what, bar_format=_STEP, miniters=0, shown=progress) as bar:
        last = ""

        def report(
            step: str, now: float | None, unit: str = "", done: int = 0, total: int | None = None, /
        ) -> None:
            nonlocal last
            if now is not None and initial > 0:
                bar.set_postfix_str(f"{of} {now / initial - 1:+.2%}", refresh=False)
            if (step, total) != (last, bar.total):
                last = step
                if total is None:
                    bar.total = None
                bar.bar_format = _STEP_OF.replace("UNIT", unit) if total else _STEP
                bar.set_description_str(f"{what}: {step}", refresh=False)
                bar.reset(total)  # the notebook's bar learns of a new total here only
            bar.update(done - bar.n)

        yield report
