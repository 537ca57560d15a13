"""Selections that run in small rounds, and that are interrupted."""

import contextlib
import os
from unittest import mock

from evenly.selection.greedy import run
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.rules.problem import Problem


@contextlib.contextmanager
def rounds_of(size, *, stop_after=None, error=KeyboardInterrupt):
    """Report the picks of the driver in rounds of `size`; raise `error` after `stop_after`.

    The pool of a test is too small for more than one round.
    """

    def in_small_rounds(engine, budget, begun, *, limits=None, progress=None, **sizes):
        picks, coverage_radius = farthest_first(engine, budget, begun, limits=limits)
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

    with mock.patch.object(run, "farthest_first", in_small_rounds):
        yield


class StoppingEngine:
    """An engine that raises `error` instead of its frontier number `after`, counted from 0."""

    def __init__(self, engine, after, error):
        self._engine = engine
        self._after = after
        self._error = error
        self._frontiers = 0

    def __len__(self):
        return len(self._engine)

    def __getattr__(self, name):
        return getattr(self._engine, name)

    def frontier(self, *size):
        if self._frontiers == self._after:
            raise self._error
        self._frontiers += 1
        return self._engine.frontier(*size)


@contextlib.contextmanager
def before_engine(action):
    """Call `action` before any engine is made; it may return a replacement for the engine."""
    new_engine = Problem.new_engine

    def act_first(problem, picks):
        replaced = action(lambda: new_engine(problem, picks))
        return new_engine(problem, picks) if replaced is None else replaced

    with mock.patch.object(Problem, "new_engine", act_first):
        yield


def engine_that_stops(after, error=KeyboardInterrupt):
    """Raise `error` when an engine is to return one frontier more than `after`."""
    return before_engine(lambda make: StoppingEngine(make(), after, error))


@contextlib.contextmanager
def bar_that_stops(after, error=KeyboardInterrupt):
    """Raise `error` while the progress bar is drawn, after `after` rounds were shown."""

    @contextlib.contextmanager
    def stopping_bar(*_):
        shown = 0

        def show(_):
            nonlocal shown
            if shown == after:
                raise error
            shown += 1

        yield show

    with mock.patch.object(run, "progress_bar", stopping_bar):
        yield


@contextlib.contextmanager
def signal_after(rounds, number):
    """Send a signal to this process when so many rounds have been shown."""
    shown = 0

    @contextlib.contextmanager
    def bar(*_):
        def show(_):
            nonlocal shown
            shown += 1
            if shown == rounds:
                os.kill(os.getpid(), number)

        yield show

    with mock.patch.object(run, "progress_bar", bar):
        yield


def no_engine():
    """Fail if an engine is needed."""

    def fail(_):
        raise AssertionError("an engine was made")

    return before_engine(fail)
