"""`Selection.extend`: the answer of one long run, from the picks of a shorter one."""

import dataclasses
import itertools
import json
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import Selection, errors, select_uniform
from evenly.selection.greedy.checkpoint import read_checkpoint
from tests.support.encoders import CachedTopicEncoder, TopicEncoder, texts_of
from tests.support.interrupts import no_engine, rounds_of
from tests.support.pools import pools

NORMAL = np.random.default_rng(0).normal(size=(40, 5))
TEXTS = texts_of(40)
RECORDS = [{"tag": "ab" * (row % 3), "text": text} for row, text in enumerate(TEXTS)]


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


def saved_and_loaded(selection, folder):
    selection.save(folder / "saved.json", force=True)
    return Selection.load(folder / "saved.json")


def assert_same(found, expected, *, taken_over):
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.radii, expected.radii, rtol=1e-12)
    assert found.coverage_radius == pytest.approx(expected.coverage_radius, rel=1e-9, abs=1e-13)
    assert found.provenance.taken_over == taken_over
    ignored = {"created", "seconds", "taken_over", "encoder"}
    now, then = found.provenance.as_dict(), expected.provenance.as_dict()
    for name in set(then) - ignored:
        assert now[name] == then[name], name
    if then["encoder"] is not None:
        once = {"reused": 0, "computed": 0}  # the cache is fuller the second time
        assert now["encoder"] | once == then["encoder"] | once


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_extended_is_what_one_long_run_gives(vectors, normalize, data):
    sizes = sorted(data.draw(st.sets(st.integers(1, len(vectors)), min_size=1, max_size=4)))
    options = {
        "normalize": normalize,
        "start": data.draw(st.sampled_from(["farthest-from-mean", "medoid", "random", 0])),
        "seed": data.draw(st.integers(0, 3)),
    }

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.DuplicateRowsWarning)
        selection = select_uniform(vectors, sizes[0], **options)
        for before, size in itertools.pairwise(sizes):
            selection = selection.extend(size)
            expected = select_uniform(vectors, size, **options)
            assert_same(selection, expected, taken_over=before)


def test_real_rounds_extend_too():
    vectors = np.random.default_rng(1).normal(size=(4000, 4)).astype(np.float32)

    extended = select_uniform(vectors, 700).extend(3000)

    assert_same(extended, select_uniform(vectors, 3000), taken_over=700)


def test_a_prefix_extends_as_what_it_is():
    chosen = select_uniform(NORMAL, 20)

    assert_same(chosen.prefix(7).extend(20), chosen, taken_over=7)


@pytest.mark.parametrize("loaded", [False, True])
def test_texts_of_a_file_are_read_and_embedded_as_then(train, tmp_path, loaded):
    options = {"encoder": CachedTopicEncoder(), "text": ["tag", "text"], "normalize": False}
    chosen = select_uniform(train, 6, **options)
    if loaded:
        chosen = saved_and_loaded(chosen, tmp_path)
    encoder = CachedTopicEncoder()

    extended = chosen.extend(0.5, encoder=encoder)

    assert_same(extended, select_uniform(train, 0.5, **options), taken_over=6)
    assert encoder.seen == []
    extended.write(tmp_path / "out.jsonl")
    written = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == [RECORDS[row] for row in extended.indices]
    again = saved_and_loaded(extended, tmp_path)
    assert_same(
        again.extend(30, encoder=encoder), select_uniform(train, 30, **options), taken_over=20
    )


def test_dropped_rows_stay_dropped(tmp_path):
    records = [None if row % 5 == 0 else text for row, text in enumerate(TEXTS)]
    options = {"encoder": TopicEncoder(), "on_invalid": "drop"}
    chosen = select_uniform(records, 6, **options)

    everything = chosen.extend(1.0, encoder=TopicEncoder())

    assert len(everything) == 32
    assert_same(everything, select_uniform(records, 1.0, **options), taken_over=6)
    with pytest.raises(errors.BudgetError, match="pool size 32, got 33"):
        chosen.extend(33, encoder=TopicEncoder())
    vectors = NORMAL.copy()
    vectors[3:9] = 0
    chosen = saved_and_loaded(select_uniform(vectors, 6, on_invalid="drop"), tmp_path)
    assert_same(
        chosen.extend(30, vectors), select_uniform(vectors, 30, on_invalid="drop"), taken_over=6
    )


