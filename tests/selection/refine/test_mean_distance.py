"""`refine` with `density_weight`: a smaller mean distance of all rows to the nearest chosen one."""

import logging

import numpy as np
import pytest

from evenly import Refine, Selection, select_uniform
from evenly.geometry import Points
from evenly.metrics.facility_location import greedy_picks, similarities
from evenly.selection.refine import mean_distance
from evenly.selection.refine.mean_distance import lower_mean_distance
from evenly.selection.rules.rules import Rules
from tests.support.command_line import succeed


def pool(rows=1500, seed=0):
    """Clusters of very different sizes, and some rows that nothing resembles."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, 8)) * 2
    shares = 1 / np.arange(1, 41)
    cluster = rng.choice(40, rows, p=shares / shares.sum())
    found = centres[cluster] + rng.standard_normal((rows, 8)) * rng.random((40, 1))[cluster]
    found[::97] *= 3
    return found


def distances_to(rows, chosen):
    return np.sqrt(((rows[:, None] - rows[chosen][None]) ** 2).sum(axis=-1)).min(axis=1)


def select(rows, budget=60, **options):
    return select_uniform(rows, budget, normalize=False, density_weight=1, **options)


def test_the_mean_distance_becomes_smaller_and_is_told():
    rows = pool()
    plain = select(rows)
    found = select(rows, refine=True)

    before = distances_to(rows, plain.indices).mean()
    mean = distances_to(rows, found.indices).mean()
    told = found.provenance.refined
    assert mean < 0.97 * before
    assert told["greedy_mean_distance"] == pytest.approx(before)
    assert told["mean_distance"] == pytest.approx(mean)
    assert told["rounds"] >= 2
    assert told["ended_by"] == "search"
    assert found.coverage_radius == pytest.approx(distances_to(rows, found.indices).max())
    assert len(set(found.indices.tolist())) == 60
    for pick in range(1, 60):
        gaps = np.linalg.norm(rows[found.indices[:pick]] - rows[found.indices[pick]], axis=1)
        assert found.radii[pick] == pytest.approx(gaps.min())


@pytest.mark.parametrize("seed", range(4))
def test_it_comes_within_two_percent_of_facility_location(seed):
    rows = pool(seed=seed)
    best = distances_to(rows, greedy_picks(similarities(rows), 60)).mean()

    assert distances_to(rows, select(rows, refine=True).indices).mean() < 1.02 * best


def test_each_round_lowers_the_mean(monkeypatch):
    monkeypatch.setattr(mean_distance, "_LEAST_FALL", 0.0)
    rows, means = pool(), []
    rng = np.random.default_rng(3)
    points = Points.of(rows, np.ones(len(rows)), np.ones(len(rows), bool), normalize=False)
    for budget in (2, 7, 150, 700):
        means.clear()
        found = lower_mean_distance(
            points,
            Rules.none(budget),
            rng.choice(len(rows), budget, replace=False),
            seconds=None,
            report=lambda step, mean, *_: means.append(mean),
        )
        assert found.rounds >= len(means) - 1 >= 2
        assert (np.diff(means) < 0).all()
        assert found.mean == pytest.approx(distances_to(rows, found.rows).mean())


def test_a_pick_leaves_a_cell_that_loses_little_for_one_that_gains_much():
    near, far = np.linspace(0, 1, 50)[:, None], np.linspace(100, 101, 50)[:, None]
    rows = np.concatenate([near, far, far + 20])
    points = Points.of(rows, np.ones(150), np.ones(150, bool), normalize=False)

    found = lower_mean_distance(points, Rules.none(3), np.array([0, 1, 60]), seconds=None)

    assert sorted(found.rows // 50) == [0, 1, 2]


@pytest.mark.parametrize("rows", [1, 3, 60])
def test_budgets_that_leave_nothing_to_choose_are_answered(rows):
    vectors = pool(60)
    found = select(vectors, rows, refine=True)

    assert len(set(found.indices.tolist())) == rows
    if rows == 1:
        sums = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1).sum(axis=0)
        assert found.indices.tolist() == [int(sums.argmin())]


def test_equal_rows_are_not_chosen_twice():
    rows = np.repeat(pool(50), 6, axis=0)
    found = select(rows, 40, refine=True)

    assert len(np.unique(rows[found.indices], axis=0)) == 40


def test_every_engine_moves_to_the_same_rows(tmp_path):
    rows = pool(400).astype(np.float32)
    expected = select(rows, 30, refine=True)
    distances = np.linalg.norm(rows[:, None].astype(float) - rows[None], axis=-1)
    np.save(tmp_path / "rows.npy", rows)
    for data, options in (
        (rows, {"engine": "memory"}),
        (rows, {"engine": "faiss"}),
        (rows, {"engine": "sharded"}),
        (tmp_path / "rows.npy", {"engine": "mapped"}),
        (distances, {"engine": "distances"}),
    ):
        found = select(data, 30, refine=True, **options)
        assert found.indices.tolist() == expected.indices.tolist(), options
        assert found.coverage_radius == pytest.approx(expected.coverage_radius)


def test_rules_are_kept():
    rows = pool(600)
    kinds = np.where(np.arange(600) % 5, "many", "few")
    excluded = np.arange(100, 200)
    found = select(
        rows,
        40,
        refine=True,
        include=[7, 9],
        exclude=excluded,
        groups=kinds,
        quotas={"few": 30, "many": 10},
    )

    assert found.indices[:2].tolist() == [7, 9]
    assert not np.isin(found.indices, excluded).any()
    assert (kinds[found.indices] == "few").sum() == 30
    told = found.provenance.refined
    assert told["mean_distance"] < told["greedy_mean_distance"]


def test_rows_near_what_is_kept_away_from_do_not_count():
    rows = pool(800)
    away = np.arange(0, 800, 20)
    found = select(rows, 40, refine=True, away_from=away)

    usable = np.setdiff1d(np.arange(800), away)
    both = distances_to(rows, np.concatenate([found.indices, away]))[usable]
    told = found.provenance.refined
    assert told["mean_distance"] == pytest.approx(both.mean())
    assert told["mean_distance"] < told["greedy_mean_distance"]
    assert not np.isin(found.indices, away).any()
    assert found.coverage_radius == pytest.approx(both.max())


def test_a_time_limit_and_an_interruption_keep_the_best_so_far(monkeypatch, caplog):
    rows = pool()
    limited = select(rows, refine=Refine(seconds=1e-9))
    assert limited.provenance.refined["ended_by"] == "time"
    assert limited.indices.tolist() == select(rows).indices.tolist()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mean_distance._Rounds, "moved", interrupted)
    with caplog.at_level(logging.WARNING, logger="evenly"):
        stopped = select(rows, refine=True)
    assert stopped.provenance.refined["ended_by"] == "interrupt"
    assert stopped.indices.tolist() == limited.indices.tolist()
    assert "best rows so far" in caplog.text


def test_a_weight_of_zero_is_refined_for_h_min():
    rows = np.random.default_rng(0).random((300, 3))
    found = select_uniform(rows, 20, normalize=False, density_weight=0, refine=True)

    assert found.provenance.refined["h_min"] == found.h_min


def test_the_result_is_saved_and_the_command_line_tells_it(tmp_path):
    np.save(tmp_path / "rows.npy", pool())
    options = ["--no-normalize", "--density-weight", "1", "--refine", "search"]
    options += ["-o", tmp_path / "chosen.npy"]
    told = succeed("select", tmp_path / "rows.npy", "-b", "60", *options).stdout

    expected = select(pool(), refine=True)
    saved = Selection.load(tmp_path / "chosen.manifest.json")
    assert saved.indices.tolist() == expected.indices.tolist()
    assert saved.provenance.refined == expected.provenance.refined
    assert "the mean distance of all rows to the nearest chosen one was" in told
    with pytest.raises(Exception, match="refined selection cannot be extended"):
        saved.extend(70, pool())


def test_no_pick_leaves_that_another_swap_relies_on():
    rows = pool(400)
    points = Points.of(rows, np.ones(400), np.ones(400, bool), normalize=False)
    moves = mean_distance._Rounds(points, Rules.none(120))
    for seed in range(20):
        picks = np.random.default_rng(seed).choice(400, 120, replace=False)
        state = moves.around(picks)
        members = moves._members(state)
        moves._look(state, members)
        swaps = list(moves._swaps(state, members))

        gone = [other for other, _, _ in swaps]
        needed = np.concatenate([relied_on[relied_on != other] for other, _, relied_on in swaps])
        assert len(set(gone)) == len(gone) > 5
        assert not np.isin(gone, needed).any()
