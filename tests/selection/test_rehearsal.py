"""A short selection among a few rows tells how fast a machine is."""

import numpy as np
import pytest

from evenly import estimate
from evenly.samples import open_samples
from evenly.selection.rehearsal import Rehearsal, rehearse, some_rows

ROWS = np.random.default_rng(0).normal(size=(20_000, 8)).astype(np.float32)


def stored(folder, array):
    np.save(folder / "rows.npy", array)
    return open_samples(str(folder / "rows.npy")).stored


def numbers_of(rows, all_rows):
    """The row numbers of distinct rows."""
    number = {row.tobytes(): place for place, row in enumerate(all_rows)}
    return np.array([number[row.tobytes()] for row in rows])


def test_a_few_rows_come_from_all_parts_of_a_pool(tmp_path):
    on_disk = stored(tmp_path, ROWS)
    for pool in (ROWS, on_disk):
        numbers = numbers_of(some_rows(pool), ROWS)
        assert len(numbers) == len(set(numbers.tolist())) == 8192
        assert numbers[0] == 0
        assert numbers[-1] == 19_999
        assert np.histogram(numbers, 10, (0, 20_000))[0].min() > 400
    assert on_disk.bytes_read == 8192 * ROWS[0].nbytes


def test_fewer_rows_are_taken_of_long_vectors_and_all_of_a_small_pool():
    wide = np.broadcast_to(np.float32(1), (10**8, 4000))
    assert 500 <= len(some_rows(wide)) <= 1000
    np.testing.assert_array_equal(some_rows(ROWS[:700]), ROWS[:700])


def test_rows_that_are_scattered_in_a_file_are_taken_from_its_beginning(tmp_path):
    taken = some_rows(stored(tmp_path, np.asfortranarray(ROWS)))
    np.testing.assert_array_equal(taken, ROWS[:8192])


def test_whole_numbers_become_floats():
    assert some_rows(np.arange(12).reshape(4, 3)).dtype == np.float32


def test_the_same_share_is_chosen_of_the_rows_that_are_usable():
    rows = ROWS[:2000].copy()
    rows[:100] = 0
    rows[100] = np.nan

    found = rehearse(rows, 0.5, normalize=True, whole=False)

    assert (found.rows, found.budget) == (1899, 950)
    assert found.seconds > 0
    assert found.start_seconds >= 0
    assert rehearse(rows, 1e-6, normalize=True, whole=False).budget == 256
    assert rehearse(rows, 1e-6, normalize=True, whole=True).budget == 1


@pytest.mark.parametrize(("rows", "whole"), [(ROWS[:100], False), (np.zeros((900, 3)), True)])
def test_too_few_usable_rows_tell_nothing(rows, whole):
    assert rehearse(rows, 0.5, normalize=True, whole=whole) is None


def test_a_pool_of_one_row_is_rehearsed():
    assert rehearse(ROWS[:1], 1.0, normalize=True, whole=True).rows == 1


def test_estimates_follow_the_rehearsal(monkeypatch):
    monkeypatch.setattr("evenly.selection.trial._seconds_per_multiplication", lambda: 1e-11)

    def seconds(taken, start):
        found = None if taken is None else Rehearsal(8192, 819, taken, start, as_they_are=False)
        monkeypatch.setattr("evenly.selection.trial.rehearse", lambda *_, **__: found)
        return estimate(ROWS, 2000).selection_seconds

    assert seconds(0.4, 0.0) == pytest.approx(4 * seconds(0.1, 0.0))
    assert seconds(0.1, 3.0) == pytest.approx(3 + seconds(0.1, 0.0))
    # A rehearsal that takes as long as the model says changes nothing.
    slowness = seconds(0.1, 0.0) / seconds(None, 0.0)
    assert seconds(0.1 / slowness, 0.0) == pytest.approx(seconds(None, 0.0))


def test_rows_that_are_their_own_proxies_take_less_memory(tmp_path):
    unit = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    np.save(tmp_path / "unit.npy", unit)
    np.save(tmp_path / "long.npy", unit * 5)

    own, others = (estimate(tmp_path / name, 100).memory for name in ("unit.npy", "long.npy"))

    assert others - own == unit.nbytes


def test_a_short_selection_is_timed_several_times_and_their_mean_counts(monkeypatch):
    times = iter([0.05, 0.01, 0.1, 0.14, 0.12])  # the first two load what is compiled
    monkeypatch.setattr("evenly.selection.rehearsal._choose", lambda *_: next(times))

    found = rehearse(ROWS[:2000], 0.5, normalize=True, whole=False)

    assert found.seconds == pytest.approx(0.12)
    assert found.start_seconds == pytest.approx(0.04)
