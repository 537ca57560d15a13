"""Lines about the steps of a command, every few seconds, on a terminal or not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from threading import Event, Thread

from evenly.cli.colours import report

_SECONDS = 4.0


@contextlib.contextmanager
def step(words: str, *, quiet: bool = False, every: float = _SECONDS) -> Iterator[None]:
    """Write that a step begins, and from time to time that it goes on, to stderr."""
    if quiet:
        yield
        return
    began, done = time.perf_counter(), Event()

    def go_on() -> None:
        while not done.wait(every):
            report(f"{words} … {time.perf_counter() - began:.0f} s")

    report(words)
    thread = Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
