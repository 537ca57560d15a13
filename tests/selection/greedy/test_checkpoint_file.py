"""The checkpoint file itself: what is written, when, and that no damage to it goes unnoticed."""

from unittest import mock

import numpy as np
import pytest

from evenly import errors
from evenly.selection.greedy.checkpoint import Checkpoint, Saved, read_checkpoint
from evenly.selection.greedy.picks import Picks
from evenly.selection.results.run_key import RunKey


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def first(count):
    return Picks(np.arange(count), np.concatenate([[np.inf], np.ones(count - 1)]))


KEY = RunKey({"vectors": "sha256:0", "start": 3}, {"input": "x"})


def test_picks_are_written_at_once_and_then_about_every_ten_seconds(path):
    clock = Clock()
    begun = Checkpoint(path, Saved(KEY, first(1), None), clock=clock)

    held = []
    for count in range(2, 40):
        clock.now += 1.0
        begun.keep(first(count))
        held.append(len(read_checkpoint(path).picks))

    assert held[:9] == [1] * 9
    assert sorted(set(held)) == [1, 11, 21, 31]


def test_where_writing_is_slow_it_is_done_less_often(path):
    clock = Clock()

    class SlowDisk:
        def fsync(self, _):
            clock.now += 2.0

    with mock.patch("evenly.atomic.os.fsync", SlowDisk().fsync):
        begun = Checkpoint(path, Saved(KEY, first(1), None), clock=clock)
        began, written = clock.now, []
        for count in range(2, 300):
            clock.now += 1.0
            before = path.read_bytes()
            begun.keep(first(count))
            if path.read_bytes() != before:
                written.append(clock.now - began)

    # A write takes 4 s here: of the file, and of its folder. A twentieth of the time at most.
    assert 1 <= len(written) <= (clock.now - began) / 80


def test_what_is_written_is_read(path):
    picks = Picks(np.array([9, 0, 4]), np.array([np.inf, 0.1 + 0.2, 5e-324]))

    with Checkpoint(path, Saved(KEY, picks, 0.25)):
        pass
    saved = read_checkpoint(path)

    assert saved.key == KEY
    assert saved.coverage_radius == 0.25
    np.testing.assert_array_equal(saved.picks.rows, picks.rows)
    np.testing.assert_array_equal(saved.picks.radii, picks.radii)
    assert saved.picks.rows.dtype == np.int64
    assert read_checkpoint(path.with_name("nothing")) is None
    assert b"pickle" not in path.read_bytes()


def test_every_changed_or_missing_byte_is_noticed(path):
    Checkpoint(path, Saved(KEY, first(5), 0.25))
    whole = path.read_bytes()
    assert read_checkpoint(path) is not None

    damaged = [whole[:length] for length in range(len(whole))]
    damaged += [whole + b"x", b"", b"\n"]
    for place in range(len(whole)):
        for change in (1, 128):
            damaged.append(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])

    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(errors.CheckpointError, match="checkpoint"):
            read_checkpoint(path)
        assert path.read_bytes() == content
