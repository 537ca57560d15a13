"""How far a selection has come: the time left, and what the bar says of it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.progress import TimeLeft, progress_bar


def picks_of(count):
    return Picks(np.arange(count), 1 / np.arange(1, count + 1))


def told_after(budget, ends, seconds_until):
    """What is told after each round, of rounds that end at `ends` picks."""
    left = TimeLeft(budget)
    told = []
    for picks in ends:
        left.note(picks, seconds_until(picks))
        told.append(left.seconds())
    return told


@given(
    budget=st.integers(40, 10**7),
    a=st.just(0.0) | st.floats(1e-6, 10),
    b=st.just(0.0) | st.floats(1e-9, 1e-3),
    begun=st.floats(0, 0.8),
    at=st.floats(-1e3, 1e3),
    data=st.data(),
)
def test_it_is_exact_for_work_that_grows_as_modelled(budget, a, b, begun, at, data):
    start = int(begun * budget) + 1
    ends = st.lists(st.integers(start, budget), min_size=5, max_size=30, unique=True)
    ends = sorted(data.draw(ends))

    def seconds_until(picks):
        return at + a * picks + b * picks**2

    told = told_after(budget, ends, seconds_until)

    for picks, seconds in zip(ends, told, strict=True):
        if seconds is not None:
            expected = seconds_until(budget) - seconds_until(picks)
            scale = abs(at) + seconds_until(budget) - at
            assert seconds == pytest.approx(expected, rel=1e-3, abs=1e-7 * scale)
    assert told[:3] == [None] * 3
    if ends[-1] - ends[0] >= 0.05 * (budget - ends[0]):
        assert told[-1] is not None


def test_picks_that_get_slower_take_longer_than_their_share():
    told = told_after(1000, range(10, 501, 10), lambda picks: picks**2)

    # At half of the picks three quarters of the time are left, not half.
    assert told[-1] == pytest.approx(3 * 500**2)


def test_picks_that_get_faster_are_not_expected_to_become_free():
    told = told_after(1000, range(10, 1001, 10), lambda picks: np.sqrt(picks))

    assert all(seconds > 0 for seconds in told[5:-1])
    assert told[-1] == 0


def test_rounds_that_come_late_count_for_more():
    def at_first_slow(picks):
        return 10.0 * min(picks, 100) + picks

    told = told_after(1000, range(10, 501, 10), at_first_slow)

    assert 500 <= told[-1] < 900  # the truth is 500; by the average of all picks, 1500


def test_a_round_counts_by_its_picks():
    """One of a single pick that took 50 s longer, among rounds of 100 s."""

    def once_slow(picks):
        return picks + 50.0 * (picks > 300)

    told = told_after(1000, [100, 200, 300, 301, 400, 500], once_slow)

    assert 500 <= told[-1] < 1000  # by the average of the rounds, 5500


def test_picks_are_not_expected_to_get_slower_than_in_proportion():
    """However steep the line: early rounds would promise any number of hours."""
    told = told_after(1000, range(10, 501, 10), lambda picks: picks**3)

    per_pick = 3 * 500**2
    assert told[-1] < 500 * per_pick * (1 + 2) / 2


def test_nothing_is_told_of_too_little():
    few_rounds = told_after(1000, [10, 400, 800, 900], float)
    few_picks = told_after(1000, [10, 20, 30, 40, 50, 59, 60], float)
    no_rounds = TimeLeft(10)

    assert [seconds is None for seconds in few_rounds] == [True, True, True, False]
    assert [seconds is None for seconds in few_picks] == [True] * 6 + [False]
    assert no_rounds.seconds() is None


def test_what_came_before_the_first_round_does_not_count():
    """Starting up, and picks that were taken over, say nothing about the picks to come."""
    told = told_after(1000, range(600, 701, 10), lambda picks: 1e6 + picks)

    assert told[-1] == pytest.approx(300)


def test_a_round_without_picks_or_without_time_is_no_trouble():
    told = told_after(100, [10, 20, 20, 30, 40, 50], lambda picks: 5.0)

    assert told[-1] == 0


def drawn(budget, rounds, *, begun=1, shown=True):
    """All that is written for rounds of (picks so far, time by the clock)."""
    now = [0.0]
    stream = io.StringIO()
    with progress_bar(
        budget, begun, shown, clock=lambda: now[0], file=stream, mininterval=0, ncols=120
    ) as show:
        for picks, now[0] in rounds:
            show(picks_of(picks))
    return [line for line in stream.getvalue().replace("\n", "\r").split("\r") if line.strip()]


def test_the_bar_tells_picks_radius_and_time_left():
    lines = drawn(1000, [(picks, picks**2 / 1000) for picks in range(50, 1001, 50)])

    # 750 s are left by the model; tqdm's own estimate would be 250 s.
    [half] = [line for line in lines if " 500/1000 " in line]
    assert half.startswith("selecting:  50%|")
    assert half.endswith("radius 0.002, about 12:30 left]")
    assert "left" not in lines[2]
    assert lines[-1].endswith("radius 0.001]")
    assert "1000/1000" in lines[-1]


def test_every_round_is_drawn_however_slow_they_become():
    rounds = [(picks, 0.0) for picks in (500, 900, 950, 951, 952, 953)]

    lines = drawn(1000, rounds)

    for picks, _ in rounds:
        assert any(f" {picks}/1000 " in line for line in lines)


def test_the_bar_of_a_selection_that_was_begun_begins_there():
    lines = drawn(1000, [(950, 1.0)], begun=900)

    assert " 900/1000 " in lines[0]
    assert " 950/1000 " in lines[-1]


@pytest.mark.parametrize("shown", [False, None])
def test_there_is_no_bar_where_none_is_wanted_or_none_can_be_seen(shown):
    assert drawn(10, [(5, 1.0), (10, 2.0)], shown=shown) == []
