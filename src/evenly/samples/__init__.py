"""Reads and writes records: lists, files, data frames, hub datasets, chats and vectors.

No other package reads or writes users' records. There is one file per kind of data.
Importing this package imports only NumPy; other libraries are imported with data of their kind.
"""

from evenly.samples.aligned import open_aligned
from evenly.samples.base import Samples, VectorsBeside
from evenly.samples.batches import can_be_read_again, check_paths, read_batch, read_batches
from evenly.samples.beside import column_of, open_with_vectors
from evenly.samples.binary import BinaryRows
from evenly.samples.opening import open_samples
from evenly.samples.output_check import check_output
from evenly.samples.source import FileStamp
from evenly.samples.stored import StoredVectors
from evenly.samples.tables import check_table_path, write_columns
from evenly.samples.texts import (
    RowTexts,
    Texts,
    check_text,
    excerpt,
    open_texts,
    read_texts,
    text_columns,
    texts_of_rows,
)
from evenly.samples.whole import read_whole

__all__ = [
    "BinaryRows",
    "FileStamp",
    "RowTexts",
    "Samples",
    "StoredVectors",
    "Texts",
    "VectorsBeside",
    "can_be_read_again",
    "check_output",
    "check_paths",
    "check_table_path",
    "check_text",
    "column_of",
    "excerpt",
    "open_aligned",
    "open_samples",
    "open_texts",
    "open_with_vectors",
    "read_batch",
    "read_batches",
    "read_texts",
    "read_whole",
    "text_columns",
    "texts_of_rows",
    "write_columns",
]
