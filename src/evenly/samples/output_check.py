"""Checks, before anything is computed, that records can be written in a format."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from evenly.samples.arrow import ArrowSamples
from evenly.samples.arrow_columns import check_schema, unfit_for_parquet
from evenly.samples.arrow_values import is_plain, table_records
from evenly.samples.base import Samples, as_record
from evenly.samples.encoding import encode_records
from evenly.samples.formats import STREAM_FORMATS, output_format
from evenly.samples.rows import RowNumbers

_ROWS_PER_BLOCK = 1 << 14


def check_output(samples: Samples, path: str | os.PathLike[str]) -> None:
    """Check that any rows of `samples` can be written to `path`.

    All rows are converted if their format is another one and their types do not decide it, so
    that the check never says what writing would not.

    Raises:
        OutputError: the suffix is unknown, or the format cannot hold a column, which is named.
        DataError: a value cannot be read.
    """
    format, _ = output_format(path)
    if format == samples.format:
        return
    samples._encode(format, io.BytesIO(), np.empty(0, np.int64))
    if not samples.holds_records or (
        samples.format in STREAM_FORMATS and format in ("jsonl", "json")
    ):
        return
    if format == "parquet":
        _check_tables(samples)
        return
    records, columns = _records(samples, format)
    for _ in encode_records(format, records, columns, set()):
        pass


def _records(samples: Samples, format: str) -> tuple[Iterator[Any], tuple[str, ...]]:
    """Return the records without the columns of types that JSON and CSV always hold."""
    if isinstance(samples, ArrowSamples) and format != "txt":
        fields = [samples.table.schema.field(name) for name in samples.columns]
        columns = tuple(field.name for field in fields if not is_plain(field.type))
        return table_records(samples.table.select(list(columns)), samples.origin), columns
    return map(as_record, samples.records()), samples.columns or ("text",)


def _check_tables(samples: Samples) -> None:
    import pyarrow as pa

    if isinstance(samples, ArrowSamples):
        check_schema(samples.table.schema)
        return
    common: dict[str, Any] = {}
    for rows in _blocks(len(samples)):
        for field in samples._table(rows).schema:
            kinds = [pa.schema([kind]) for kind in (common.get(field.name), field) if kind]
            try:
                common[field.name] = pa.unify_schemas(kinds, promote_options="permissive").field(0)
            except pa.ArrowException as error:
                raise unfit_for_parquet(field.name, error, []) from error
    check_schema(pa.schema(list(common.values())))


def _blocks(count: int) -> Iterator[RowNumbers]:
    for start in range(0, count, _ROWS_PER_BLOCK):
        yield np.arange(start, min(start + _ROWS_PER_BLOCK, count))
