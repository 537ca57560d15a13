"""Reads and writes records: lists, files, data frames, hub datasets, chats and vectors.

No other package reads or writes users' records. There is one file per kind of data.
Importing this package imports only NumPy; other libraries are imported with data of their kind.
"""

from evenly.samples.aligned import open_aligned
from evenly.samples.base import Samples
from evenly.samples.batches import can_be_read_again, check_paths, read_batch, read_batches
from evenly.samples.opening import open_samples
from evenly.samples.stored import StoredVectors
from evenly.samples.tables import check_table_path, write_columns
from evenly.samples.texts import Texts, excerpt, read_texts, texts_of_rows

__all__ = [
    "Samples",
    "StoredVectors",
    "Texts",
    "can_be_read_again",
    "check_paths",
    "check_table_path",
    "excerpt",
    "open_aligned",
    "open_samples",
    "read_batch",
    "read_batches",
    "read_texts",
    "texts_of_rows",
    "write_columns",
]
