"""`select_uniform`: what it promises about every pool, and what it refuses."""

import json
import math
import warnings
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import errors, select_uniform
from evenly import measure as evenly_measure
from evenly.memory import memory_bytes
from evenly.options.values import NotKept, encode
from evenly.selection.results.provenance import Provenance
from tests.support import oracle
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.oracle import gaps_by_definition
from tests.support.pools import pools

NORMAL = np.random.default_rng(0).normal(size=(40, 5))


def select(vectors, budget, **options):
    """Select where more rows than are distinct may be asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.DuplicateRowsWarning)
        return select_uniform(vectors, budget, **options)


def h_min_of(gaps, rows):
    return min((gaps[pair] for pair in combinations(rows, 2)), default=math.inf)


@given(vectors=pools(max_rows=9), normalize=st.booleans(), data=st.data())
def test_h_min_is_at_least_half_of_the_best_possible(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    start = data.draw(st.sampled_from(["farthest-from-mean", "random", 0]))
    gaps = gaps_by_definition(vectors, normalize)
    best = max(h_min_of(gaps, rows) for rows in combinations(range(len(vectors)), budget))

    chosen = select(vectors, budget, normalize=normalize, start=start)

    assert chosen.h_min == pytest.approx(h_min_of(gaps, chosen.indices), rel=1e-6, abs=1e-13)
    assert chosen.h_min >= best / 2 * (1 - 1e-9)


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_what_holds_of_every_selection(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    gaps = gaps_by_definition(vectors, normalize)

    chosen = select(vectors, budget, normalize=normalize)

    assert len(chosen) == len(set(chosen.indices.tolist())) == budget
    assert chosen.radii[0] == math.inf
    assert (np.diff(chosen.radii[1:]) <= 0).all()
    for pick in range(1, budget):
        earlier = gaps[chosen.indices[pick], chosen.indices[:pick]].min()
        assert chosen.radii[pick] == pytest.approx(earlier, rel=1e-6, abs=1e-13)
    covered = gaps[:, chosen.indices].min(axis=1).max()
    assert chosen.coverage_radius == pytest.approx(covered, rel=1e-6, abs=1e-13)


@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_a_prefix_is_the_selection_for_that_budget(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    smaller = data.draw(st.integers(1, budget))

    prefix = select(vectors, budget, normalize=normalize).prefix(smaller)

    single_threaded_blas = select(vectors, smaller, normalize=normalize)
    np.testing.assert_array_equal(prefix.indices, single_threaded_blas.indices)
    np.testing.assert_array_equal(prefix.radii, single_threaded_blas.radii)
    assert prefix.h_min == single_threaded_blas.h_min
    assert prefix.coverage_radius == pytest.approx(
        single_threaded_blas.coverage_radius, rel=1e-9, abs=1e-13
    )
    assert prefix.provenance.options == single_threaded_blas.provenance.options


@given(vectors=pools(max_rows=60), normalize=st.booleans())
def test_a_warning_says_how_many_rows_are_distinct(vectors, normalize):
    gaps = gaps_by_definition(vectors, normalize)
    distinct = sum(not (gaps[row, :row] == 0).any() for row in range(len(vectors)))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chosen = select_uniform(vectors, 1.0, normalize=normalize)

    assert sorted(chosen.indices) == list(range(len(vectors)))
    assert [type(warning.message) for warning in caught] == (
        [] if distinct == len(vectors) else [errors.DuplicateRowsWarning]
    )
    if caught:
        assert chosen.h_min == 0
        are = "is" if distinct == 1 else "are"
        assert f"only {distinct} of the rows {are} distinct" in str(caught[0].message)
        assert chosen.prefix(distinct).h_min > 0


def test_the_warning_points_at_the_line_that_asked():
    with pytest.warns(errors.DuplicateRowsWarning) as caught:
        select_uniform(np.ones((3, 2)), 2)

    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("budget", "rows"),
    [
        (1, 1),
        (40, 40),
        (np.int64(7), 7),
        (np.uint8(7), 7),
        (1.0, 40),
        (0.5, 20),
        (np.float32(0.5), 20),
        (np.float64(0.25), 10),
        (Fraction(1, 8), 5),
        (0.0375, 2),
        (0.0374, 1),
        (1e-9, 1),
    ],
)
def test_a_budget_is_a_number_of_rows_or_a_fraction(budget, rows):
    chosen = select_uniform(NORMAL, budget)

    assert len(chosen) == rows
    np.testing.assert_array_equal(chosen.indices, select_uniform(NORMAL, rows).indices)
    json.dumps(chosen.provenance.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (0, "at least 1 row, got 0"),
        (-3, "at least 1 row, got -3"),
        (np.int64(-3), "got -3"),
        (41, "between 1 and the pool size 40, got 41"),
        (0.0, r"in \(0, 1\], got 0.0"),
        (-0.5, "got -0.5"),
        (1.5, "got 1.5. For a number of rows, give a whole number"),
        (math.nan, "got nan"),
        (math.inf, "got inf"),
        (True, "got True"),
        ("5", "got '5'"),
        (None, "nothing says how many rows"),
        ([5], r"got \[5\]"),
        (1 + 0j, "got"),
    ],
)
def test_a_budget_that_is_none(budget, said):
    with pytest.raises(errors.BudgetError, match=said):
        select_uniform(NORMAL, budget)


def test_a_fraction_is_of_the_usable_rows():
    vectors = NORMAL.copy()
    vectors[:20] = np.nan

    assert len(select_uniform(vectors, 0.5, on_invalid="drop")) == 10
    with pytest.raises(errors.BudgetError, match="pool size 20, got 21"):
        select_uniform(vectors, 21, on_invalid="drop")


@pytest.mark.parametrize("start", [3, np.int64(3), 0, 39])
def test_the_first_pick_may_be_named(start):
    expected, *_ = oracle.farthest_first(NORMAL, 6, normalize=True, start=int(start))

    np.testing.assert_array_equal(select_uniform(NORMAL, 6, start=start).indices, expected)


def test_the_first_pick_is_by_default_the_farthest_from_the_mean():
    expected, *_ = oracle.farthest_first(NORMAL, 6, normalize=True)

    np.testing.assert_array_equal(select_uniform(NORMAL, 6).indices, expected)


def test_a_random_start_follows_the_seed_and_is_never_a_dropped_row():
    vectors = NORMAL.copy()
    vectors[::2] = 0

    def first(seed):
        return int(select(vectors, 1, start="random", seed=seed, on_invalid="drop").indices[0])

    found = [first(seed) for seed in range(40)]

    assert found == [first(seed) for seed in range(40)]
    assert len(set(found)) > 5
    assert all(row % 2 for row in found)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"start": 40}, errors.RowError, "from 0 to 39, got 40"),
        ({"start": -1}, errors.RowError, "got -1"),
        ({"start": True}, errors.OptionError, "got True"),
        ({"start": 1.0}, errors.OptionError, "got 1.0"),
        ({"start": "middle"}, errors.OptionError, "farthest-from-mean.*medoid.*got 'middle'"),
        ({"engine": "quantum"}, errors.OptionError, "auto, memory.*'quantum'"),
        ({"seed": -1}, errors.OptionError, "seed must be a whole number, 0 or more, got -1"),
        ({"seed": "x"}, errors.OptionError, "got 'x'"),
        ({"on_invalid": "ignore"}, errors.OptionError, '"error" or "drop", got \'ignore\''),
        ({"text": "question"}, errors.OptionError, "holds vectors, not texts"),
        ({"encoder_options": {"batch": 3}}, errors.OptionError, "no option 'batch'.*batch_size"),
    ],
)
def test_options_that_are_none(options, error, said):
    with pytest.raises(error, match=said):
        select_uniform(NORMAL, 3, **options)


def test_a_dropped_row_cannot_be_the_first():
    vectors = NORMAL.copy()
    vectors[2] = 0

    with pytest.raises(errors.RowError, match=r"start is row 2, which cannot be chosen.*zero"):
        select_uniform(vectors, 3, start=2, on_invalid="drop")


def test_provenance_says_what_was_done_with_what():
    records = [{"id": row, "question": text} for row, text in enumerate(texts_of(30))]
    records[4]["question"] = None
    records[5]["question"] += " and so on" * 10

    chosen = select_uniform(
        records,
        np.int64(5),
        text=("question",),
        encoder=TopicEncoder(),
        start=np.int64(7),
        seed=np.int64(3),
        normalize=np.bool_(True),
        on_invalid="drop",
        cache_dir=Path("nowhere"),
    )

    document = json.loads(json.dumps(chosen.provenance.as_dict(), allow_nan=False))
    assert Provenance.from_dict(document) == chosen.provenance
    assert document["options"] == {
        "budget": 5,
        "text": ["question"],
        "roles": ["user"],
        "vectors": None,
        "encoder": encode(NotKept("TopicEncoder")),
        "encoder_options": {},
        "normalize": True,
        "on_invalid": "drop",
        "start": 7,
        "engine": "auto",
        "memory": None,
        "seed": 3,
    }
    assert document["dropped"] == {"4": "column 'question' is None"}
    assert document["text"] == "question"
    assert document["input"]["rows"] == 30
    assert document["input"]["dimension"] == 11
    assert document["input"]["path"] is None
    assert document["input"]["content_hash"].startswith("sha256:")
    assert document["encoder"]["name"] == "TopicEncoder"
    assert document["encoder"]["truncated"] == 1
    vectors = TopicEncoder().encode([record["question"] or "" for record in records])
    vectors[4] = 0  # a row without a text
    as_an_array = select_uniform(vectors, 1, on_invalid="drop")
    as_an_array = as_an_array.provenance.input.content_hash
    assert document["encoder"]["vectors_hash"] == as_an_array
    assert document["taken_over"] == 0
    assert document["created"].endswith("+00:00")
    assert {"python", "numpy"} <= set(document["versions"])
    assert set(document["seconds"]) == {"reading", "embedding", "selection"}


def test_the_content_hash_follows_the_content():
    def hash_of(data, **options):
        return select_uniform(data, 1, **options).provenance.input.content_hash

    other = NORMAL.copy()
    other[3, 3] += 1e-9

    assert hash_of(NORMAL) == hash_of(NORMAL.copy())
    assert hash_of(NORMAL) != hash_of(other)
    assert hash_of(texts_of(9), encoder=TopicEncoder()) != hash_of(
        texts_of(9, 1), encoder=TopicEncoder()
    )


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_progress_is_drawn_on_stderr_when_asked_for(progress, shown, capsys):
    select_uniform(texts_of(30), 5, encoder=TopicEncoder(), progress=progress)

    out, err = capsys.readouterr()
    assert out == ""
    assert ("selecting" in err) is shown
    if shown:
        assert "5/5" in err


@pytest.mark.parametrize("engine", ["memory", "faiss", "mapped", "sharded"])
def test_every_engine_chooses_the_same_rows(tmp_path, engine):
    vectors = np.random.default_rng(5).standard_normal((700, 24)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    expected = select_uniform(vectors, 90)
    found = select_uniform(tmp_path / "vectors.npy", 90, engine=engine, memory="100MB")
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.radii, expected.radii)
    assert found.coverage_radius == expected.coverage_radius
    longer = found.extend(120, engine=engine)
    np.testing.assert_array_equal(longer.indices, select_uniform(vectors, 120).indices)


def test_files_of_vectors_that_exceed_the_memory_stay_on_disk(tmp_path, caplog):
    vectors = np.random.default_rng(5).standard_normal((20_000, 400)).astype(np.float32)
    for number, part in enumerate(np.array_split(vectors, 3)):
        np.save(tmp_path / f"{number}.npy", part)
    with caplog.at_level("INFO", logger="evenly"):
        found = select_uniform(tmp_path, 50, memory="30MB", start=3)
    assert "engine mapped" in caplog.text
    np.testing.assert_array_equal(found.indices, select_uniform(vectors, 50, start=3).indices)
    measured = evenly_measure(tmp_path, found, random_subsets=0)
    assert measured.h_min == pytest.approx(found.h_min, rel=1e-12)
    with pytest.raises(errors.OptionError, match="is too little for 20,000 rows"):
        select_uniform(tmp_path, 50, engine="mapped", memory="1MB")


def test_distances_of_any_metric_are_chosen_from(tmp_path):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((60, 4))
    gaps = np.abs(points[:, None] - points[None]).sum(axis=2)  # a metric that is not Euclidean
    np.save(tmp_path / "gaps.npy", gaps)
    found = select_uniform(tmp_path / "gaps.npy", 9, engine="distances", start=7)
    picks = [7]
    while len(picks) < 9:
        picks.append(int(gaps[:, picks].min(axis=1).argmax()))
    assert found.indices.tolist() == picks
    assert found.coverage_radius == pytest.approx(gaps[:, picks].min(axis=1).max())
    measured = evenly_measure(gaps, found, engine="distances")
    assert (measured.h_min, measured.size) == (pytest.approx(found.h_min), 9)
    gaps[3, 5] += 1
    with pytest.raises(errors.VectorError, match="not symmetric: row 3, column 5"):
        select_uniform(gaps, 9, engine="distances")
    with pytest.raises(errors.VectorError, match="needs a matrix of distances"):
        select_uniform(["a", "b"], 1, engine="distances", encoder="static")


@pytest.mark.parametrize(
    ("said", "size"),
    [("2GB", 2e9), ("1.5 MiB", 1.5 * 2**20), ("300", 300), (1e6, 1e6), ("4k", 4000)],
)
def test_memory_is_read_with_its_unit(said, size):
    assert memory_bytes(said) == size


@pytest.mark.parametrize("wrong", ["", "two", "-1GB", 0, float("nan"), "1XB", "1.2.3MB"])
def test_memory_that_is_no_size_is_refused(wrong):
    with pytest.raises(errors.OptionError, match="memory must be"):
        memory_bytes(wrong)
