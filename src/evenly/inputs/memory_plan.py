"""What `memory=` means for a data set: where its vectors go, and what is left to compute with."""

from __future__ import annotations

from math import ceil

from evenly.engines.mapped import least_memory
from evenly.engines.registry import DEFAULT_MEMORY
from evenly.errors import OptionError
from evenly.memory import free_memory, memory_bytes
from evenly.options import InputOptions

# Bytes a row in memory wherever the vectors are. While rows are chosen: where the record is, the
# hash and the length of its text, the length of its vector and its factor. At most, while equal
# texts are found, and while distances are measured.
_ROW_BYTES, _MOST_ROW_BYTES = 64, 160
# Beside vectors in memory: proxies of them, and clusters for the bounds on h_min.
_PROXY_SHARE, _PROXY_BYTES, _CLUSTER_BYTES = 1.25, 200e6, 1000
# What is freed between steps and not reused; and rows that stay in memory from one pass over a
# file to the next.
_OTHER_SHARE, _LAST_SHARE = 1 / 8, 1 / 16
# Texts that are kept from the first reading to embedding, which takes memory too: a share of what
# rows leave of `memory=`, or of the free memory.
_TEXT_SHARE, _FREE_TEXT_SHARE = 1 / 2, 1 / 32


def goes_to_disk(rows: int, vector_bytes: float, options: InputOptions) -> bool:
    """Return whether vectors of texts are written to a file, or vectors in files stay there."""
    if options.engine not in ("auto", "mapped"):
        return False
    return options.engine == "mapped" or not fits_in_memory(rows, vector_bytes, options)


def fits_in_memory(rows: int, vector_bytes: float, options: InputOptions) -> bool:
    """Return whether all work on vectors of so many bytes fits in `memory=`.

    Without `memory=`, the vectors may take half of the free memory.
    """
    allowed = memory_bytes(options.memory)
    if allowed is None:
        return vector_bytes <= free_memory() / 2
    proxies = min(vector_bytes, _PROXY_BYTES)
    needed = _PROXY_SHARE * vector_bytes + proxies + rows * (_MOST_ROW_BYTES + _CLUSTER_BYTES)
    return needed <= allowed


def room_for_work(rows: int, options: InputOptions) -> float | None:
    """Return the bytes that computing on vectors on disk may take; None without `memory=`."""
    allowed = memory_bytes(options.memory)
    if allowed is None:
        return None
    return (1 - _OTHER_SHARE) * allowed - rows * _ROW_BYTES


def room_for_texts(rows: int, options: InputOptions) -> float:
    """Return the bytes that texts may take until they are embedded."""
    allowed = memory_bytes(options.memory)
    if allowed is None:
        return _FREE_TEXT_SHARE * free_memory()
    return _TEXT_SHARE * ((1 - _OTHER_SHARE) * allowed - rows * _MOST_ROW_BYTES)


def room_for_last_rows(options: InputOptions) -> float:
    """Return the bytes that the last rows of a pass may take in the next one."""
    allowed = memory_bytes(options.memory)
    return _LAST_SHARE * (DEFAULT_MEMORY if allowed is None else allowed)


def check_memory(
    rows: int,
    dimension: int,
    bytes_a_number: int,
    budget: int | float | None,
    options: InputOptions,
) -> None:
    """Raise OptionError unless `memory=` suffices to choose from vectors on disk.

    Args:
        rows, dimension, bytes_a_number: the shape of the vectors, and the size of a number.
        budget: how many of the rows will be chosen, or what fraction; None if that is unknown.
        options: those of the input.
    """
    allowed = memory_bytes(options.memory)
    if allowed is None:
        return
    chosen = round(budget * rows) if isinstance(budget, float) else budget or 1
    work = least_memory(rows, dimension, bytes_a_number, min(chosen, rows))
    needed = max(work + rows * _ROW_BYTES, rows * _MOST_ROW_BYTES) / (1 - _OTHER_SHARE)
    if needed > allowed:
        of_which = f" and a budget of {chosen:,}" if budget is not None else ""
        raise OptionError(
            f"memory= is too little for {rows:,} rows of {dimension} numbers{of_which}: at "
            f"least {ceil(needed / 1e6):,}MB are needed, got {options.memory!r}. Allow more, or "
            "choose from fewer rows."
        )
