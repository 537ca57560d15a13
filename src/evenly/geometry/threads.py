"""Threads for work that comes in independent tiles.

Each worker computes alone, on one core. To split every small operation over all cores instead
would make the cores wait for each other thousands of times.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Any, TypeVar

Tile = TypeVar("Tile")
Result = TypeVar("Result")

# Modules that load libraries with threads of their own.
_THREADED = ("numpy", "scipy.linalg", "torch", "faiss")


class _Own(threading.local):
    """What a thread knows about itself.

    Attributes:
        threads: how many threads it could use before it, or the thread that started it, entered
            `single_threaded_blas`; None outside.
        stop: set if what it does is not wanted any longer.
    """

    threads: int | None = None
    stop: threading.Event | None = None


_own = _Own()


def usable_threads() -> int:
    """Return how many threads may compute now; threadpoolctl and torch can lower the number.

    `single_threaded_blas` does not lower it: there, tiles are shared out instead.
    """
    if _own.threads is not None:
        return _own.threads
    counts = [library.num_threads for library in _libraries("blas")]
    if "torch" in sys.modules:
        import torch

        counts.append(torch.get_num_threads())
    return min(counts, default=1)


def parallel_for(work: Callable[[Tile], object], tiles: Iterable[Tile], *, threads: int) -> None:
    """Call `work` for every tile, in `threads` threads; raise the first exception.

    Tiles must not write to the same memory. One thread is the caller's own.
    """
    if _own.stop is not None and _own.stop.is_set():
        raise CancelledError
    waiting = list(tiles)
    if threads <= 1 or len(waiting) <= 1:
        for tile in waiting:
            work(tile)
        return
    futures: list[Future[object]] = []
    try:
        futures.extend(_executor(threads).submit(work, tile) for tile in waiting)
        for future in futures:
            future.result()
    except BaseException:  # including Ctrl-C: tiles that have not begun are dropped
        for future in futures:
            future.cancel()
        raise


def side_by_side(works: Sequence[Callable[[], Result]]) -> list[Result]:
    """Return the results of independent pieces of work, done at once; raise the first exception.

    Their tiles share the same threads, so that those of one are computed while another does what
    cannot be divided. After Ctrl-C, each ends before its next tiles.
    """
    threads = usable_threads()
    if threads <= 1 or len(works) <= 1:
        return [work() for work in works]
    stop = _own.stop or threading.Event()

    def do(work: Callable[[], Result]) -> Result:
        _own.threads, _own.stop = threads, stop
        return work()

    with (
        single_threaded_blas(),
        ThreadPoolExecutor(
            min(threads, len(works)),
            thread_name_prefix="evenly",
            initializer=_keep_single_threaded,
        ) as executor,
    ):
        try:
            futures = [executor.submit(do, work) for work in works]
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def in_background(work: Callable[[], Result], *, threads: int) -> Future[Result]:
    """Start work whose result is needed later; a single thread does it at once."""
    if threads > 1:
        return _executor(threads).submit(work)
    done: Future[Result] = Future()
    done.set_result(work())
    return done


def even_slices(count: int, size: int, threads: int, *, least: int = 1) -> Iterator[slice]:
    """Yield slices over `count` items, all about as large, at most `size`; as many for each thread.

    Slices of different sizes would keep one thread waiting for another. There are fewer slices if
    they would be smaller than `least`.
    """
    parts = -(-count // max(1, size * threads)) * threads
    parts = max(-(-count // size), min(parts, count // least)) if count else 0
    for part in range(parts):
        yield slice(count * part // parts, count * (part + 1) // parts)


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep libraries from starting threads of their own in this context."""
    libraries = [*_libraries("blas"), *_libraries("openmp")]
    before = [library.num_threads for library in libraries]
    if max(before, default=1) == 1:
        yield
        return
    # A library that was loaded within the outer context is why an inner one comes to here.
    is_outer = _own.threads is None
    if is_outer:
        _own.threads = usable_threads()
    _set_threads(libraries, [1] * len(before))
    try:
        yield
    finally:
        _set_threads(libraries, before)
        if is_outer:
            _own.threads = None


@functools.cache
def _executor(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(
        threads, thread_name_prefix="evenly", initializer=_keep_single_threaded
    )


def _keep_single_threaded() -> None:
    if "torch" in sys.modules:
        import torch

        # Torch sets a thread's count at the first query; a count set later stays.
        torch.get_num_threads()
    # OpenMP keeps a count for each thread.
    libraries = _libraries("openmp")
    _set_threads(libraries, [1] * len(libraries))


def _start_anew() -> None:
    """Let a forked child compute: it inherits thread pools whose threads do not exist in it.

    The child would wait for those threads forever: ours are started again when they are needed;
    OpenMP (in torch and faiss) cannot start its own again and must do without.
    """
    _executor.cache_clear()
    _keep_single_threaded()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def _libraries(api: str) -> list[Any]:
    return _found(api, tuple(name for name in _THREADED if name in sys.modules))


@functools.cache
def _found(api: str, loaded: tuple[str, ...]) -> list[Any]:
    from threadpoolctl import ThreadpoolController

    libraries: list[Any] = ThreadpoolController().select(user_api=api).lib_controllers
    return libraries


def _set_threads(libraries: list[Any], counts: list[int]) -> None:
    for library, count in zip(libraries, counts, strict=True):
        library.set_num_threads(count)