def test_options_of_the_encoder_are_those_of_then():
    asked = []

    class Counting(TopicEncoder):
        def encode(self, texts):
            asked.append(len(texts))
            return super().encode(texts)

    chosen = select_uniform(TEXTS, 6, encoder=Counting(), encoder_options={"batch_size": 7})
    del asked[:]

    chosen.extend(9, encoder=Counting())
    chosen.extend(9, encoder=Counting(), encoder_options={"batch_size": 20})

    assert asked == [7, 7, 7, 7, 7, 5, 20, 20]


def test_trust_in_code_is_not_read_from_a_file(train, tmp_path, monkeypatch):
    asked = []

    def load(encoder, *, device="auto", batch_size=None, trust_remote_code=False):
        asked.append((encoder, trust_remote_code))
        return load_encoder(TopicEncoder())

    from evenly.embedding import load_encoder

    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", load)
    options = {"encoder": "some-model", "encoder_options": {"trust_remote_code": True}}
    chosen = saved_and_loaded(select_uniform(train, 6, **options), tmp_path)

    chosen.extend(8)
    chosen.extend(8, encoder_options={"trust_remote_code": True})

    assert asked == [("some-model", True), ("some-model", False), ("some-model", True)]


@pytest.mark.parametrize(
    ("to", "said"),
    [
        (10, r"has 10 rows, and a budget of 10 means 10\. .* prefix\(10\)"),
        (3, r"has 10 rows, and a budget of 3 means 3\. .* prefix\(3\)"),
        (0.1, r"a budget of 0\.1 means 4\. .* prefix\(4\)"),
        (41, "between 1 and the pool size 40, got 41"),
        (0, "at least 1 row, got 0"),
        (1.5, "got 1.5"),
        (True, "got True"),
        (None, "got None"),
    ],
)
def test_a_size_that_is_no_extension(to, said):
    chosen = select_uniform(NORMAL, 10)

    with pytest.raises(errors.BudgetError, match=said), no_engine():
        chosen.extend(to)


def test_an_input_that_has_changed_is_refused(train, tmp_path):
    chosen = select_uniform(train, 6, text="text", encoder=CachedTopicEncoder())
    loaded = saved_and_loaded(chosen, tmp_path)
    train.write_text(train.read_text().replace(TEXTS[3], TEXTS[3] + "a"))

    with pytest.raises(errors.ManifestError, match="its content has changed since"):
        loaded.extend(9, encoder=CachedTopicEncoder())
    with pytest.raises(errors.DataError, match="changed after it was opened"):
        chosen.extend(9, encoder=CachedTopicEncoder())
    with pytest.raises(errors.ManifestError, match=r"input: .*train.jsonl \(sha256:.* then, "):
        loaded.extend(9, train, encoder=CachedTopicEncoder())
    with pytest.raises(errors.DataError, match="39 rows, but the selection was made from 40"):
        loaded.extend(9, RECORDS[:39], encoder=CachedTopicEncoder())
    # The same texts as they were, in another form.
    found = loaded.extend(9, RECORDS, encoder=CachedTopicEncoder())
    np.testing.assert_array_equal(
        found.indices, select_uniform(RECORDS, 9, text="text", encoder=CachedTopicEncoder()).indices
    )
    assert found.provenance.input.path is None


def test_data_in_memory_are_at_hand_or_passed_again(tmp_path):
    chosen = select_uniform(NORMAL, 6)
    loaded = saved_and_loaded(chosen, tmp_path)
    expected = select_uniform(NORMAL, 9)
    np.save(tmp_path / "vectors.npy", NORMAL)

    assert_same(chosen.extend(9), expected, taken_over=6)
    with pytest.raises(errors.OptionError, match=r"cannot be opened again\. Pass the same data"):
        loaded.extend(9)
    assert_same(loaded.extend(9, NORMAL), expected, taken_over=6)
    of_a_file = loaded.extend(9, tmp_path / "vectors.npy")
    np.testing.assert_array_equal(of_a_file.indices, expected.indices)
    assert of_a_file.provenance.input.path == str(tmp_path / "vectors.npy")
    for other in (NORMAL + 1e-9, NORMAL.astype(np.float32), NORMAL[::-1].copy()):
        with pytest.raises(errors.ManifestError, match="not what this selection was made from"):
            loaded.extend(9, other)


