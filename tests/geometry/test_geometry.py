"""Proxies never rule out a nearer pair, and exact distances are the definition."""

import os
import subprocess
import sys
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evenly.geometry import (
    Best,
    Points,
    ProxyTransform,
    ProxyVectors,
    Targets,
    first_of_the_farthest,
    lower_until_below,
    row_lengths,
    squared_distances_between,
)
from evenly.geometry.kernels import int16, int16_block
from evenly.geometry.kernels.int16 import (
    TOGETHER,
    fill_panels,
    multiply_by_int16,
    panels_for,
    round_rows,
)
from evenly.geometry.kernels.screening import BLOCK, smallest_of_blocks
from evenly.geometry.points import squared_lengths
from evenly.geometry.screening import nearest
from evenly.geometry.screening.nearest import lower_to_nearest
from evenly.geometry.search.in_order import integer_products_within
from tests.support import oracle
from tests.support.pools import KINDS, make_pool, pools

WAYS = ("float32", "int16", "turned", "narrow", "int16, narrow")
ways = pytest.mark.parametrize("way", WAYS)
ways_and_bfloat16 = pytest.mark.parametrize("way", [*WAYS, "bfloat16"])

CHUNK = 4  # cuts sums in two even in few dimensions


def points_of(vectors, normalize):
    return Points.of(
        vectors, row_lengths(vectors), np.ones(len(vectors), bool), normalize=normalize
    )


