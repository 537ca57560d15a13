"""Rows that arrive in batches."""

import numpy as np
import pytest

from tests.support.encoders import texts_of

TEXTS = texts_of(60)
RECORDS = [{"id": row, "text": text} for row, text in enumerate(TEXTS)]
VECTORS = np.random.default_rng(0).standard_normal((300, 4))

quiet = pytest.mark.filterwarnings("ignore::evenly.errors.DuplicateRowsWarning")


def cut(rows, sizes):
    """Return batches of these sizes, and a last one of the remaining rows."""
    begin = 0
    for size in sizes:
        yield rows[begin : begin + size]
        begin += size
    yield rows[begin:]
