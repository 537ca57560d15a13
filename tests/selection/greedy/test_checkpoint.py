"""Checkpoints: an interrupted selection continues to the same answer, or says why it cannot."""

import errno
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import errors, select_uniform
from evenly.selection.greedy.checkpoint import Checkpoint, Saved, read_checkpoint
from evenly.selection.greedy.picks import Picks
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.interrupts import (
    bar_that_stops,
    before_engine,
    engine_that_stops,
    no_engine,
    rounds_of,
)
from tests.support.pools import pools

NORMAL = np.random.default_rng(0).normal(size=(60, 5))
TEXTS = texts_of(40)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.checkpoint"


def select(data, budget, **options):
    """Select without the warning that there are fewer distinct rows than the budget."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.DuplicateRowsWarning)
        return select_uniform(data, budget, **options)


def interrupt(data, budget, *, rounds=2, size=3, error=KeyboardInterrupt, **options):
    with (
        rounds_of(size, stop_after=rounds, error=error),
        pytest.raises(error if isinstance(error, type) else type(error)),
    ):
        select(data, budget, **options)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.radii, expected.radii, rtol=1e-12)
    assert found.coverage_radius == pytest.approx(expected.coverage_radius, rel=1e-9, abs=1e-13)
    ignored = {"created", "seconds", "taken_over"}
    now, then = found.provenance.as_dict(), expected.provenance.as_dict()
    for name in set(then) - ignored:
        assert now[name] == then[name], name


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_interrupted_as_often_as_you_like_the_same_rows_come_out(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    options = {
        "normalize": normalize,
        "start": data.draw(st.sampled_from(["farthest-from-mean", "medoid", "random", 0])),
        "seed": data.draw(st.integers(0, 3)),
    }
    stops = data.draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), max_size=5))
    expected = select(vectors, budget, **options)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        for size, after in stops:
            try:
                with rounds_of(size, stop_after=after):
                    select(vectors, budget, checkpoint=path, **options)
            except KeyboardInterrupt:
                assert path.exists()
        found = select(vectors, budget, checkpoint=path, **options)
        again = read_checkpoint(path)

    assert_same(found, expected)
    np.testing.assert_array_equal(again.picks.rows, expected.indices)


@pytest.mark.parametrize("stopping", [engine_that_stops, bar_that_stops])
def test_real_rounds_continue_to_the_same_rows(path, stopping):
    vectors = np.random.default_rng(1).normal(size=(4000, 4)).astype(np.float32)
    vectors[::7] = vectors[3]  # more rows than are distinct: the end is all ties
    expected = select(vectors, 3600)
    held = []

    for after in (1, 0, 2, 1, 0):
        with stopping(after), pytest.raises(KeyboardInterrupt):
            select(vectors, 3600, checkpoint=path)
        held.append(len(read_checkpoint(path).picks))
    found = select(vectors, 3600, checkpoint=path)

    assert_same(found, expected)
    assert held == sorted(held)
    assert 1 < held[0] < held[-1] < 3600
    assert found.provenance.taken_over == held[-1]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, MemoryError("no more"), SystemExit(1), errors.DataError("x")]
)
def test_whatever_ends_it_the_last_whole_round_is_kept(path, error):
    interrupt(NORMAL, 30, checkpoint=path, rounds=4, size=3, error=error)

    saved = read_checkpoint(path)

    expected = select_uniform(NORMAL, 13)
    np.testing.assert_array_equal(saved.picks.rows, expected.indices)
    np.testing.assert_array_equal(saved.picks.radii, expected.radii)
    assert saved.coverage_radius is None


def test_a_round_is_kept_before_it_is_shown(path):
    with rounds_of(3), bar_that_stops(2), pytest.raises(KeyboardInterrupt):
        select_uniform(NORMAL, 30, checkpoint=path)

    assert len(read_checkpoint(path).picks) == 1 + 3 * 3


def test_an_input_that_changes_meanwhile_is_noticed(path, tmp_path):
    train = tmp_path / "train.npy"
    np.save(train, NORMAL)

    def change_it(_):
        np.save(tmp_path / "other.npy", NORMAL[:50])
        (tmp_path / "other.npy").replace(train)

    changed = pytest.raises(errors.DataError, match="changed after it was opened")
    with before_engine(change_it), changed:
        select_uniform(train, 30, checkpoint=path)


def test_before_the_first_round_the_first_pick_is_kept_already(path):
    interrupt(NORMAL, 30, checkpoint=path, rounds=0)

    assert read_checkpoint(path).picks.rows.tolist() == [select_uniform(NORMAL, 1).indices[0]]


def test_without_a_checkpoint_nothing_is_written(tmp_path):
    interrupt(NORMAL, 30)
    found = select_uniform(NORMAL, 30)

    assert list(tmp_path.iterdir()) == []
    assert found.provenance.taken_over == 0


def test_a_finished_selection_is_not_done_again(path):
    expected = select_uniform(NORMAL, 20, checkpoint=path)
    before = path.read_bytes()
    assert expected.provenance.taken_over == 0

    with no_engine():
        again = select_uniform(NORMAL, 20, checkpoint=path)
        smaller = select_uniform(NORMAL, 0.2, checkpoint=path)

    assert_same(again, expected)
    assert again.provenance.taken_over == 20
    assert smaller.provenance.taken_over == 12
    assert_same(smaller, select_uniform(NORMAL, 0.2))
    assert path.read_bytes() == before


def test_a_larger_budget_goes_on_and_a_smaller_one_keeps_what_there_is(path):
    interrupt(NORMAL, 30, checkpoint=path, rounds=5)
    held = len(read_checkpoint(path).picks)

    assert_same(select_uniform(NORMAL, held, checkpoint=path), select_uniform(NORMAL, held))
    assert_same(select_uniform(NORMAL, 45, checkpoint=path), select_uniform(NORMAL, 45))
    assert_same(select_uniform(NORMAL, 5, checkpoint=path), select_uniform(NORMAL, 5))

    assert len(read_checkpoint(path).picks) == 45


def test_a_finished_checkpoint_stays_finished_when_a_larger_budget_fails_at_once(path):
    select_uniform(NORMAL, 20, checkpoint=path)
    interrupt(NORMAL, 30, checkpoint=path, rounds=0)

    expected = select_uniform(NORMAL, 20)

    with no_engine():
        assert_same(select_uniform(NORMAL, 20, checkpoint=path), expected)


def test_duplicates_are_warned_of_when_the_answer_is_taken_over_too(path):
    for _ in range(2):
        with pytest.warns(errors.DuplicateRowsWarning, match="only 1 of the rows") as caught:
            select_uniform(np.ones((5, 2)), 3, checkpoint=path)
        assert caught[0].filename == __file__


OTHER = NORMAL.copy()
OTHER[-1, -1] += 1e-9
NOT_ALL = NORMAL.copy()
NOT_ALL[7] = np.nan


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (OTHER, {}, r"input: an array .* \(sha256:\w+…\) then, an array .* \(sha256:\w+…\) now"),
        (NORMAL[:50], {}, r"\(50, 5\) \(sha256:\w+…\) now"),
        (NORMAL, {"normalize": False}, "selection: normalize: on then, off now"),
        (NORMAL, {"start": 3}, "selection: start: farthest-from-mean then, 3 now"),
        (NORMAL, {"start": "medoid"}, "selection: start: farthest-from-mean then, medoid now"),
        (NOT_ALL, {"on_invalid": "drop"}, "dropped rows: none then, 7 now"),
    ],
)
def test_the_checkpoint_of_another_selection_is_refused(path, data, options, said):
    interrupt(NORMAL, 30, checkpoint=path)
    before = path.read_bytes()

    with pytest.raises(errors.CheckpointError, match=said) as caught, no_engine():
        select_uniform(data, 30, checkpoint=path, **options)

    assert str(path) in str(caught.value)
    assert "delete it to start again" in str(caught.value)
    assert path.read_bytes() == before


def test_a_seed_matters_where_it_is_used(path):
    interrupt(NORMAL, 30, checkpoint=path, start="random", seed=1)

    with pytest.raises(errors.CheckpointError, match="seed: 1 then, 2 now"):
        select_uniform(NORMAL, 30, checkpoint=path, start="random", seed=2)
    path.unlink()
    interrupt(NORMAL, 30, checkpoint=path, seed=1)
    assert_same(
        select_uniform(NORMAL, 30, checkpoint=path, seed=2), select_uniform(NORMAL, 30, seed=2)
    )


class Words(TopicEncoder):
    """Another encoder, of the same texts."""

    def encode(self, texts):
        return super().encode(texts) ** 2


def test_texts_are_told_by_their_vectors_and_the_rest_explains(path, tmp_path):
    records = [{"q": text, "a": text[::-1], "label": 0} for text in TEXTS]
    interrupt(records, 30, checkpoint=path, encoder=TopicEncoder(), text="q")

    def refused(data=records, **options):
        given = {"encoder": TopicEncoder(), "text": "q", **options}
        with pytest.raises(errors.CheckpointError) as caught:
            select_uniform(data, 30, checkpoint=path, **given)
        return str(caught.value)

    assert "text: q then, q + a now" in refused(text=["q", "a"])
    assert "encoder: TopicEncoder then, Words now" in refused(encoder=Words())
    assert "input: a list of" in refused(records[1:])
    # What is no part of the texts, and what they come in, may change.
    relabelled = [record | {"label": row} for row, record in enumerate(records)]
    found = select_uniform(relabelled, 30, checkpoint=path, encoder=TopicEncoder(), text="q")
    assert_same(found, select_uniform(relabelled, 30, encoder=TopicEncoder(), text="q"))
    assert found.provenance.taken_over == 7


def test_an_encoder_whose_last_bits_wander_is_noticed(path):
    interrupt(TEXTS, 30, checkpoint=path, encoder=TopicEncoder())

    class Wandering(TopicEncoder):
        name = "TopicEncoder"

        def encode(self, texts):
            return super().encode(texts) * np.float32(1 + 2**-20)

    with pytest.raises(errors.CheckpointError, match="the vectors came out differently, though"):
        select_uniform(TEXTS, 30, checkpoint=path, encoder=Wandering())


def test_rows_that_were_dropped_stay_so(path):
    records = [None if row % 5 == 0 else text for row, text in enumerate(TEXTS)]
    options = {"encoder": TopicEncoder(), "on_invalid": "drop"}
    interrupt(records, 20, checkpoint=path, **options)

    found = select_uniform(records, 20, checkpoint=path, **options)

    assert_same(found, select_uniform(records, 20, **options))
    assert all(row % 5 for row in found.indices)


TITLE = b'{"format": "evenly checkpoint", '


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"my thesis", "is not a checkpoint of evenly: .* Delete it .*, or name another file"),
        (TITLE + b'"version": 3}', "in version 3 of the format; this release reads version 2"),
        (TITLE + b'"version": 2, "checksum": ""}', "is damaged: .* Delete it to start again"),
    ],
)
def test_an_unreadable_checkpoint_is_refused_before_any_work(path, content, said):
    path.write_bytes(content)
    encoder = TopicEncoder()

    with pytest.raises(errors.CheckpointError, match=said) as caught:
        select_uniform(TEXTS, 3, encoder=encoder, checkpoint=path)

    assert str(path) in str(caught.value)
    assert encoder.seen == []
    assert path.read_bytes() == content


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(errors.CheckpointError, match="is a folder, not a regular file"):
        select_uniform(NORMAL, 3, checkpoint=tmp_path)


@pytest.mark.parametrize("wrong", [3, "", True, ["x"]])
def test_a_checkpoint_is_a_path(wrong):
    with pytest.raises(errors.OptionError, match="checkpoint must be a path, got"):
        select_uniform(NORMAL, 3, checkpoint=wrong)


@pytest.mark.parametrize("rows", [[5, 60], [5, -1], [5, 5], [5, 7]])
def test_rows_that_cannot_be_chosen_are_refused_even_if_proved(path, rows):
    interrupt(NOT_ALL, 20, checkpoint=path, on_invalid="drop")
    key = read_checkpoint(path).key
    Checkpoint(path, Saved(key, Picks(np.array(rows), np.array([np.inf, 1.0])), None))

    with pytest.raises(errors.CheckpointError, match="holds rows that cannot be chosen"):
        select_uniform(NOT_ALL, 20, checkpoint=path, on_invalid="drop")


def test_a_place_that_cannot_be_written_is_an_error_before_the_selection(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(errors.EvenlyError, match="Not a directory"), no_engine():
        select_uniform(NORMAL, 3, checkpoint=tmp_path / "file" / "checkpoint")

    deep = tmp_path / "not" / "yet" / "there"
    select_uniform(NORMAL, 3, checkpoint=deep)
    assert len(read_checkpoint(deep).picks) == 3


def full(_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_becomes_full_does_not_end_the_selection(path, monkeypatch, caplog):
    def fill_the_disk(_):
        monkeypatch.setattr("evenly.atomic.os.fsync", full)

    with before_engine(fill_the_disk), caplog.at_level(logging.WARNING):
        found = select_uniform(NORMAL, 20, checkpoint=path)

    assert_same(found, select_uniform(NORMAL, 20))
    assert "no checkpoint was written, the selection continues: cannot write" in caplog.text
    assert len(read_checkpoint(path).picks) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_full_disk_does_not_hide_the_interrupt(path, monkeypatch):
    def keep_and_fill_the_disk(self, picks, keep=Checkpoint.keep):
        keep(self, picks)
        monkeypatch.setattr("evenly.atomic.os.fsync", full)

    monkeypatch.setattr(Checkpoint, "keep", keep_and_fill_the_disk)
    interrupt(NORMAL, 20, checkpoint=path)

    assert len(read_checkpoint(path).picks) == 1
