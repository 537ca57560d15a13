"""`estimate`: which engine, how much memory and how many seconds, before anything runs."""

import tracemalloc

import numpy as np
import pytest

from evenly import errors, estimate, select_uniform
from evenly.memory import resident_memory
from tests.support.encoders import TopicEncoder, texts_of


def vectors_without_memory(rows, dimension):
    """Vectors that take no memory: all are views of a single number."""
    return np.broadcast_to(np.float32(1), (rows, dimension))


def test_vectors_in_a_file_are_estimated_from_a_few(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((5000, 32), np.float16))

    found = estimate(tmp_path / "vectors.npy", 0.1)

    assert (found.engine, found.rows, found.dimension, found.budget) == ("memory", 5000, 32, 500)
    assert found.embedding_seconds == 0
    assert found.seconds == found.selection_seconds > 0
    vectors, proxies = 5000 * 32 * 2, 5000 * 32 * 4
    assert vectors + proxies < found.memory < 2 * (vectors + proxies)


def test_texts_are_estimated_from_a_sample():
    encoder = TopicEncoder()

    found = estimate(texts_of(700), 10, encoder=encoder)

    assert (found.rows, found.budget) == (700, 10)
    assert len(encoder.seen) < 200
    assert found.embedding_seconds > 0
    assert (found.disk, found.disk_folder) == (0, None)
    assert found.as_dict()["seconds"] == found.seconds


def test_more_rows_and_a_larger_budget_cost_more(monkeypatch):
    # The model alone: what a rehearsal takes depends on what else the machine does.
    monkeypatch.setattr("evenly.selection.trial.rehearse", lambda *_, **__: None)
    monkeypatch.setattr("evenly.selection.trial._seconds_per_multiplication", lambda: 1e-11)

    def seconds(rows, budget):
        return estimate(vectors_without_memory(rows, 384), budget).selection_seconds

    assert seconds(200_000, 20_000) > 3 * seconds(50_000, 5_000)
    assert seconds(50_000, 25_000) > seconds(50_000, 5_000)


def test_files_larger_than_the_memory_limit_stay_on_disk_and_respect_it(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((20_000, 400), np.float32))

    found = estimate(tmp_path / "vectors.npy", 100, memory="25MB")

    assert (found.engine, found.memory) == ("mapped", 25_000_000)


def test_texts_whose_vectors_do_not_fit_go_to_a_file_that_is_named(tmp_path):
    texts, encoder = texts_of(12) * 200, TopicEncoder()

    found = estimate(texts, 100, encoder=encoder, memory="1MB", cache_dir=tmp_path)

    assert found.engine == "mapped"
    assert found.disk == 2400 * found.dimension * 4
    assert found.disk_folder == str(tmp_path / "scratch")
    assert found.memory <= 1_000_000


def test_a_selection_that_cannot_fit_is_rejected_with_advice():
    with pytest.raises(errors.OptionError, match=r'need \d+\.\d GB .* are free.*engine="mapped"'):
        estimate(vectors_without_memory(10**9, 4000), 10)


def test_invalid_arguments_are_rejected_as_by_select_uniform():
    with pytest.raises(errors.BudgetError):
        estimate(np.ones((5, 2)), 6)
    with pytest.raises(errors.OptionError, match="engine must be one of"):
        estimate(np.ones((5, 2)), 2, engine="quantum")
    with pytest.raises(errors.EmptyPoolError):
        estimate([], 2)


def test_the_estimated_memory_is_what_the_arrays_take():
    vectors = np.random.default_rng(0).standard_normal((60_000, 96)).astype(np.float32)

    found = estimate(vectors, 3000)

    select_uniform(vectors, 3000, start=0)  # load and compile, which must not be measured
    tracemalloc.start()
    select_uniform(vectors, 3000, start=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.memory == pytest.approx(vectors.nbytes + peak, rel=0.2)


def test_the_peak_of_the_whole_process_includes_what_it_has_already(tmp_path):
    vectors = np.ones((50_000, 200), np.float32)
    np.save(tmp_path / "vectors.npy", vectors)

    estimate(vectors, 100)  # loads compiled loops, which stay in the process
    in_memory, of_file = (estimate(data, 100) for data in (vectors, tmp_path / "vectors.npy"))
    limited = estimate(tmp_path / "vectors.npy", 100, memory="30MB")

    # Vectors that are passed are in the process already.
    assert in_memory.peak_memory == pytest.approx(of_file.peak_memory - vectors.nbytes, abs=5e6)
    assert of_file.peak_memory > resident_memory() + of_file.memory
    assert limited.peak_memory < of_file.peak_memory


def test_a_limit_that_is_too_little_is_an_error_as_in_a_selection(tmp_path):
    np.save(tmp_path / "vectors.npy", np.ones((20_000, 400), np.float32))

    with pytest.raises(errors.OptionError, match="and a budget of 9,000: at least 79MB are needed"):
        estimate(tmp_path / "vectors.npy", 9000, memory="25MB")


def test_what_reading_a_sample_takes_is_not_what_reading_all_takes(monkeypatch):
    # Rows of parquet files that are far apart take much longer to read than all in order.
    clock = iter(range(10**6))
    monkeypatch.setattr("evenly.selection.trial.perf_counter", lambda: float(next(clock)))

    found = estimate(texts_of(12) * 200, 100, encoder=TopicEncoder(), memory="1MB")

    # Each step takes a second: 64 texts are embedded.
    assert found.embedding_seconds == 2400 / 64
