"""The engine on disk reads each row a few times, and not again if it was just read."""

from dataclasses import replace

import numpy as np
import pytest

from evenly import select_uniform
from evenly.engines.kept_rows import KeptRows
from evenly.engines.mapped import MappedEngine
from evenly.geometry import (
    Cover,
    Points,
    RowSums,
    farthest_rows,
    first_of_the_farthest,
    row_lengths,
)
from evenly.options import InputOptions, RuleOptions, UniformOptions
from evenly.samples import open_samples
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.run import near_picks
from evenly.selection.uniform import prepare_uniform, select_prepared

ROWS = np.random.default_rng(3).normal(size=(20_000, 24)).astype(np.float32)


def on_disk(folder):
    np.save(folder / "rows.npy", ROWS)
    return open_samples(str(folder / "rows.npy")).stored


def points_of(stored, normalize=True):
    eligible = np.ones(len(ROWS), bool)
    return Points.of(stored, row_lengths(ROWS), eligible, normalize=normalize)


def test_the_file_is_read_once_each_time_that_memory_is_filled(tmp_path):
    stored = on_disk(tmp_path)
    engine = MappedEngine(points_of(stored), 600, 1e9, rows_in_memory=2_500)

    picks, radius = farthest_first(engine, 600, Picks.first(7))

    # A sample of rows each time, and a few rows that the sample did not foresee.
    assert 2 <= engine.fills <= 12
    assert stored.bytes_read < 1.5 * engine.fills * ROWS.nbytes
    expected = select_uniform(ROWS, 600, start=7)
    np.testing.assert_array_equal(picks.rows, expected.indices)
    assert radius == pytest.approx(expected.coverage_radius)


def test_the_file_is_not_read_once_more_to_find_the_first_pick(tmp_path):
    on_disk(tmp_path)
    first = int(select_uniform(ROWS, 1).indices[0])
    passes = {}
    for start in ("farthest-from-mean", "medoid", first):
        arguments = {"engine": "mapped", "memory": "9MB", "start": start}
        inputs, how = InputOptions.of(arguments), UniformOptions.of(arguments)
        rules = RuleOptions.of({"budget": 50})
        prepared = prepare_uniform(str(tmp_path / "rows.npy"), inputs, rules, how)

        chosen = select_prepared(prepared, rules, how)

        expected = select_uniform(ROWS, 50, start=start)
        np.testing.assert_array_equal(chosen.indices, expected.indices)
        stored = prepared.points.stored
        passes[start] = stored.bytes_read / stored.nbytes
    assert passes["farthest-from-mean"] < passes[first] + 0.1
    assert passes["medoid"] > passes[first] + 0.7


def test_its_bounds_tell_the_farthest_row_without_reading_all(tmp_path):
    stored = on_disk(tmp_path)
    points = points_of(stored)
    engine = MappedEngine(points, 300, 1e9, rows_in_memory=2_500)
    picks, radius = farthest_first(engine, 300, Picks.first(7))

    bounds = near_picks(engine, picks).at_most
    before = stored.bytes_read
    found = farthest_rows(points, [Cover(picks.rows, at_most=bounds)])

    assert stored.bytes_read - before < 0.3 * stored.nbytes
    assert found == farthest_rows(points, [Cover(picks.rows)])
    assert np.sqrt(found[0][1]) == pytest.approx(radius)


@pytest.mark.parametrize("known", ["right", "wrong", "excluded", "nothing"])
def test_distances_to_the_mean_and_picks_do_not_depend_on_the_row_that_seemed_farthest(
    tmp_path, known
):
    points = points_of(on_disk(tmp_path))
    points.eligible[[5, 6_000]] = False
    squared = points.squared_distances_to_mean()
    first = first_of_the_farthest(squared)
    far = {"right": [3, first], "wrong": [3, 4], "excluded": [5], "nothing": []}[known]
    sums = RowSums(-1, points.eligible, np.zeros((0, 0)), np.array(far, np.int64))
    engine = MappedEngine(replace(points, row_sums=sums), 300, 1e9, rows_in_memory=2_500)

    np.testing.assert_array_equal(engine.squared_distances_to_mean(), squared)

    before = engine.fills
    assert before == (1 if known in ("right", "wrong") else 0)
    picks, _ = farthest_first(engine, 300, Picks.first(first))
    expected = select_uniform(ROWS, 300, exclude=[5, 6_000], start=first)
    np.testing.assert_array_equal(picks.rows, expected.indices)
    np.testing.assert_array_equal(picks.radii, expected.radii)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1)])
def test_only_rows_that_were_not_kept_are_read(tmp_path, normalize, order):
    stored = on_disk(tmp_path)
    points = points_of(stored, normalize)
    kept = KeptRows(points, 500)
    tiles = [np.arange(0, 600, 2), np.empty(0, int), np.arange(601, 1_000, 3)]
    tiles.append(np.arange(5_000, 5_400))
    for tile in order:
        kept.add(tile, tiles[tile], ROWS[tiles[tile]])  # there is no room for the last ones
    wanted = np.array([0, 3, 4, 598, 601, 604, 900, 5_000, 5_067, 19_999])
    before = stored.bytes_read

    found = kept.take(wanted)

    np.testing.assert_array_equal(found.stored, ROWS[wanted])
    np.testing.assert_array_equal(found.exact(np.arange(10)), points.exact(wanted))
    assert found.eligible.all()
    read = stored.bytes_read - before
    # Rows 3, 900, 5,067 and 19,999 for `found`, and all ten for the expected rows.
    assert read == (4 + 10) * ROWS[0].nbytes


def test_kept_rows_are_moved_both_ways_without_being_lost(tmp_path):
    points = points_of(on_disk(tmp_path))
    kept = KeptRows(points, 12_000)
    kept.add(0, np.arange(3, 12_003), ROWS[3:12_003])
    # Rows before the kept ones move them away from the beginning, gaps move them towards it.
    wanted = np.concatenate([np.arange(0, 4_500), np.arange(4_600, 9_000, 2), [19_998]])

    np.testing.assert_array_equal(kept.take(wanted).stored, ROWS[wanted])
