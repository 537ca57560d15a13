"""The engine on disk reads each row a few times, and not again if it was just read."""

import numpy as np
import pytest

from evenly import select_uniform
from evenly.engines.mapped import KeptRows, MappedEngine
from evenly.geometry import Points, row_lengths
from evenly.samples import open_samples
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks

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


@pytest.mark.parametrize("normalize", [True, False])
def test_only_rows_that_were_not_kept_are_read(tmp_path, normalize):
    stored = on_disk(tmp_path)
    points = points_of(stored, normalize)
    kept = KeptRows(500)
    for rows in (np.arange(0, 600, 2), np.arange(601, 1_000, 3), np.arange(5_000, 5_400)):
        kept.add(rows, ROWS[rows])  # there is no room for the last ones
    wanted = np.array([0, 3, 4, 598, 601, 604, 900, 5_000, 19_999])
    before = stored.bytes_read

    found = kept.take(points, wanted)

    np.testing.assert_array_equal(found.stored, ROWS[wanted])
    np.testing.assert_array_equal(found.exact(np.arange(9)), points.exact(wanted))
    assert found.eligible.all()
    read = stored.bytes_read - before
    # Rows 3, 900, 5,000 and 19,999 for `found`, and all nine for the expected rows.
    assert read == (4 + 9) * ROWS[0].nbytes
    assert len(kept.take(points, wanted)) == 9