def proxies_of(points, way):
    """Proxies of whole rows, turned to their principal axes, or of a few of these only."""
    transform = ProxyTransform.of(points, multiple_of=CHUNK)
    if "turned" in way or "narrow" in way:
        transform = transform.turned(points, points.dimension)
    width = None
    if "narrow" in way:
        width = max(1, transform.width // transform.chunk // 2) * transform.chunk
    return ProxyVectors(points, transform, width=width)


def precision_of(way):
    return next((short for short in ("bfloat16", "int16") if short in way), "float32")


def targets_of(points, way, rows, numbers=None):
    targets = Targets(proxies_of(points, way), precision=precision_of(way))
    targets.append(points.take(rows), rows if numbers is None else numbers)
    return targets


def squared_distances_in_extended_precision(vectors, normalize):
    rows = vectors.astype(np.longdouble)
    rows = oracle.unit_rows(rows) if normalize else rows
    return ((rows[:, None] - rows[None]) ** 2).sum(axis=2)


def ugly_rows(d):
    """Coordinates of one sign just above a power of two, so that rounding errors add up."""
    rng = np.random.default_rng(d)
    ugly = 1 + 2.0**-9 + 2.0**-24 + 2.0**-23 * rng.integers(0, 3, (40, d))
    vectors = (ugly * rng.choice([1, 1, 1, -1], (40, 1))).astype(np.float32)
    vectors[:20] = vectors[0] * (1 + 2.0**-20 * np.arange(20)[:, None])
    return vectors


def products_and_limits(vectors, normalize, way, known):
    """Products of all pairs, and the limits below which a pair is decided exactly."""
    points = points_of(vectors, normalize)
    proxies = proxies_of(points, way)
    rows = proxies[np.arange(len(vectors))][:, : proxies.width]
    lengths = np.einsum("ij,ij->i", rows, rows)
    precision = precision_of(way)
    if precision == "bfloat16":
        short = torch.from_numpy(rows).bfloat16()
        between = (short @ short.T).float().numpy()
    elif precision == "int16":
        between = products_in_int16(rows, proxies.transform.levels)
    else:
        between = rows @ rows.T
    products = lengths[:, None] + lengths - 2 * between
    return products, proxies.transform.error_bound(precision).limits(known)[:, None]


def products_in_int16(rows, levels):
    """Products of all pairs of rows, as engines compute them."""
    count, width = rows.shape
    room = -(-count // BLOCK) * BLOCK
    targets = np.zeros((room, width), np.float32)
    targets[:count] = rows
    lengths = np.einsum("ij,ij->i", targets, targets)
    panels = panels_for(room, width)
    fill_panels(targets, width, levels, 0, count, panels)
    short = np.zeros((TOGETHER, 2 * panels.shape[1]), np.int16)
    made, own_lengths = np.empty((TOGETHER, room), np.float32), np.empty(TOGETHER, np.float32)
    smallest = np.empty((TOGETHER, room // BLOCK), np.float32)
    products = np.empty((count, room), np.float32)
    for begin in range(0, count, TOGETHER):
        part = rows[begin : begin + TOGETHER]
        round_rows(part, np.arange(len(part)), width, levels, short, own_lengths)
        multiply_by_int16(short, len(part), panels, levels, lengths, made, smallest)
        products[begin : begin + TOGETHER] = made[: len(part)]
        np.testing.assert_allclose(
            own_lengths[: len(part)],
            lengths[begin:][: len(part)],
            rtol=(width + 2) * 2**-23,
            atol=1e-37,
        )
        np.testing.assert_allclose(
            smallest[: len(part)],
            smallest_of_blocks(made[: len(part)], lengths),
            rtol=1e-5,
            atol=1e-6,
        )
    # The rounded coordinates are multiplied without any error.
    rounded = np.rint(rows * levels).astype(np.int64)
    np.testing.assert_allclose(
        products[:, :count] * float(levels) ** 2, rounded @ rounded.T, rtol=1e-6
    )
    return products[:, :count]


def assert_no_nearer_pair_is_ruled_out(vectors, normalize, way, known):
    truth = squared_distances_in_extended_precision(vectors, normalize)
    products, limits = products_and_limits(vectors, normalize, way, known)
    nearer = truth < known[:, None]
    assert not (nearer & (products >= limits)).any()
    return products < limits, truth


@ways_and_bfloat16
@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_no_nearer_pair_is_ruled_out(way, vectors, normalize, data):
    truth = squared_distances_in_extended_precision(vectors, normalize).astype(float)
    # Just above the distance to some other row: the hardest pair to detect.
    known = truth[:, data.draw(st.integers(0, len(vectors) - 1))] * (1 + 1e-13)
    assert_no_nearer_pair_is_ruled_out(vectors, normalize, way, known)


@ways_and_bfloat16
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("d", [1, 7, 384, 4096])
def test_no_nearer_pair_is_ruled_out_if_rounding_errors_add_up(way, normalize, d):
    if d == 4096 and ("turned" in way or "narrow" in way):
        d = 1024  # principal axes of so many dimensions take minutes
    vectors = ugly_rows(d)
    truth = squared_distances_in_extended_precision(vectors, normalize).astype(float)
    for other in (0, 5, 30):
        known = truth[:, other] * (1 + 1e-13)
        assert_no_nearer_pair_is_ruled_out(vectors, normalize, way, known)


@ways_and_bfloat16
def test_proxies_are_close_enough_to_be_useful(way):
    rng = np.random.default_rng(0)
    # Half of the variance is in 50 of 384 coordinates, which come first after turning.
    vectors = (rng.standard_normal((200, 384)) * np.repeat([3, 1], [50, 334])).astype(np.float32)
    truth = squared_distances_in_extended_precision(vectors, True).astype(float)
    known = np.quantile(truth, 0.2, axis=1)
    looked_at, _ = assert_no_nearer_pair_is_ruled_out(vectors, True, way, known)
    near = {"float32": 1e-3, "bfloat16": 6e-2, "int16": 4e-3, "turned": 1e-2}.get(way, 0.3)
    assert not (looked_at & (truth > known[:, None] + near)).any()


@ways
@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_lowering_gives_the_exact_distance_to_the_nearest(way, vectors, normalize, data):
    points = points_of(vectors, normalize)
    n = len(vectors)
    chosen = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True)))
    skip_itself = data.draw(st.booleans())
    rows = np.arange(n)
    best = Best(np.full(n, np.inf), np.full(n, n))
    for part in np.array_split(chosen, min(3, len(chosen))):
        targets = targets_of(points, way, part)
        begin, end = targets.segment(0)
        itself = np.full(n, -1)
        itself[part] = np.arange(len(part))
        lower_to_nearest(
            targets, begin, end, targets.queries(rows), best, skip=itself if skip_itself else None
        )

    truth = np.array(
        [squared_distances_between(points, rows, points, np.full(n, c)) for c in chosen]
    )
    if skip_itself:
        truth[np.arange(len(chosen)), chosen] = np.inf
    np.testing.assert_array_equal(best.squared, truth.min(axis=0))
    for row in rows:
        as_near = chosen[truth[:, row] == best.squared[row]]
        assert best.nearest[row] == (as_near.min() if np.isfinite(best.squared[row]) else n)


IN_THE_OTHER_WIDTH = """
from importlib import reload
import numpy as np
import llvmlite.binding
from evenly.geometry.kernels import int16, int16_block  # first, because numba reads the features
has = llvmlite.binding.get_host_cpu_features()
llvmlite.binding.get_host_cpu_features = lambda: {"avx512bw": not has.get("avx512bw")}
reload(int16_block)
reload(int16)
rng = np.random.default_rng(0)
short = rng.integers(-900, 900, (int16.TOGETHER, 6)).astype(np.int16)
panels = rng.integers(-900, 900, (3, 3, 16, 2)).astype(np.int16)
lengths = rng.uniform(0, 1, 48).astype(np.float32)
made, smallest = (np.zeros((int16.TOGETHER, size), np.float32) for size in (48, 3))
int16.multiply_by_int16(short, 25, panels, np.float32(1000), lengths, made, smallest)
columns = panels.transpose(0, 2, 1, 3).reshape(48, 6).astype(int)
truth = (short[:25].astype(int) @ columns.T) * 1e-6
np.testing.assert_allclose(made[:25], truth, rtol=1e-6)
blocks = (lengths - 2 * truth).reshape(25, 3, 16).min(axis=2)
np.testing.assert_allclose(smallest[:25], blocks, rtol=1e-5, atol=1e-6)
print(int16_block.LANES)
"""


def test_products_are_the_same_in_registers_of_another_width(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", IN_THE_OTHER_WIDTH],
        capture_output=True,
        text=True,
        # Keep code compiled for another processor out of the cache of this one.
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) == {8: 16, 16: 8}[int16_block.LANES]


class Comparison(NamedTuple):
    """431 rows of a pool of 700, 391 targets, and all exact squared distances between them."""

    points: Points
    rows: np.ndarray
    chosen: np.ndarray
    truth: np.ndarray


@cache
def comparison(kind):
    rng = np.random.default_rng(3)
    points = points_of(make_pool(kind, 700, 24, np.float32, rng), False)
    chosen, rows = rng.permutation(700)[:391], rng.permutation(700)[:431]
    left, right = np.repeat(rows, 391), np.tile(chosen, 431)
    truth = squared_distances_between(points, left, points, right).reshape(431, 391)
    return Comparison(points, rows, chosen, truth)


@ways
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("threads", "kept"), [(1, False), (2, True), (2, False)])
def test_rows_are_compared_until_they_are_near_enough(way, weighted, kind, threads, kept):
    points, rows, chosen, truth = comparison(kind)
    rng = np.random.default_rng(4)
    targets = targets_of(points, way, chosen, np.arange(391))
    if kept:
        targets.proxies.keep(1)
    seen = np.sort(rng.choice([0, 0, 1, 37, 128, 300, 390], 431)).astype(np.int32)
    compared = np.arange(391) < seen[:, None]
    known = np.where(compared, truth, np.inf).min(axis=1)
    weights = rng.uniform(0.5, 2.0, 431) if weighted else None
    threshold = float(np.quantile(truth.min(axis=1), 0.6))
    best, after = Best(known.copy(), np.full(431, 391)), seen.copy()
    squared, nearest = best

    lower_until_below(targets, rows, threshold, weights, after, best, threads=threads)

    new = np.where(compared, np.inf, truth)
    whole = np.minimum(known, new.min(axis=1))
    keys = squared if weights is None else squared * weights
    finished = after == 391
    assert (finished | (keys < threshold)).all()
    assert finished.any()
    np.testing.assert_array_equal(squared[finished], whole[finished])
    # Each bound is the smallest of the distances that were known or computed.
    found = np.minimum(known, np.where(np.arange(391) < after[:, None], new, np.inf).min(axis=1))
    np.testing.assert_array_equal(squared, found)
    lowered = squared < known
    np.testing.assert_array_equal(truth[lowered, nearest[lowered]], squared[lowered])
    assert (after >= seen).all()
    if kind == "random" and "int16" in way:
        assert not finished.all()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", [1, 15, 16, 193, 700])
