"""The vectors of a cluster in the driver's memory, for what needs all of them in one place."""

from __future__ import annotations

import logging
from dataclasses import replace
from time import perf_counter

import numpy as np

from evenly.distributed.vectors import ClusterPoints
from evenly.errors import OptionError
from evenly.geometry import Points, blocks
from evenly.inputs.memory_plan import fits_in_memory
from evenly.inputs.prepare import PreparedData
from evenly.progress import new_bar

log = logging.getLogger("evenly")

# Numbers of one message; several workers may answer at once.
_NUMBERS = 1 << 24


def check_room(prepared: PreparedData, rows: int, why: str, advice: str) -> None:
    """Raise OptionError if so many vectors of workers do not fit in the driver's memory.

    Args:
        why: what they are needed for.
        advice: how fewer would be needed.
    """
    points = prepared.points
    if not isinstance(points, ClusterPoints) or points.in_memory:
        return
    size = float(rows) * points.dimension * points.stored.dtype.itemsize
    if not fits_in_memory(rows, size, prepared.options):
        raise OptionError(
            f"{why}, and their {rows:,} vectors of {points.dimension} numbers "
            f"({size / 1e9:.2f} GB) do not fit in the memory of this machine. Allow more with "
            f"memory= if it has more, or {advice}."
        )


def check_gathered(prepared: PreparedData, option: str) -> None:
    """Raise OptionError if the vectors do not fit in the memory that the run may use."""
    points = prepared.points
    if not isinstance(points, ClusterPoints) or points.in_memory:
        return
    if not fits_in_memory(len(points), points.stored.nbytes, prepared.options):
        name = _spelled(option)
        raise OptionError(
            f"{name} needs all vectors in the memory of the machine that runs the selection, and "
            f"{_size(points)} do not fit. Allow more with memory= if the machine has it, or omit "
            f"{name}."
        )


def _spelled(option: str) -> str:
    """Return an option for a message: a flag of the command line, or a parameter."""
    return option if option.startswith("--") else f"{option}="


def _size(points: ClusterPoints) -> str:
    size = points.stored.nbytes / 1e9
    return f"{len(points):,} vectors of {points.dimension} numbers ({size:.2f} GB)"


def gathered(prepared: PreparedData, option: str) -> PreparedData:
    """Return a data set whose vectors are in the driver's memory, and no longer on workers.

    Records stay where they are. Vectors that are here already, or come from no cluster, are
    returned as they are.

    Args:
        prepared: the data set.
        option: what needs all vectors, for messages.

    Raises:
        OptionError: they do not fit in the memory that the run may use.
    """
    points = prepared.points
    if not isinstance(points, ClusterPoints) or points.in_memory:
        return prepared
    check_gathered(prepared, option)
    began, stored = perf_counter(), points.stored
    log.info(
        "%s come from the workers, because %s needs all in one place",
        _size(points),
        _spelled(option),
    )
    vectors = np.empty(stored.shape, stored.dtype)
    bar = new_bar(total=len(vectors), desc="gathering", unit="row", shown=prepared.options.progress)
    with bar:
        for block in blocks(len(vectors), points.dimension, numbers=_NUMBERS):
            vectors[block] = stored[block]
            bar.update(block.stop - block.start)
    own = Points(vectors, points.factors, points.eligible, points.longest)
    seconds = {**prepared.seconds, "gathering": perf_counter() - began}
    return replace(prepared, points=own, seconds=seconds)
