"""Codes of rows and the marks that their products make, held to NumPy."""

import os
import subprocess
import sys
from itertools import combinations

import numba
import numpy as np
import pytest

from evenly.geometry.kernels.codes import MOST, codes_of, fill_codes, mixed
from evenly.geometry.kernels.int16_block import BLOCKS, LANES, ROWS
from evenly.geometry.kernels.marks import SHIFT, lowest_bit, mark_by_int8, mark_by_int16
from evenly.geometry.kernels.tiles import (
    TILE_ROWS,
    begin_tiles,
    end_tiles,
    mark_by_tiles,
    may_use_tiles,
)
from evenly.geometry.search.block_rounds import near_ones_together, nearest_first

KINDS = {8: np.int8, 16: np.int16}


def marking(mark):
    """The loop over all rows and blocks, compiled for one kind of marks."""

    @numba.njit
    def mark_all(left, right, starts, reaches, least, half, marks):
        for block in range(0, marks.shape[1], BLOCKS):
            for row in range(0, len(marks), ROWS):
                other = block + BLOCKS - 1
                mark(left, row, right, block, other, starts, reaches, least, half, row, marks)

    return mark_all


@numba.njit
def mark_all_by_tiles(left, right, starts, reaches, least, half, marks):
    """The same for tiles."""
    begin_tiles()
    for block in range(0, marks.shape[1], 2):
        for row in range(0, len(marks), TILE_ROWS):
            mark_by_tiles(left, row, right, block, starts, reaches, least, half, row, marks)
    end_tiles()


def random_codes(rng, rows, width, bits):
    largest = {8: 127, 16: 500}[bits]
    made = rng.integers(-largest, largest + 1, (rows, width))
    made[0], made[1] = -largest, largest  # the largest products
    return made.astype(KINDS[bits])


needs_tiles = pytest.mark.skipif(not may_use_tiles(), reason="this processor has no AMX")


@pytest.mark.parametrize(
    ("bits", "width", "tiles"),
    [
        *((bits, width, False) for bits in (8, 16) for width in (4, 36, 384)),
        *(pytest.param(8, width, True, marks=needs_tiles) for width in (64, 384)),
    ],
)
def test_a_pair_is_marked_if_it_is_near_enough_for_one_of_its_rows(bits, width, tiles):
    rng = np.random.default_rng(width)
    ones, others = (random_codes(rng, 96, width, bits) for _ in range(2))
    products = ones.astype(int) @ others.T.astype(int)
    if bits == 8 and not tiles:
        products += SHIFT * ones.astype(int).sum(axis=1)[:, None]
    starts, reaches = rng.integers(-20_000, 20_000, (2, 96)).astype(np.int32)
    sums = products + starts
    # Numbers that occur, so that "above" and "at least" differ.
    least, half = rng.choice(sums.ravel(), (2, 96)).astype(np.int32)
    half[5] = sums[5, 7] + reaches[7]
    marks = np.zeros((96, 6), np.uint16)

    left, right = (codes_of(codes, 0.0, tiles=tiles) for codes in (ones, others))
    if tiles:
        assert not left.shifts.any()
        mark_all_by_tiles(left.tiles, right.panels, starts, reaches, least, half, marks)
    else:
        mark_all = marking({8: mark_by_int8, 16: mark_by_int16}[bits])
        mark_all(left.panels, right.panels, starts, reaches, least, half, marks)

    expected = (sums > least[:, None]) | (sums + reaches > half[:, None])
    found = np.unpackbits(marks.view(np.uint8), axis=1, bitorder="little").astype(bool)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(found, expected)


def test_marks_are_the_same_in_registers_of_another_width(tmp_path):
    code = f"""
import llvmlite.binding, pytest
from importlib import reload
from evenly.geometry.kernels import int16_block, marks  # first, because numba reads the features
has = llvmlite.binding.get_host_cpu_features()
llvmlite.binding.get_host_cpu_features = lambda: {{"avx512bw": not has.get("avx512bw")}}
reload(int16_block)
reload(marks)
print(int16_block.LANES)
chosen = ["-q", "-p", "no:cacheprovider", "-k", "near_enough_for_one"]
raise SystemExit(pytest.main([{__file__!r}, *chosen]))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        # Keep code compiled for another processor out of the cache of this one.
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(ran.stdout.split()[0]) == {8: 16, 16: 8}[LANES]


@pytest.mark.parametrize("bit", [0, 1, 17, 63])
def test_the_lowest_bit_of_a_word(bit):
    @numba.njit
    def lowest(word):
        return lowest_bit(word)

    assert lowest(np.uint64((1 << bit) | (1 << 63))) == bit


@pytest.mark.parametrize("width", [7, 32, 96])
@pytest.mark.parametrize("bits", [8, 16])
def test_codes_move_rows_by_at_most_what_they_say(bits, width):
    rng = np.random.default_rng(bits)
    rows = (rng.standard_normal((200, 100)) * np.linspace(1, 0.01, 100)).astype(np.float32)
    rows[3, 0] = 50  # cut off
    rows[4:60:7] = rows[4] + np.float32(1e-4)
    levels, codes = np.float32(25), np.empty((200, width), KINDS[bits])

    off = np.sqrt(fill_codes(mixed(rows, width), levels, np.float32(MOST[bits]), codes))

    moved = codes / np.float64(levels)
    gaps = np.linalg.norm(rows[:, None, :width].astype(float) - rows[:, :width], axis=2)
    of_codes = np.linalg.norm(moved[:, None] - moved, axis=2)
    assert (of_codes <= gaps + 2 * off + 1e-4).all()
    assert np.abs(codes.astype(int)).max() <= MOST[bits]
    # Without the row that is cut off, codes are off by what rounding costs.
    rest = fill_codes(mixed(rows[4:], width), levels, np.float32(MOST[bits]), codes[4:])
    assert 0.2 < np.sqrt(rest) / (np.sqrt(width) / float(levels)) < 0.5


@pytest.mark.parametrize("count", [1, 2, 5, 12, 31])
def test_every_two_blocks_are_compared_once_and_near_ones_first(count):
    rng = np.random.default_rng(count)
    means = rng.standard_normal((count, 3))

    rounds = nearest_first(means)

    pairs = [pair for pairs in rounds for pair in pairs]
    assert sorted(pairs) == list(combinations(range(count), 2))
    for some in rounds:
        numbers = [number for pair in some for number in pair]
        assert len(set(numbers)) == len(numbers)
    if count > 1:
        gaps = np.linalg.norm(means[:, None] - means, axis=2)
        assert gaps[rounds[0][0]] == gaps[np.triu_indices(count, 1)].min()


def test_near_pivots_are_together():
    rng = np.random.default_rng(3)
    centres = 10 * rng.standard_normal((20, 5))
    kind = rng.permutation(np.repeat(np.arange(20), 4))
    pivots = (centres[kind] + 0.1 * rng.standard_normal((80, 5))).astype(np.float32)

    ordered = near_ones_together(pivots)

    assert sorted(map(tuple, ordered)) == sorted(map(tuple, pivots))
    nearest = np.linalg.norm(ordered[:, None] - centres, axis=2).argmin(axis=1)
    # No cluster is left and entered again.
    assert np.count_nonzero(np.diff(nearest)) == 19
