"""Selections that go in small rounds, and that end before their time."""

import contextlib
import os
from unittest import mock

from evenly.selection.greedy import run as choose
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks


@contextlib.contextmanager
def rounds_of(size, *, stop_after=None, error=KeyboardInterrupt):
    """The picks of the real driver, told in rounds of `size`; `error` after so many rounds.

    A pool of a test is too small for more than one real round.
    """

    def in_small_rounds(pool, budget, begun, *, limits=None, progress=None):
        picks, coverage_radius = farthest_first(pool, budget, begun)
        rounds = 0
        for done in range(len(begun), budget, size):
            if rounds == stop_after:
                raise error
            end = min(done + size, budget)
            progress(Picks(picks.rows[:end], picks.radii[:end]))
            rounds += 1
        if rounds == stop_after:
            raise error
        return picks, coverage_radius

    with mock.patch.object(choose, "farthest_first", in_small_rounds):
        yield


@contextlib.contextmanager
def pool_that_stops(after, error=KeyboardInterrupt):
    """Real rounds: `error` when the pool is asked for one frontier more than `after`."""
    make_engine = choose.make_engine

    class Stopping:
        def __init__(self, pool):
            self._pool = pool
            self._asked = 0

        def __len__(self):
            return len(self._pool)

        def __getattr__(self, name):
            return getattr(self._pool, name)

        def frontier(self, *size):
            if self._asked == after:
                raise error
            self._asked += 1
            return self._pool.frontier(*size)

    with mock.patch.object(
        choose, "make_engine", lambda *all_, **named: Stopping(make_engine(*all_, **named))
    ):
        yield


@contextlib.contextmanager
def bar_that_stops(after, error=KeyboardInterrupt):
    """Real rounds: `error` while the bar is drawn, after `after` rounds that were shown."""

    @contextlib.contextmanager
    def stopping_bar(*_):
        shown = 0

        def show(_):
            nonlocal shown
            if shown == after:
                raise error
            shown += 1

        yield show

    with mock.patch.object(choose, "progress_bar", stopping_bar):
        yield


@contextlib.contextmanager
def signal_after(rounds, number):
    """This process gets a signal when so many rounds have been shown."""
    shown = 0

    @contextlib.contextmanager
    def bar(*_):
        def show(_):
            nonlocal shown
            shown += 1
            if shown == rounds:
                os.kill(os.getpid(), number)

        yield show

    with mock.patch.object(choose, "progress_bar", bar):
        yield


@contextlib.contextmanager
def no_engine():
    """Whatever needs an engine fails."""
    with mock.patch.object(choose, "make_engine", None):
        yield
