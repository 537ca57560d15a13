"""Temporary files of vectors on a disk that is full."""

import numpy as np
import pytest

from evenly.embedding import EmbeddingCache
from evenly.errors import OutputError
from evenly.inputs.vector_file import VectorFile
from tests.support.full_disk import small_disk

ROWS, DIMENSION = 500, 400


def write_all(vectors, rows_at_once):
    rows = np.arange(ROWS)
    for begin in range(0, ROWS, rows_at_once):
        some = rows[begin : begin + rows_at_once]
        vectors.write(some, np.ones((len(some), DIMENSION), np.float32))
    return vectors.finish()


@pytest.mark.parametrize("rows_at_once", [1, 100, ROWS])
def test_a_disk_that_others_fill_meanwhile(tmp_path, rows_at_once):
    folder = tmp_path / "small"
    with small_disk(folder, 1) as grow:
        vectors = VectorFile(ROWS, DIMENSION, EmbeddingCache(folder))
        (folder / "other").write_bytes(bytes(500_000))

        with pytest.raises(OutputError, match=r"No space left.*need 0\.8 MB there until the run"):
            write_all(vectors, rows_at_once)

        assert not list((folder / "scratch").iterdir())
        grow()
        stored = write_all(VectorFile(ROWS, DIMENSION, EmbeddingCache(folder)), rows_at_once)
        assert stored[:].sum() == ROWS * DIMENSION


def test_a_disk_that_is_too_small_from_the_beginning(tmp_path):
    with small_disk(tmp_path / "small", 1):
        cache = EmbeddingCache(tmp_path / "small")
        with pytest.raises(OutputError, match=r"5,000 vectors of 400 numbers need .* are free"):
            VectorFile(10 * ROWS, DIMENSION, cache)
        assert not list((tmp_path / "small" / "scratch").iterdir())
