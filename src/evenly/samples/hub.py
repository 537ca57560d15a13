"""Datasets of the Hugging Face `datasets` library."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy.typing as npt

from evenly.errors import DataError
from evenly.samples.arrow import iter_table_columns, read_table_columns
from evenly.samples.arrow_values import table_records
from evenly.samples.base import Samples
from evenly.samples.rows import RowNumbers, check_columns, row_numbers
from evenly.tables import count

_RECORDS_PER_BATCH = 1000


class HubDataset(Samples):
    """A map-style Dataset, read as Arrow, so that no image or sound is decoded."""

    format = "dataset"
    columns: tuple[str, ...] = ()

    def __init__(self, dataset: Any) -> None:
        self.origin = f"a Dataset of {count(len(dataset), 'record')}"
        self.columns = tuple(dataset.column_names)
        self._dataset = dataset
        self._arrow = dataset.with_format("arrow")

    def __len__(self) -> int:
        return len(self._dataset)

    def records(self, rows: Iterable[int] | None = None) -> Iterator[Any]:
        """Yield rows as dicts of plain values."""
        source = self._arrow if rows is None else self._arrow.select(list(rows))
        for start in range(0, len(source), _RECORDS_PER_BATCH):
            yield from table_records(source[start : start + _RECORDS_PER_BATCH], self.origin)

    def read_columns(self, names: Sequence[str], absent: object = None) -> list[list[object]]:
        """Read columns; see Samples.read_columns."""
        if not names or not len(self):
            return [[] for _ in names]
        check_columns(names, self.columns, self.origin)
        table = self._arrow.select_columns(list(dict.fromkeys(names)))[:]
        return read_table_columns(table, names, self.origin)

    def iter_columns(
        self, names: Sequence[str], absent: object = None
    ) -> Iterator[tuple[object, ...]]:
        """Yield the values of columns, row by row."""
        if not names or not len(self):
            return
        check_columns(names, self.columns, self.origin)
        source = self._arrow.select_columns(list(dict.fromkeys(names)))
        for start in range(0, len(source), _RECORDS_PER_BATCH):
            part = source[start : start + _RECORDS_PER_BATCH]
            yield from iter_table_columns(part, names, self.origin)

    def arrow_column(self, name: str) -> Any:
        """Return a column as a pyarrow ChunkedArray."""
        check_columns([name], self.columns, self.origin)
        return self._arrow.select_columns([name])[:].column(name)

    def take(self, rows: Iterable[int] | npt.NDArray[Any]) -> Any:
        """Return the rows as a Dataset with the same features and format."""
        return self._dataset.select(row_numbers(rows, len(self)).tolist())

    def _table(self, rows: RowNumbers) -> Any:
        return self._arrow.select(rows.tolist())[:]


def open_dataset(data: Any) -> HubDataset:
    """Open a `datasets.Dataset`.

    Raises:
        DataError: the data are a dictionary of splits, or a stream without a length.
    """
    kind = type(data).__name__
    if isinstance(data, dict):
        splits = ", ".join(f"data[{name!r}]" for name in data)
        raise DataError(f"the data are a {kind} of splits. Pass one of them: {splits}.")
    if not hasattr(data, "select") or not hasattr(data, "__len__"):
        raise DataError(
            f"a {kind} has no fixed number of rows. Pass it to select_stream, which reads it once, "
            "or load it without streaming=True, as a Dataset."
        )
    return HubDataset(data)
