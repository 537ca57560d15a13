"""Pools that break selectors: ties, duplicates, lattices, lines, extreme lengths."""

import numpy as np
from hypothesis import strategies as st

KINDS = (
    "random",
    "clustered",
    "lattice",
    "shifted lattice",
    "duplicates",
    "near-duplicates",
    "nearer duplicates",
    "collinear",
    "one-hot",
    "mixed lengths",
    "tiny",
    "huge",
)


def make_pool(kind, n, d, dtype, rng):
    """(n, d) finite vectors without a zero row."""
    if kind == "random":
        rows = rng.standard_normal((n, d))
    elif kind == "clustered":
        rows = rng.standard_normal((max(1, n // 10), d))[rng.integers(0, max(1, n // 10), n)]
        rows = rows + 0.1 * rng.standard_normal((n, d))
    elif kind == "lattice":
        rows = rng.integers(-1, 3, (n, d)).astype(float)
    elif kind == "shifted lattice":
        # From farther off, the rounding of a division would be as large as what still ties.
        rows = rng.integers(0, 4, (n, d)) * 0.1 + 1e2
    elif kind == "duplicates":
        rows = rng.standard_normal((max(1, n // 2), d))[rng.integers(0, max(1, n // 2), n)]
    elif kind == "near-duplicates":
        rows = rng.standard_normal((max(1, n // 3), d))[rng.integers(0, max(1, n // 3), n)]
        rows = rows + 1e-3 * rng.standard_normal((n, d))
    elif kind == "nearer duplicates":
        rows = rng.standard_normal((max(1, n // 3), d))[rng.integers(0, max(1, n // 3), n)]
        rows = rows + 1e-6 * rng.standard_normal((n, d))
    elif kind == "collinear":
        rows = np.outer(rng.integers(-5, 50, n), np.ones(d)) + 1e4 * rng.integers(0, 2)
    elif kind == "one-hot":
        rows = np.eye(d)[rng.integers(0, d, n)] * rng.integers(1, 4, (n, 1))
    elif kind == "mixed lengths":
        rows = rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-18, 18, (n, 1))
    else:
        rows = rng.standard_normal((n, d)) * {"tiny": 1e-18, "huge": 1e18}[kind]
    if dtype == np.float16:
        rows = np.clip(rows, -6e4, 6e4)
    rows = rows.astype(dtype)
    rows[(rows.astype(float) ** 2).sum(axis=1) == 0] = 1
    return rows


@st.composite
def pools(draw, max_rows=120):
    kind = draw(st.sampled_from(KINDS))
    n = draw(st.integers(1, max_rows))
    d = draw(st.sampled_from([1, 2, 3, 8, 33]))
    dtype = draw(st.sampled_from([np.float16, np.float32, np.float64]))
    rows = make_pool(kind, n, d, dtype, np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    storage = draw(st.sampled_from(["plain", "fortran", "strided", "read-only"]))
    if storage == "fortran":
        rows = np.asfortranarray(rows)
    elif storage == "strided":
        rows = np.repeat(rows, 2, axis=0)[::2]
    elif storage == "read-only":
        rows.flags.writeable = False
    return rows
