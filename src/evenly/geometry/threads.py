"""Threads for work that comes in independent tiles.

Each worker computes alone, on one core. Splitting every small operation over all cores instead
would make the cores wait for each other thousands of times, and for whoever shares them.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["in_background", "parallel_for", "shares", "single_threaded_blas", "usable_threads"]


Tile = TypeVar("Tile")


Found = TypeVar("Found")


_BRING_THREADS = ("numpy", "scipy", "torch", "faiss")


def usable_threads() -> int:
    """How many threads matrix products may use now; threadpoolctl and torch can lower it."""
    counts = [library.num_threads for library in _libraries("blas")]
    if "torch" in sys.modules:
        import torch

        counts.append(torch.get_num_threads())
    return min(counts, default=1)


def parallel_for(work: Callable[[Tile], object], tiles: Iterable[Tile], *, threads: int) -> None:
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


def in_background(work: Callable[[], Found], *, threads: int) -> Future[Found]:
    """Begin work that is wanted later; with one thread, the caller's own does it at once."""
    if threads > 1:
        return _executor(threads).submit(work)
    done: Future[Found] = Future()
    done.set_result(work())
    return done


def shares(count: int, size: int, threads: int, *, least: int = 1) -> Iterator[slice]:
    """Slices over `count` things, all of about a size, at most `size`; as many for each thread.

    A few large tiles and a small one would keep one thread waiting for another. Where a slice
    would be below `least`, there are fewer.
    """
    many = -(-count // max(1, size * threads)) * threads
    many = max(-(-count // size), min(many, count // least)) if count else 0
    for part in range(many):
        yield slice(count * part // many, count * (part + 1) // many)


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep libraries from starting threads of their own, for a while."""
    libraries = [*_libraries("blas"), *_libraries("openmp")]
    before = [library.num_threads for library in libraries]
    if max(before, default=1) == 1:
        yield
        return
    _set_threads(libraries, [1] * len(before))
    try:
        yield
    finally:
        _set_threads(libraries, before)


@functools.cache
def _executor(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        threads, thread_name_prefix="evenly", initializer=_keep_single_threaded
    )


def _keep_single_threaded() -> None:
    if "torch" in sys.modules:
        import torch

        # Torch sets a thread's count when the thread first asks; afterwards ours stays.
        torch.get_num_threads()
    # OpenMP counts for each thread by itself.
    libraries = _libraries("openmp")
    _set_threads(libraries, [1] * len(libraries))


def _libraries(api: str) -> list[Any]:
    return _found(api, tuple(name for name in _BRING_THREADS if name in sys.modules))


@functools.cache
def _found(api: str, loaded: tuple[str, ...]) -> list[Any]:
    from threadpoolctl import ThreadpoolController

    libraries: list[Any] = ThreadpoolController().select(user_api=api).lib_controllers
    return libraries


def _set_threads(libraries: list[Any], counts: list[int]) -> None:
    for library, count in zip(libraries, counts, strict=True):
        library.set_num_threads(count)
