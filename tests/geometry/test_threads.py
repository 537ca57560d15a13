"""Threads: how many compute, and a forked child computes as its parent does."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from evenly import embed, select_uniform
from evenly.geometry.threads import (
    parallel_for,
    side_by_side,
    single_threaded_blas,
    usable_threads,
)

_FORKS = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def _forks(test: Any) -> Any:
    """Mark a test that forks."""
    for mark in _FORKS:
        test = mark(test)
    return test


def test_products_on_one_thread_leave_the_others_to_tiles() -> None:
    with threadpool_limits(2):
        before = usable_threads()
        with single_threaded_blas():
            assert usable_threads() == before
            ours = [one for one in threadpool_info() if "scikit_learn" not in one["filepath"]]
            assert {library["num_threads"] for library in ours} == {1}
            with single_threaded_blas():
                assert usable_threads() == before
            with threadpool_limits(2), single_threaded_blas():  # as if a library was just loaded
                assert usable_threads() == before
            assert usable_threads() == before
            within: list[int] = []
            parallel_for(lambda _: within.append(usable_threads()), range(4), threads=2)
            assert within == [1] * 4  # a tile starts no tiles of its own
        assert usable_threads() == before
        with threadpool_limits(1):
            assert usable_threads() == 1
            with single_threaded_blas():
                assert usable_threads() == 1


def test_works_side_by_side_share_the_threads_that_there_are() -> None:
    def work(number: int) -> tuple[int, int, list[int]]:
        done: list[int] = []
        parallel_for(done.append, range(3), threads=usable_threads())
        inner = side_by_side([usable_threads, usable_threads])
        return number, usable_threads(), [*sorted(done), *inner]

    with threadpool_limits(2):
        together = threading.Barrier(2)
        assert side_by_side([lambda: together.wait(60), lambda: together.wait(60)]) is not None
        found = side_by_side([partial(work, number) for number in range(5)])
        assert found == [(number, 2, [0, 1, 2, 2, 2]) for number in range(5)]
        assert usable_threads() == 2
    with threadpool_limits(1):
        thread = threading.get_ident()
        assert side_by_side([threading.get_ident] * 2) == [thread] * 2


def test_works_side_by_side_end_when_one_fails() -> None:
    begun, ended = threading.Event(), []

    def fail() -> None:
        assert begun.wait(60)
        raise ValueError

    def go_on() -> None:
        begun.set()
        try:
            for _ in range(60_000):
                parallel_for(lambda _: time.sleep(0.001), range(2), threads=1)
        except CancelledError:
            ended.append(True)
            raise

    with threadpool_limits(2):
        with pytest.raises(ValueError):
            side_by_side([fail, partial(side_by_side, [go_on, begun.set])])
        assert ended == [True]
        assert usable_threads() == 2
        assert side_by_side([lambda: 1, lambda: 2]) == [1, 2]


# In a process of its own, whose main thread is that of this code and gets the signal.
_INTERRUPTED = """
import os, signal, threading, time
from concurrent.futures import CancelledError

import numpy
from threadpoolctl import threadpool_limits

from evenly.geometry.threads import parallel_for, side_by_side

begun = [threading.Event(), threading.Event()]

def work(number):
    begun[number].set()
    try:
        for _ in range(60_000):
            parallel_for(lambda _: time.sleep(0.001), range(2), threads=1)
    except CancelledError:
        print("ended", flush=True)
        raise

def interrupt():
    for one in begun:
        one.wait()
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
with threadpool_limits(2):
    try:
        side_by_side([lambda: work(0), lambda: side_by_side([lambda: work(1), lambda: None])])
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.skipif(os.name == "nt", reason="a process cannot send itself Ctrl-C there")
def test_works_side_by_side_end_after_ctrl_c() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert ran.stdout.split() == ["ended", "ended", "interrupted"], ran.stderr


def _in_forked_child(work: Any) -> Any:
    """Return what `work` returns in a forked child, or fail if it does not return."""
    forks = multiprocessing.get_context("fork")
    answers = forks.SimpleQueue()
    child = forks.Process(target=lambda: answers.put(work()))
    child.start()
    child.join(60)
    hangs = child.is_alive()
    child.kill()
    child.join()
    assert not hangs, "the child waits for threads that it does not have"
    assert child.exitcode == 0
    return answers.get()


def _sums() -> list[int]:
    results = [0] * 8

    def add(tile: int) -> None:
        results[tile] = sum(range(tile * 1000))

    parallel_for(add, range(8), threads=2)
    return results


@_forks
def test_tiles_are_computed_in_a_forked_child() -> None:
    expected = _sums()  # starts the parent's threads
    assert _in_forked_child(_sums) == expected


@_forks
def test_a_forked_child_chooses_the_same_rows() -> None:
    points = np.random.default_rng(0).standard_normal((3000, 64), dtype=np.float32)

    def chosen() -> list[int]:
        return select_uniform(points, 50).indices.tolist()

    expected = chosen()
    assert _in_forked_child(chosen) == expected


@_forks
@pytest.mark.model
def test_a_forked_child_embeds_after_its_parent_has() -> None:
    texts = [f"The train to platform {number} is late." for number in range(300)]

    def first_row() -> list[float]:
        return embed(texts, encoder="static", cache_dir=False).vectors[0].tolist()

    expected = first_row()
    np.testing.assert_allclose(_in_forked_child(first_row), expected, atol=1e-6)
