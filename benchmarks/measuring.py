"""Take one measurement of one peer on one pool, in a separate process or in this one.

In a separate process (`measure_apart`) the peak memory is that of the peer alone, peers neither
warm up nor disturb each other, and a peer that is killed ends only its own measurement.
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
# Fewer picks than this are not extrapolated.
_MIN_PICKS = 8


@dataclass(frozen=True)
class Task:
    """What to measure.

    Attributes:
        peer: its name.
        pool: path of the .npy file.
        warm_up: path of a small pool of the same kind for an untimed first call.
        budget: number of rows to choose.
        first_row: the first pick.
        on_disk: the pool stays in its file, which is dropped from the page cache first.
        memory: the option of that name, for `evenly`.
        loop_seconds: about how long a loop may take before it is stopped and extrapolated. Other
            peers that take less are called twice, and the second call counts.
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
    """The result of a task.

    Attributes:
        rows: row numbers, as the peer returned them.
        stats: plain values: "seconds", "first_seconds" (of the first call on the pool; None if
            it was the only one), "extrapolated_from" (picks, or None), memory and bytes read. If
            the peer was skipped, only "skipped", the reason.
    """

    rows: Vectors
    stats: dict[str, Any]

    @classmethod
    def skipped(cls, reason: str) -> Measurement:
        """Return a measurement that was not taken, with the reason."""
        return cls(np.empty(0, np.int64), {"skipped": " ".join(reason.split())})


def measure(task: Task) -> Measurement:
    """Measure in this process; an exception of the peer becomes the reason to skip it."""
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
    """Measure in a separate process, which is stopped after `timeout` seconds."""
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
        stats = json.loads((Path(folder) / "stats.json").read_text())
        return Measurement(np.load(Path(folder) / "rows.npy"), stats)


def cuda_is_there() -> bool:
    """Return whether torch finds a CUDA device."""
    try:
        import torch
    except ModuleNotFoundError:
        return False
    return bool(torch.cuda.is_available())


def peak_memory(process: int | str = "self") -> int | None:
    """Return the peak resident memory of a process in bytes, mapped files included."""
    # On Linux, ru_maxrss also covers the time before exec, when this was another program.
    kilobytes = _proc(f"/proc/{process}/status").get("VmHWM", "").removesuffix("kB").strip()
    return int(kilobytes) * 1024 if kilobytes else None


def _timed(peer: Peer, task: Task) -> Measurement:
    picks, setup = task.budget, None
    if peer.per_pick:
        picks, setup = _affordable(peer, _load(task.pool, on_disk=task.on_disk), task)
    if task.on_disk:
        # Mapped pages stay in the page cache, so no mapping may be left.
        gc.collect()
        _drop_from_page_cache(task.pool)
    vectors = _load(task.pool, on_disk=task.on_disk)
    with _bytes_read() as read:
        chosen, seconds = _clock(peer, vectors, picks, task.first_row)
    first = None
    if not (peer.per_pick or task.on_disk) and seconds < task.loop_seconds:
        # Loops were called on this pool before; a second call puts other peers on a par.
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
        provenance = getattr(chosen, "provenance", None)
        reported = _find(getattr(provenance, "as_dict", dict)(), "bytes_read")
        stats["read"] = {"told_bytes": reported, **read}
    rows = np.asarray(getattr(chosen, "indices", chosen), dtype=np.int64)
    return Measurement(rows, stats)


def _affordable(peer: Peer, vectors: Vectors, task: Task) -> tuple[int, float]:
    """Return how many picks a loop can make in time, and the seconds of set-up and one pick."""
    _, setup = _clock(peer, vectors, 1, task.first_row)
    few, pilot = 1, setup
    # Very short trials are too noisy.
    while few < task.budget and (few == 1 or pilot < task.loop_seconds / 20):
        few = min(4 * few + 1, task.budget)
        _, pilot = _clock(peer, vectors, few, task.first_row)
    if few == task.budget:
        return task.budget, setup
    each = max((pilot - setup) / (few - 1), 1e-9)
    # A loop that would be nearly done may finish.
    if setup + each * (task.budget - 1) <= 1.5 * task.loop_seconds:
        return task.budget, setup
    affordable = int(max(task.loop_seconds - setup, 0.0) / each)
    return min(task.budget, max(affordable, _MIN_PICKS)), setup


def _clock(peer: Peer, vectors: Vectors, budget: int, first_row: int) -> tuple[Any, float]:
    began = perf_counter()
    chosen = peer.choose(vectors, budget, first_row)
    return chosen, perf_counter() - began


def _load(path: str, *, on_disk: bool) -> Vectors:
    loaded: Vectors = np.load(path, mmap_mode="r" if on_disk else None)
    return loaded


def _drop_from_page_cache(path: str) -> None:
    """Make the next reads come from the disk, if the system supports it."""
    if hasattr(os, "posix_fadvise"):
        with Path(path).open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _bytes_read() -> Iterator[dict[str, int | None]]:
    """Count the bytes that this process reads in the block; None if the system is not Linux.

    "called_bytes" were requested by read calls, from the page cache or not; mapped files do not
    count. "storage_bytes" were fetched from storage, for mapped files too.
    """
    read: dict[str, int | None] = {"called_bytes": None, "storage_bytes": None}
    before = _proc("/proc/self/io")
    yield read
    after = _proc("/proc/self/io")
    for name, counter in (("called_bytes", "rchar"), ("storage_bytes", "read_bytes")):
        if counter in before and counter in after:
            read[name] = int(after[counter]) - int(before[counter])


def _proc(path: str) -> dict[str, str]:
    """Return the "name: value" lines of a file in /proc; empty if it does not exist."""
    with suppress(OSError):
        lines = Path(path).read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {}


def _peak_gpu_memory() -> int:
    import torch

    return int(torch.cuda.max_memory_allocated())


def _find(nested: Any, name: str) -> Any:
    """Return the first value of that name in nested dicts, or None."""
    if not isinstance(nested, dict):
        return None
    if name in nested:
        return nested[name]
    found = (_find(part, name) for part in nested.values())
    return next((value for value in found if value is not None), None)


def main(arguments: list[str]) -> None:
    """Measure the task given as JSON; write stats.json and rows.npy to the folder."""
    task, folder = Task(**json.loads(arguments[0])), Path(arguments[1])
    found = measure(task)
    np.save(folder / "rows.npy", found.rows)
    (folder / "stats.json").write_text(json.dumps(found.stats))


if __name__ == "__main__":
    main(sys.argv[1:])
