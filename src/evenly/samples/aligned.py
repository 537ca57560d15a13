"""Takes rows of anything that has a value for each row, such as labels or images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from evenly.samples.base import Samples
from evenly.samples.opening import is_of, open_samples, pick_items, pick_of_arrow
from evenly.samples.rows import RowNumbers
from evenly.samples.vectors import pick_of_tensor
from evenly.tables import count


@dataclass(frozen=True)
class AlignedValues:
    """Values of which one belongs to each row of a data set.

    Attributes:
        origin: their name in messages.
        take: returns those of some rows, in the type of the original.
    """

    origin: str
    count: int
    take: Callable[[RowNumbers], Any]

    def __len__(self) -> int:
        return self.count


def open_aligned(data: Any) -> Samples | AlignedValues:
    """Open whatever has a value for each row, whether or not it could be selected from.

    Args:
        data: data as in `open_samples`; or an array or a tensor of any shape and type, a series,
            a sparse matrix, or a list or another sequence of any values.

    Raises:
        DataError: the data are of another kind.
    """
    kind = type(data).__name__
    if isinstance(data, np.ndarray) and data.ndim:
        return AlignedValues(f"an array of shape {data.shape}", len(data), data.__getitem__)
    if is_of(data, "torch", {"Tensor"}) and data.ndim:
        origin = f"a tensor of shape {tuple(data.shape)}"
        return AlignedValues(origin, len(data), partial(pick_of_tensor, data))
    if is_of(data, "pandas", {"Series", "Index", "ExtensionArray"}):
        return AlignedValues(f"a {kind} of {count(len(data), 'value')}", len(data), data.take)
    if is_of(data, "polars", {"Series"}):
        return AlignedValues(
            f"a {kind} of {count(len(data), 'value')}", len(data), data.__getitem__
        )
    if is_of(data, "pyarrow", {"Array", "ChunkedArray"}):
        return AlignedValues(
            f"a {kind} of {count(len(data), 'value')}", len(data), partial(pick_of_arrow, data)
        )
    if is_of(data, "scipy", {"spmatrix", "sparray"}) and hasattr(data, "tocsr"):
        return AlignedValues(
            f"a {kind} of shape {data.shape}", data.shape[0], data.tocsr().__getitem__
        )
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray):
        return AlignedValues(
            f"a {kind} of {count(len(data), 'value')}", len(data), partial(pick_items, data)
        )
    return open_samples(data)
