"""The soak in a small form: a sample of its kills, and the faults that it would find."""

import os

import pytest
from benchmarks import soak

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
OF_STATE = [command for command in soak.COMMANDS if "--state" in command.name]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", "cache")  # set again by the soak


def test_a_sample_of_kills_leaves_the_same_files():
    counts = soak.soak(soak.COMMANDS, len(soak.COMMANDS), moments=0)

    assert [fault for count in counts.values() for fault in count.faults] == []
    assert [count.identical for count in counts.values()] == [1] * len(soak.COMMANDS)
    assert min(count.points for count in counts.values()) >= 6
    assert soak.table(counts).count("1 of 1") == len(soak.COMMANDS)


@pytest.fixture
def at_the_end(monkeypatch):
    """Send SIGKILL when all is written but the last folder is not synced yet."""

    def one_kill(points, *_):
        yield soak.Kill(soak.signal.SIGKILL, points)

    monkeypatch.setattr(soak, "_kills", one_kill)


def test_rows_that_are_taken_in_twice_are_found(monkeypatch, at_the_end):
    monkeypatch.setattr(
        "evenly.selection.streaming.uniform_stream.UniformStream.last_arrival",
        property(lambda _: None, lambda *_: None),
    )

    [_, forced] = soak.soak(tuple(OF_STATE), None).values()

    assert "other content: ['stream.state']" in forced.faults[0]


def test_temporary_files_that_stay_are_found(monkeypatch):
    def first_kill(*_):
        yield soak.Kill(soak.signal.SIGKILL, 5)

    monkeypatch.setattr(soak, "_kills", first_kill)
    monkeypatch.setattr("evenly.atomic._remove_abandoned", lambda _: None)

    [count] = soak.soak((soak.COMMANDS[0],), None).values()

    assert "left ['.vectors2.npy." in count.faults[0]
