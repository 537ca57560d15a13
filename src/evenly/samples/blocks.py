"""How many bytes of a vector file are read or written at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockSizes:
    """Block sizes in bytes; tests pass small ones so that small data span several blocks.

    Attributes:
        gap: rows at most this far apart in a file are read together, because reading the bytes
            between them costs about as much as another system call.
        read: block read from a binary file for conversion.
        gather: block in which rows that are not in order are gathered.
        decode: block of rows decoded from parquet.
        write: block of vectors written.
        write_parquet: block of rows written to parquet. Rows that are not in order read the
            input once per block.
        parquet: uncompressed size of parquet files of records up to which they are read into
            memory as a whole.
    """

    gap: int = 1 << 14
    read: int = 1 << 22
    gather: int = 1 << 24
    decode: int = 1 << 24
    write: int = 1 << 24
    write_parquet: int = 1 << 28
    parquet: int = 1 << 25


BLOCK_SIZES = BlockSizes()