def test_integer_products_within_rows_rule_out_no_nearer_pair(count, threads):
    points = points_of(np.random.default_rng(count).standard_normal((count, 24)), False)
    proxies = proxies_of(points, "int16, narrow")
    rows, transform = np.arange(count), proxies.transform
    left = proxies[rows]
    between = integer_products_within(left, proxies.width, transform.levels, threads)

    used = left[:, : proxies.width].astype(float)
    truth = ((used[:, None] - used) ** 2).sum(axis=2)
    one, other = np.triu_indices(count, 1)
    allowed = transform.error_bound("int16").rounding
    assert np.abs(between[one, other] - truth[one, other]).max(initial=0.0) <= allowed
    whole = squared_distances_between(points, one, points, other)
    assert (between[one, other] < transform.error_bound("int16").limits(whole * (1 + 1e-13))).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 16])
@pytest.mark.parametrize("count", [0, 1, 47, 192, 193, 1024, 5000])
def test_threads_share_all_rows_and_finish_together(count, threads):
    cuts = int16.cuts_for(count, threads)
    sizes = np.diff(cuts)
    assert cuts[0] == 0
    assert cuts[-1] == count
    assert (sizes > 0).all()
    assert (sizes <= TOGETHER).all()
    assert (np.diff(sizes) <= 0).all()
    if threads > 1 and count >= 192:
        assert len(sizes) >= min(threads, 4)
        assert sizes[-1] <= 48


