"""One measurement: one peer, one pool, once; in a process of its own, or in this one.

A process of its own (`measure_apart`) makes the peak memory that of the peer alone, keeps peers
from warming or crowding each other, and survives one that is killed.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.peers import Peer, Skip, peer_named
from benchmarks.pools import Vectors

ROOT = Path(__file__).parents[1]

WARM_UP_ROWS = 2048
WARM_UP_BUDGET = 64
# Fewer picks are not worth scaling up.
_FEWEST = 8


@dataclass(frozen=True)
class Task:
    """What is to be measured.

    Attributes:
        peer: its name.
        pool: path of the .npy file.
        warm_up: path of a small pool of the same kind to begin with, untimed.
        budget: how many rows to choose.
        first_row: the first of them.
        on_disk: the pool stays in its file, and the file leaves the page cache before.
        memory: for `evenly`: its option of that name.
        loop_seconds: about how long a loop may take before it is stopped and scaled up. Whoever
            is no loop and takes less is called twice: the second time counts.
    """

    peer: str
    pool: str
    warm_up: str
    budget: int
    first_row: int
    on_disk: bool = False
    memory: str | None = None
    loop_seconds: float = 20.0


@dataclass(frozen=True)
class Measurement:
    """What was found.

    Attributes:
        rows: row numbers, as the peer returned them.
        stats: plain values: "seconds", "first_seconds" (of the first call on the pool, or None
            where it is the only one), "extrapolated_from" (picks, or None), memory and what was
            read. Only "skipped", the reason, when there is nothing else.
    """

    rows: Vectors
    stats: dict[str, Any]

    @classmethod
    def skipped(cls, reason: str) -> Measurement:
        """No measurement, for a reason."""
        return cls(np.empty(0, np.int64), {"skipped": " ".join(reason.split())})


def measure(task: Task) -> Measurement:
    """Measure in this process. Whatever a peer raises becomes the reason it is skipped for."""
    try:
        peer = peer_named(task.peer, task.memory)
        if task.on_disk and not peer.on_disk:
            raise Skip("needs the pool in memory")
        if peer.cuda and not cuda_is_there():
            raise Skip("no CUDA device")
        if peer.warm_up:
            small = _load(task.warm_up, on_disk=task.on_disk)
            peer.choose(small, min(WARM_UP_BUDGET, len(small)), 0)
        return _timed(peer, task)
    except Skip as reason:
        return Measurement.skipped(str(reason))
    except ModuleNotFoundError as error:
        return Measurement.skipped(f"{error.name} is not installed")
    except Exception as error:
        return Measurement.skipped(f"failed: {type(error).__name__}: {error}")


def measure_apart(task: Task, *, timeout: float = 1800.0) -> Measurement:
    """Measure in a process of its own, which is stopped after `timeout` seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.measuring", json.dumps(asdict(task)), folder]
        try:
            ran = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired:
            return Measurement.skipped(f"not done after {timeout:g} seconds")
        if ran.returncode != 0:
            last = (ran.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            return Measurement.skipped(f"its process ended with {ran.returncode}: {last}")
        stats = json.loads((Path(folder) / "facts.json").read_text())
        return Measurement(np.load(Path(folder) / "rows.npy"), stats)


def cuda_is_there() -> bool:
    """Whether torch sees a CUDA device."""
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return bool(torch.cuda.is_available())


def peak_memory() -> int | None:
    """Most bytes this process has had resident, from the kernel; mapped files count."""
    # Not ru_maxrss: on Linux, it begins with what the process had before it became this program.
    kilobytes = _proc("/proc/self/status").get("VmHWM", "").removesuffix("kB").strip()
    return int(kilobytes) * 1024 if kilobytes else None


def _timed(peer: Peer, task: Task) -> Measurement:
    picks, setup = task.budget, None
    if peer.per_pick:
        picks, setup = _affordable(peer, _load(task.pool, on_disk=task.on_disk), task)
    if task.on_disk:
        # Nothing may be mapped then, or it stays.
        gc.collect()
        _drop_from_page_cache(task.pool)
    vectors = _load(task.pool, on_disk=task.on_disk)
    with _what_was_read() as read:
        chosen, seconds = _clock(peer, vectors, picks, task.first_row)
    first = None
    if not (peer.per_pick or task.on_disk) and seconds < task.loop_seconds:
        # Loops have been called on this pool before; so nobody's libraries load meanwhile.
        first = seconds
        chosen, seconds = _clock(peer, vectors, picks, task.first_row)
    stats: dict[str, Any] = {
        "seconds": seconds,
        "first_seconds": first,
        "extrapolated_from": None,
        "ordered": peer.ordered,
    }
    if picks < task.budget:
        assert setup is not None
        each = (seconds - setup) / (picks - 1)
        stats |= {"seconds": seconds + each * (task.budget - picks), "extrapolated_from": picks}
    stats["peak_memory_bytes"] = peak_memory()
    stats["peak_gpu_bytes"] = _peak_gpu_memory() if peer.cuda else None
    if task.on_disk:
        told = _find(getattr(chosen, "provenance", {}), "bytes_read")
        stats["read"] = {"told_bytes": told, **read}
    rows = np.asarray(getattr(chosen, "indices", chosen), dtype=np.int64)
    return Measurement(rows, stats)


def _affordable(peer: Peer, vectors: Vectors, task: Task) -> tuple[int, float]:
    """How many picks a loop can make in time, and the seconds of its set-up, one pick included."""
    _, setup = _clock(peer, vectors, 1, task.first_row)
    few, pilot = 1, setup
    # A moment is too short to judge by.
    while few < task.budget and (few == 1 or pilot < task.loop_seconds / 20):
        few = min(4 * few + 1, task.budget)
        _, pilot = _clock(peer, vectors, few, task.first_row)
    if few == task.budget:
        return task.budget, setup
    each = max((pilot - setup) / (few - 1), 1e-9)
    # Whoever is nearly done may finish.
    if setup + each * (task.budget - 1) <= 1.5 * task.loop_seconds:
        return task.budget, setup
    affordable = int(max(task.loop_seconds - setup, 0.0) / each)
    return min(task.budget, max(affordable, _FEWEST)), setup


def _clock(peer: Peer, vectors: Vectors, budget: int, first_row: int) -> tuple[Any, float]:
    began = perf_counter()
    chosen = peer.choose(vectors, budget, first_row)
    return chosen, perf_counter() - began


def _load(path: str, *, on_disk: bool) -> Vectors:
    loaded: Vectors = np.load(path, mmap_mode="r" if on_disk else None)
    return loaded


def _drop_from_page_cache(path: str) -> None:
    """Make the next reads come from the disk, where the system can be asked for that."""
    if hasattr(os, "posix_fadvise"):
        with Path(path).open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _what_was_read() -> Iterator[dict[str, int | None]]:
    """Bytes that this process reads meanwhile, as Linux counts them; None where it does not.

    "called_bytes" are those asked for by read calls, from the page cache or not; mapped files do
    not count. "storage_bytes" are those that had to be fetched from storage, mapped or not.
    """
    read: dict[str, int | None] = {"called_bytes": None, "storage_bytes": None}
    before = _proc("/proc/self/io")
    yield read
    after = _proc("/proc/self/io")
    for name, counter in (("called_bytes", "rchar"), ("storage_bytes", "read_bytes")):
        if counter in before and counter in after:
            read[name] = int(after[counter]) - int(before[counter])


def _proc(path: str) -> dict[str, str]:
    """The "name: value" lines of a file of the kernel; none where there is no such file."""
    with suppress(OSError):
        lines = Path(path).read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {}


def _peak_gpu_memory() -> int:
    import torch

    return int(torch.cuda.max_memory_allocated())


def _find(nested: Any, name: str) -> Any:
    """The first value of that name in nested dicts, or None."""
    if not isinstance(nested, dict):
        return None
    if name in nested:
        return nested[name]
    found = (_find(part, name) for part in nested.values())
    return next((value for value in found if value is not None), None)


def main(arguments: list[str]) -> None:
    """Measure the task given as JSON; leave facts.json and rows.npy in the folder."""
    task, folder = Task(**json.loads(arguments[0])), Path(arguments[1])
    found = measure(task)
    np.save(folder / "rows.npy", found.rows)
    (folder / "facts.json").write_text(json.dumps(found.stats))


if __name__ == "__main__":
    main(sys.argv[1:])
