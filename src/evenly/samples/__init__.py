"""Records in and out: lists, files, data frames, hub datasets, chats, vectors.

    open_samples ──► Samples ──► read_texts ──► Texts
                        └──► take, write: the same records, the same kind

No other room reads or writes users' records. One file a kind:

    lists.py       strings and dicts           arrow.py     Arrow tables, parquet
    lines.py       JSON Lines                  frames.py    pandas, Polars
    json_array.py  JSON arrays                 hub.py       Hugging Face datasets
    delimited.py   CSV, TSV                    vectors.py   arrays, tensors
    shards.py      several files as one        tables.py    columns of numbers, out
    batches.py     a stream of batches

and for vectors on disk, of which only what is asked for is read:

    stored.py      StoredVectors (n, d), over   binary.py           .npy, .safetensors
                   the rows of several files    parquet_vectors.py  a column of parquet
    vector_files.py  these as Samples           floats.py           which float type they need

Importing this room imports no library but NumPy; the others are imported when data of their
kind come in.
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