def test_an_interrupted_comparison_begins_no_further_part(monkeypatch):
    points = points_of(np.random.default_rng(0).standard_normal((900, 8)), False)
    targets = targets_of(points, "int16", np.arange(40))
    targets.proxies.keep(1)
    given = []

    def interrupted(work, workers, *, threads):
        work(next(iter(workers)))
        raise KeyboardInterrupt

    monkeypatch.setattr(nearest, "parallel_for", interrupted)
    monkeypatch.setattr(int16, "lower_by_int16", lambda *arguments: given.append(arguments) or 0)
    seen, best = np.zeros(900, np.int32), Best(np.full(900, np.inf), np.full(900, 40))
    with pytest.raises(KeyboardInterrupt):
        lower_until_below(targets, np.arange(900), 0.0, None, seen, best, threads=2)
    monkeypatch.undo()
    int16.lower_by_int16(*given[0])  # another thread that looks for more work
    assert (seen == 0).all()


@given(vectors=pools(max_rows=40), normalize=st.booleans())
def test_distances_have_the_same_bits_in_every_layout(vectors, normalize):
    points = points_of(vectors, normalize)
    plain = points_of(np.ascontiguousarray(vectors), normalize)
    wide = points_of(vectors.astype(np.float64), normalize)
    left, right = (part.ravel() for part in np.indices((len(vectors), len(vectors))))
    squared = squared_distances_between(points, left, points, right)
    for other in (plain, wide):
        np.testing.assert_array_equal(squared, squared_distances_between(other, left, other, right))
    np.testing.assert_array_equal(squared, squared_distances_between(points, right, plain, left))


def test_every_float16_is_read_as_its_value():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)[:, None]
    finite = np.isfinite(halves[:, 0])
    squared = squared_lengths(halves)
    np.testing.assert_array_equal(squared[finite], halves[finite, 0].astype(float) ** 2)
    assert not np.isfinite(np.sqrt(squared[~finite])).any()


@given(vectors=pools(max_rows=40), normalize=st.booleans())
def test_exact_distances_are_the_definition(vectors, normalize):
    points = points_of(vectors, normalize)
    rows = vectors.astype(np.float64)
    rows = oracle.unit_rows(rows) if normalize else rows
    left, right = (part.ravel() for part in np.indices((len(rows), len(rows))))
    truth = np.concatenate([oracle.squared_distances(rows, row, normalize) for row in rows])
    # Unit rows are rounded once each, by about 1e-16 in length.
    allowed = 1e-12 * truth + normalize * 3e-15 * np.sqrt(truth)
    assert (np.abs(squared_distances_between(points, left, points, right) - truth) <= allowed).all()


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_do_not_depend_on_layout_or_block(kind):
    vectors = make_pool(kind, 50, 33, np.float64, np.random.default_rng(1))
    whole = squared_lengths(vectors)
    np.testing.assert_array_equal(whole, squared_lengths(np.asfortranarray(vectors)))
    np.testing.assert_array_equal(whole[7:9], squared_lengths(vectors[7:9]))
    np.testing.assert_allclose(whole, (vectors**2).sum(axis=1), rtol=1e-13)


def test_ties_within_rounding_go_to_the_first():
    assert first_of_the_farthest(np.array([1.0, 2.0 - 1e-13, 2.0, 2.0])) == 1
    assert first_of_the_farthest(np.array([1.0, 2.0 - 1e-11, 2.0, 2.0])) == 2
    assert first_of_the_farthest(np.array([-np.inf, 0.0, 0.0])) == 1


def test_scaled_copies_of_a_direction_are_one_unit_row():
    directions = np.random.default_rng(0).standard_normal((50, 33))
    points = points_of(np.concatenate([directions, directions * 3]), normalize=True)
    between = squared_distances_between(points, np.arange(50), points, np.arange(50, 100))
    assert (between == 0).all()