def test_python_objects_are_passed_again(tmp_path):
    chosen = select_uniform(RECORDS, 6, text=lambda record: record["text"], encoder=TopicEncoder())

    with pytest.raises(
        errors.ManifestError, match=r"text was a Python .*encoder was a Python .*text=…, encoder=…"
    ):
        chosen.extend(9)
    with pytest.raises(
        errors.ManifestError,
        match=r"encoder was a Python object \(TopicEncoder\)\. Pass it again: encoder=",
    ):
        chosen.extend(9, text="text")

    found = chosen.extend(9, text=lambda record: record["text"], encoder=TopicEncoder())

    expected = select_uniform(RECORDS, 9, text="text", encoder=TopicEncoder())
    np.testing.assert_array_equal(found.indices, expected.indices)
    # Vectors need no encoder, whatever was said of one.
    vectors = TopicEncoder().encode(TEXTS)
    found = select_uniform(vectors, 6, encoder=TopicEncoder()).extend(9)
    np.testing.assert_array_equal(found.indices, expected.indices)


def test_another_encoder_or_another_text_is_noticed():
    chosen = select_uniform(RECORDS, 6, text="text", encoder=TopicEncoder())

    class Longer(TopicEncoder):
        def encode(self, texts):
            return super().encode(texts) + 1

    with pytest.raises(errors.ManifestError, match="encoder: TopicEncoder then, Longer now"):
        chosen.extend(9, encoder=Longer())
    with pytest.raises(errors.ManifestError, match="text: text then, the function"):
        chosen.extend(9, text=lambda record: record["text"] + "a", encoder=TopicEncoder())


@pytest.mark.parametrize("rows", [[5, 3, 7], [5, 3, 8]])
def test_a_manifest_that_names_dropped_rows_is_refused(tmp_path, rows):
    vectors = NORMAL.copy()
    vectors[7] = np.nan
    chosen = select_uniform(vectors, 3, on_invalid="drop")
    forged = dataclasses.replace(chosen, indices=np.array(rows))

    if 7 in rows:
        with pytest.raises(errors.ManifestError, match="rows that it chose cannot be chosen"):
            forged.extend(9)
    else:
        assert len(forged.extend(9)) == 9


def test_an_extension_keeps_a_checkpoint_and_shares_it_with_the_selection(tmp_path):
    path = tmp_path / "checkpoint"
    chosen = select_uniform(NORMAL, 6)
    expected = select_uniform(NORMAL, 30)

    with rounds_of(3, stop_after=2), pytest.raises(KeyboardInterrupt):
        chosen.extend(30, checkpoint=path)
    assert len(read_checkpoint(path).picks) == 12

    assert_same(chosen.extend(20, checkpoint=path), expected.prefix(20), taken_over=12)
    assert_same(select_uniform(NORMAL, 30, checkpoint=path), expected, taken_over=20)
    with no_engine():
        assert_same(chosen.extend(30, checkpoint=path), expected, taken_over=30)
    with pytest.raises(errors.CheckpointError, match="start: farthest-from-mean then, 3 now"):
        select_uniform(NORMAL, 6, start=3).extend(9, checkpoint=path)


def test_a_longer_selection_is_not_held_back_by_an_older_checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    select_uniform(NORMAL, 5, checkpoint=path)

    found = select_uniform(NORMAL, 12).extend(20, checkpoint=path)

    assert_same(found, select_uniform(NORMAL, 20), taken_over=12)
    assert len(read_checkpoint(path).picks) == 20


def test_options_are_checked_before_any_work(tmp_path):
    chosen = select_uniform(TEXTS, 6, encoder=TopicEncoder())
    (tmp_path / "notes").write_text("mine")
    encoder = TopicEncoder()

    with pytest.raises(errors.OptionError, match="engine must be one of"):
        chosen.extend(9, encoder=encoder, engine="quantum")
    with pytest.raises(errors.CheckpointError, match="is not a checkpoint"):
        chosen.extend(9, encoder=encoder, checkpoint=tmp_path / "notes")
    assert encoder.seen == []


def test_the_warning_points_at_the_line_that_asked():
    chosen = select_uniform(np.ones((4, 2)), 1)

    with pytest.warns(errors.DuplicateRowsWarning) as caught:
        chosen.extend(3)

    assert caught[0].filename == __file__


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False)])
def test_progress_begins_where_the_selection_was(progress, shown, capsys):
    select_uniform(NORMAL, 10).extend(20, progress=progress)

    err = capsys.readouterr().err
    assert ("10/20" in err) is shown
    assert ("20/20" in err) is shown


def test_a_selection_by_distances_goes_on_by_distances():
    rows = np.random.default_rng(3).standard_normal((40, 3))
    gaps = np.abs(rows[:, None] - rows[None]).sum(axis=2)
    whole = select_uniform(gaps, 20, engine="distances")

    longer = select_uniform(gaps, 5, engine="distances").extend(12).extend(20)

    np.testing.assert_array_equal(longer.indices, whole.indices)
    np.testing.assert_array_equal(longer.radii, whole.radii)
