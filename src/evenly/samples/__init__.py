"""Reads and writes records: lists, files, data frames, hub datasets, chats and vectors.

    open_samples ──► Samples ──► read_texts ──► Texts
                        └──► take, write: the same records in the same form

No other package reads or writes users' records. There is one file per kind:

    lists.py       strings and dicts           arrow.py     Arrow tables, parquet
    lines.py       JSON Lines                  frames.py    pandas, Polars
    json_array.py  JSON arrays                 hub.py       Hugging Face datasets
    delimited.py   CSV, TSV                    vectors.py   arrays, tensors
    shards.py      several files as one        tables.py    columns of numbers (output only)
    batches.py     a stream of batches

Vectors on disk are read only as far as they are needed:

    stored.py        StoredVectors (n, d),     binary.py           .npy, .safetensors
                     the rows of all files     parquet_vectors.py  a column of parquet
    vector_files.py  these files as Samples    floats.py           the float type they need
    blocks.py        bytes read at once

Importing this package imports only NumPy; other libraries are imported with data of their kind.
"""

from evenly.samples.base import Samples
from evenly.samples.batches import can_be_read_again, read_batch, read_batches
from evenly.samples.opening import open_samples
from evenly.samples.stored import StoredVectors
from evenly.samples.tables import check_table_path, write_columns
from evenly.samples.texts import Texts, excerpt, read_texts, texts_of_rows

__all__ = [
    "Samples",
    "StoredVectors",
    "Texts",
    "can_be_read_again",
    "check_table_path",
    "excerpt",
    "open_samples",
    "read_batch",
    "read_batches",
    "read_texts",
    "texts_of_rows",
    "write_columns",
]
