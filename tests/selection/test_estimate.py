"""`estimate`: which engine, how much memory and time, before anything runs."""

import tracemalloc

import numpy as np
import pytest

from evenly import errors, estimate, select_uniform
from evenly.selection import estimate as forecast
from tests.support.encoders import TopicEncoder


def test_vectors_are_estimated_without_being_read(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((5000, 32), np.float16))
    told = estimate(tmp_path / "vectors.npy", 0.1)
    assert (told.engine, told.rows, told.dimension, told.budget) == ("memory", 5000, 32, 500)
    assert told.embedding_seconds == 0
    assert told.seconds == told.selection_seconds > 0
    vectors, proxies = 5000 * 32 * 2, 5000 * 32 * 4
    assert vectors + proxies < told.memory < 2 * (vectors + proxies)


def test_texts_are_estimated_from_a_sample():
    told = estimate([f"text {n}" for n in range(1000)], 10, encoder=TopicEncoder())
    assert (told.rows, told.budget) == (1000, 10)
    assert told.embedding_seconds > 0
    assert told.as_dict()["seconds"] == told.seconds


def test_more_rows_and_a_larger_budget_cost_more(tmp_path):
    def seconds(rows, budget):
        return forecast._selection_seconds(rows, 384, 4, budget)

    assert seconds(200_000, 20_000) > 3 * seconds(50_000, 5_000)
    assert seconds(50_000, 25_000) > seconds(50_000, 5_000)


def test_files_larger_than_the_memory_stay_on_disk_and_keep_to_it(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((20_000, 400), np.float32))
    told = estimate(tmp_path / "vectors.npy", 100, memory="25MB")
    assert (told.engine, told.memory) == ("mapped", 25_000_000)


def test_a_job_that_cannot_fit_is_refused_with_advice(monkeypatch):
    monkeypatch.setattr(forecast, "free_memory", lambda: 1e6)
    with pytest.raises(errors.OptionError, match=r'0\.0 GB are free.*engine="mapped"'):
        estimate(np.ones((5000, 64)), 10)


def test_wrong_use_is_refused_as_by_select_uniform():
    with pytest.raises(errors.BudgetError):
        estimate(np.ones((5, 2)), 6)
    with pytest.raises(errors.OptionError, match="engine must be one of"):
        estimate(np.ones((5, 2)), 2, engine="quantum")
    with pytest.raises(errors.EmptyPoolError):
        estimate([], 2)


def test_the_memory_that_is_told_is_what_the_arrays_take():
    vectors = np.random.default_rng(0).standard_normal((60_000, 96)).astype(np.float32)
    told = estimate(vectors, 3000)
    select_uniform(vectors, 3000, start=0)  # what is loaded and compiled once does not count
    tracemalloc.start()
    select_uniform(vectors, 3000, start=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told.memory == pytest.approx(vectors.nbytes + peak, rel=0.2)
