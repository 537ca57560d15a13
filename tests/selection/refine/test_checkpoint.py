"""A refinement that was stopped goes on where it stopped, to the same rows."""

import json
import logging
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from evenly import Refine, errors, select_uniform
from evenly.selection.greedy.checkpoint import Checkpoint, read_checkpoint
from evenly.selection.refine import apply
from evenly.selection.refine.effort import SearchEffort
from evenly.selection.refine.portfolio import TabuPortfolio
from tests.support.interrupts import no_engine

ROWS = np.random.default_rng(2).normal(size=(500, 6))
BUDGET = 40


class Quick(Refine):
    """Refines with little work in many rounds, and finds a graph of larger reach on the way."""

    effort = SearchEffort(
        least_work=3_000, most_work=3_000, idle_work=30_000, all_pairs_rows=0, grouped_rows=100
    )


class Killed(BaseException):
    """What a signal that cannot be handled does to a test."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch):
    """Write every state, and not only every ten seconds."""
    monkeypatch.setattr(
        apply,
        "Checkpoint",
        lambda path, saved: Checkpoint(
            path, saved, clock=iter(range(10**6, 10**9, 10**5)).__next__
        ),
    )


def refined(path=None, budget=BUDGET, options=None, **rules):
    return select_uniform(
        ROWS, budget, refine=options or Quick(), checkpoint=path, progress=False, **rules
    )


def stopping(after, error):
    """Raise an error instead of round number `after` of the search, counted from 0."""
    run, rounds = TabuPortfolio.run, iter(range(10**9))

    def stop(self, *arguments):
        if next(rounds) == after:
            raise error
        return run(self, *arguments)

    return mock.patch.object(TabuPortfolio, "run", stop)


def rounds_of(path=None, **rules):
    """Return a refinement, and how many rounds it took."""
    run, count = TabuPortfolio.run, 0

    def counted(self, *arguments):
        nonlocal count
        count += 1
        return run(self, *arguments)

    with mock.patch.object(TabuPortfolio, "run", counted):
        return refined(path, **rules), count


def assert_same(found, expected):
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.radii, expected.radii)
    assert found.provenance.refined == expected.provenance.refined


@pytest.mark.parametrize(
    "rules", [{}, {"include": [3, 7], "groups": np.arange(500) % 3, "balance": "equal"}]
)
def test_a_refinement_that_is_killed_goes_on_to_the_same_rows(path, rules):
    expected, rounds = rounds_of(**rules)
    assert expected.h_min > select_uniform(ROWS, BUDGET, **rules).h_min
    assert rounds > 12

    for after in (0, 1, rounds // 3, rounds // 2, rounds - 1):
        path.unlink(missing_ok=True)
        with stopping(after, Killed()), pytest.raises(Killed):
            refined(path, **rules)
        found, others = rounds_of(path, **rules)
        assert_same(found, expected)
        assert after + others == rounds

    again, others = rounds_of(path, **rules)
    assert_same(again, expected)
    assert others == 0


def test_a_refinement_can_be_killed_again_and_again(path):
    expected = refined()

    for _ in range(4):
        with stopping(3, Killed()), pytest.raises(Killed):
            refined(path)

    assert_same(refined(path), expected)


def test_the_picks_are_not_made_again(path):
    with stopping(2, Killed()), pytest.raises(Killed):
        refined(path)
    with stopping(0, Killed()), pytest.raises(Killed), no_engine():
        refined(path)


def test_ctrl_c_returns_the_best_rows_and_says_how_to_go_on(path, caplog):
    expected = refined()

    with stopping(5, KeyboardInterrupt()), caplog.at_level(logging.WARNING):
        found = refined(path)

    assert found.provenance.refined["ended_by"] == "interrupt"
    assert f"continues it from {path}" in caplog.text
    assert_same(refined(path), expected)
    caplog.clear()
    with stopping(5, KeyboardInterrupt()):
        refined()
    assert "Name a checkpoint" in caplog.text


@pytest.mark.parametrize("other", [{"budget": 30}, {"options": Quick(seed=4)}])
def test_a_search_for_something_else_begins_anew(path, other):
    expected = refined(**other)
    with stopping(4, Killed()), pytest.raises(Killed):
        refined(path)

    assert_same(refined(path, **other), expected)


def test_a_selection_without_refinement_uses_the_same_file(path):
    refined(path)

    assert list(select_uniform(ROWS, BUDGET, checkpoint=path).indices) == list(
        select_uniform(ROWS, BUDGET).indices
    )


def change(path, document=None, **arrays):
    """Seal a checkpoint with another content, as someone who means harm could."""
    saved = read_checkpoint(path)
    kept, numbers = saved.refinement
    Checkpoint(
        path, replace(saved, refinement=({**kept, **(document or {})}, {**numbers, **arrays}))
    )


WRONG = {
    "a row that does not exist": lambda numbers: {"refine chosen": numbers["refine chosen"] + 500},
    "negative rows": lambda numbers: {"refine base": -1 - numbers["refine base"]},
    "a row twice": lambda numbers: {"refine base": numbers["refine base"] * 0},
    "too few rows": lambda numbers: {"refine chosen": numbers["refine chosen"][:-3]},
    "rows that are near": lambda _: {"refine chosen": np.arange(BUDGET)},
    "another base": lambda _: {"refine base": np.arange(BUDGET)},
    "other shapes": lambda numbers: {"refine tabu 0": np.zeros((2, 2), np.int64)},
    "other distances": lambda _: {"refine divided": np.array([np.nan])},
    "distances beyond the graph": lambda _: {"refine divided": np.array([1e9])},
    "objects": lambda _: {"refine until 0": np.array([1.5j])},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_damaged_refinement_is_refused(path, wrong):
    with stopping(6, Killed()), pytest.raises(Killed):
        refined(path)
    change(path, **WRONG[wrong](read_checkpoint(path).refinement[1]))
    before = path.read_bytes()

    with pytest.raises(errors.CheckpointError, match="damaged"):
        refined(path)

    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "document",
    [
        {"step": "x"},
        {"step": -1.0},
        {"moves": []},
        {"random": [0, 0, 0, 0]},
        {"failures": None},
        {"distance": 1e308},
        {"top": 1e-9},
        {"seconds": float("nan")},
    ],
    ids=json.dumps,
)
def test_a_damaged_document_is_refused(path, document):
    with stopping(6, Killed()), pytest.raises(Killed):
        refined(path)
    change(path, document)

    with pytest.raises(errors.CheckpointError, match="damaged"):
        refined(path)
