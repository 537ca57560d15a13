"""Sizes of memory: how much is free, and how users write how much may be used."""

from __future__ import annotations

import re
from pathlib import Path

from evenly.errors import OptionError


def free_memory() -> float:
    """Return the bytes of free memory on this machine; infinite if that is unknown."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return float("inf")


def resident_memory() -> float:
    """Return the bytes of memory that this process has now; 0 if that is unknown."""
    try:
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmRSS:"):
                return float(line.split()[1]) * 1024
    except OSError:
        pass
    return 0.0


def memory_bytes(value: str | float | None) -> float | None:
    """Return the value of `memory=` in bytes: a number, or one with a unit, "500MB" or "2 GiB".

    Raises:
        OptionError: the value is neither, or not above 0.
    """
    if value is None:
        return None
    size = 0.0
    if not isinstance(value, str):
        size = float(value)
    else:
        found = re.fullmatch(r"([0-9.]+) *([kKMGT]?)(i?)B?", value.strip())
        if found is not None and found[1].count(".") <= 1 and found[1] != ".":
            step = 1024.0 if found[3] else 1000.0
            size = float(found[1]) * step ** " KMGT".index(found[2].upper() or " ")
    if not 0 < size < float("inf"):
        raise OptionError(
            f'memory must be a number of bytes above 0, or a string such as "2GB", got {value!r}.'
        )
    return size
