"""Threads for work that comes in independent tiles.

Each worker computes alone, on one core. Splitting every small operation over all cores instead
would make the cores wait for each other thousands of times, and for whoever shares them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["alone", "for_each_tile"]

Tile = TypeVar("Tile")


def for_each_tile(work: Callable[[Tile], object], tiles: Iterable[Tile], *, threads: int) -> None:
    """Do the work for every tile, in `threads` threads; the first exception is raised.

    Tiles must not share what they write. With one thread, the caller's own does it all.
    """
    waiting = list(tiles)
    if threads <= 1 or len(waiting) <= 1:
        for tile in waiting:
            work(tile)
        return
    futures = [_executor(threads).submit(work, tile) for tile in waiting]
    try:
        for future in futures:
            future.result()
    except BaseException:  # a Ctrl-C too: what has not begun will not
        for future in futures:
            future.cancel()
        raise


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep what this thread calls from starting threads of its own, for a while."""
    before = [library.num_threads for library in _openmp()]
    _set_threads([1] * len(before))
    try:
        yield
    finally:
        _set_threads(before)


@functools.cache
def _executor(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="evenly", initializer=_stay_alone)


def _stay_alone() -> None:
    import torch

    # Torch sets a thread's count when the thread first asks; afterwards ours stays.
    torch.get_num_threads()
    _set_threads([1] * len(_openmp()))


@functools.cache
def _openmp() -> list[Any]:
    from threadpoolctl import ThreadpoolController

    libraries: list[Any] = ThreadpoolController().select(user_api="openmp").lib_controllers
    return libraries


def _set_threads(counts: list[int]) -> None:
    for library, count in zip(_openmp(), counts, strict=True):
        library.set_num_threads(count)
