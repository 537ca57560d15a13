"""Data in a Ray cluster: a `ray.data.Dataset`, or references to arrays or tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evenly.errors import ClusterError, DataError, EmptyPoolError, OptionError
from evenly.samples import Samples, open_samples
from evenly.samples.opening import is_of
from evenly.tables import count


def is_in_ray(data: Any) -> bool:
    """Return whether data are a `ray.data.Dataset`, or references to objects of Ray."""
    if isinstance(data, list | tuple):
        return len(data) > 0 and all(is_of(one, "ray", {"ObjectRef"}) for one in data)
    return is_of(data, "ray", {"Dataset"})


def check_cluster(data: Any, cluster: str | None) -> None:
    """Raise OptionError if data are in a Ray cluster that this process is not a part of."""
    if is_in_ray(data) and (cluster is None or cluster.startswith("ray://")):
        raise OptionError(
            f'{_noun(data)} is read within its Ray cluster only: pass cluster="auto" in a '
            "process of that cluster."
        )


def check_here(data: Any) -> None:
    """Raise OptionError if data that are needed on this machine are in Ray."""
    if is_in_ray(data):
        raise OptionError(
            f"{_noun(data)} has no rows on this machine to take. `write` writes the chosen "
            "records to a file, whose format is that of its suffix."
        )


def references_of(data: Any) -> tuple[list[Any], str]:
    """Return references to the blocks of data in Ray, in order, and words for all of them.

    A dataset is computed, and its rows are numbered in the order of its blocks.
    """
    found = list(data) if isinstance(data, list | tuple) else data.to_arrow_refs()
    if not found:
        raise EmptyPoolError(f"{_noun(data)} holds no rows; there is nothing to choose from.")
    return found, f"{_noun(data)} of {count(len(found), 'block')}"


def fetch(references: Sequence[Any]) -> list[Any]:
    """Return the objects that references stand for.

    Raises:
        ClusterError: one is lost, or computing it failed.
    """
    import ray

    try:
        found: list[Any] = ray.get(list(references))
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise ClusterError(f"blocks of the data could not be read: {reason}") from error
    return found


def open_blocks(blocks: list[Any]) -> Samples:
    """Return arrays, or tables, as one data set.

    A table with nothing but tensors, as Ray makes of arrays, is an array.

    Raises:
        DataError: there are blocks of other or of several kinds.
    """
    blocks = [_array_in(one) for one in blocks]
    filled = [one for one in blocks if len(one)] or blocks[:1]
    if all(isinstance(one, np.ndarray) for one in filled):
        return open_samples(filled[0] if len(filled) == 1 else np.concatenate(filled))
    kinds = sorted({type(one).__name__ for one in filled})
    if kinds != ["Table"]:
        raise DataError(
            f"the blocks of data in Ray must be NumPy arrays (n, d), or Arrow tables, got {kinds}."
        )
    import pyarrow as pa

    return open_samples(pa.concat_tables(filled))


def _array_in(block: Any) -> Any:
    """Return the array that Ray has made a table of, or the block itself."""
    if not is_of(block, "pyarrow", {"Table"}) or block.num_columns != 1:
        return block
    column = block.column(0).combine_chunks()
    # Ray's own type of columns has this method.
    return column.to_numpy_ndarray() if hasattr(column, "to_numpy_ndarray") else block


def _noun(data: Any) -> str:
    return "a list of Ray references" if isinstance(data, list | tuple) else "a ray.data.Dataset"
