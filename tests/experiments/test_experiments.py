"""Every experiment, in its quick mode, end to end."""

import numpy as np
import pytest
from experiments.__main__ import NAMES, main
from experiments.arms import ARMS, WITH_QUALITY, Pool, spread_of
from experiments.dirty_pool import broken
from experiments.harness import Results
from experiments.texts import made_up

OWN = {
    "density_and_h_min": {"h_min", "bound"},
    "gradient_descent": {"steps_to_tenth", "smallest_eigenvalue", "h_min"},
    "approximation": {"mean_error", "largest_error", "coverage_radius"},
    "classification": {"accuracy", "worst_class", "mean_distance"},
    "finetuning": {"held_out_loss", "own_loss", "own_loss_before", "tokens"},
    "dirty_pool": {"broken_share", "accuracy"},
}


def a_pool(rows=120, normalize=True):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, 8)).astype(np.float32)
    if normalize:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Pool(vectors, rng.integers(5, 90, rows), rng.random(rows), normalize)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_writes_rows_and_resumes(name, tmp_path, capsys):
    main([name, "--quick", "--folder", str(tmp_path)])
    first = capsys.readouterr().out
    rows = Results(tmp_path / f"{name}.jsonl").rows()

    assert rows
    assert all(OWN[name] <= set(row) for row in rows)
    assert all(np.isfinite(row[field]) for row in rows for field in OWN[name])
    assert f"{len(rows)} runs, 0 of them done" in first

    main([name, "--quick", "--folder", str(tmp_path)])
    again = capsys.readouterr().out

    assert f"{len(rows)} runs, {len(rows)} of them done" in again
    assert again.splitlines()[1:] == first.splitlines()[1:]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", [*ARMS, *WITH_QUALITY])
def test_an_arm_returns_as_many_distinct_rows_as_are_wanted(name, normalize):
    arm = {**ARMS, **WITH_QUALITY}[name]

    found = arm(a_pool(normalize=normalize), 30, np.random.default_rng(1))

    assert len(set(found.tolist())) == len(found) == 30
    assert found.min() >= 0
    assert found.max() < 120


def test_facility_location_maximises_what_it_says():
    pool = a_pool(40)
    distances = pool.distances_to(np.arange(40)).astype(float)
    similarities = distances.max() - distances
    chosen: list[int] = []
    for _ in range(6):
        covered = similarities[chosen].max(axis=0, initial=0.0)
        gains = np.maximum(similarities, covered).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))

    found = ARMS["facility location"](pool, 6, np.random.default_rng(0))

    assert found.tolist() == chosen


def test_clumps_have_a_smaller_h_min_than_random_rows():
    pool = a_pool(400)
    h_min = {
        name: np.mean(
            [
                spread_of(pool, ARMS[name](pool, 40, np.random.default_rng(seed)))["h_min"]
                for seed in range(5)
            ]
        )
        for name in ("clumps of 20", "clumps of 2", "random", "farthest-first")
    }

    assert h_min["clumps of 2"] < h_min["random"] < h_min["farthest-first"]
    assert h_min["clumps of 20"] < h_min["random"]


def test_lengths_are_matched_to_those_of_farthest_first():
    pool = a_pool(400)
    pool.lengths[:] = 10
    far = ARMS["farthest-first"](pool, 30, np.random.default_rng(0))
    pool.lengths[far] = 1000

    found = ARMS["random, lengths matched"](pool, 30, np.random.default_rng(0))

    assert (pool.lengths[found] == 1000).mean() > 0.8


def test_the_share_of_rows_that_was_asked_for_is_broken():
    data = made_up(200, 1)

    dirty, is_broken = broken(data, 0.1, 0)

    changed = [one != other for one, other in zip(data.texts, dirty.texts, strict=True)]
    assert is_broken.sum() == 20
    assert not any(np.array(changed) & ~is_broken)
    assert np.mean(np.array(changed)[is_broken]) > 0.9


def test_random_rows_are_broken_as_often_as_the_pool(tmp_path, capsys):
    main(["dirty_pool", "--quick", "--folder", str(tmp_path)])
    rows = Results(tmp_path / "dirty_pool.jsonl").rows()

    # A tenth of the pool is broken; a generator shared with what breaks it would find all of them.
    assert max(row["broken_share"] for row in rows if row["arm"] == "random") < 0.35
