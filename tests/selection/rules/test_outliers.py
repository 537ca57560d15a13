"""Rows far from all others: what is trimmed, and what is told of, against the definitions."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import Selection, cli, errors, measure, select_uniform
from evenly.geometry import (
    DistanceMatrix,
    Points,
    mean_distances_to_nearest,
    most_isolated,
    row_lengths,
)
from evenly.geometry.kernels.mutual import lower_each_other
from evenly.geometry.search import mutual_neighbours
from evenly.geometry.search.knn_distance import SearchSizes
from evenly.selection.rules.outliers import isolated_among, outliers
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.oracle import gaps_by_definition
from tests.support.pools import pools


def points_of(vectors, *, normalize=False, eligible=None):
    usable = np.ones(len(vectors), bool) if eligible is None else eligible
    return Points.of(vectors, row_lengths(vectors), usable, normalize=normalize)


def scores_by_definition(gaps, k):
    """Mean of the k smallest distances to other rows."""
    others = gaps + np.diag(np.full(len(gaps), np.inf))
    return np.sort(others, axis=1)[:, : min(k, max(1, len(gaps) - 1))].mean(axis=1)


def largest_by_definition(scores, count):
    """Row numbers by falling score; those that tie by row number."""
    rows, left = [], scores.copy()
    for _ in range(count):
        rows.append(int(np.argmax(left >= left.max() * (1 - 1e-12))))
        left[rows[-1]] = -np.inf
    return rows


SMALL = SearchSizes(rows_at_once=7, targets=16, few=16, block=16, part=600, sample=8)
"""Sizes with which even small pools take many parts, blocks and guesses."""


@given(vectors=pools(max_rows=120), normalize=st.booleans(), data=st.data())
def test_the_farthest_from_their_nearest_rows_are_found(vectors, normalize, data):
    k = data.draw(st.integers(1, 6))
    count = data.draw(st.integers(1, max(1, len(vectors) // 4)))
    scores = scores_by_definition(gaps_by_definition(vectors, normalize), k)

    rows, means = most_isolated(points_of(vectors, normalize=normalize), count, k, sizes=SMALL)

    assert len(set(rows.tolist())) == count
    np.testing.assert_allclose(means, scores[rows], rtol=1e-9, atol=1e-13)
    expected = np.sort(scores)[::-1][:count]
    np.testing.assert_allclose(means, expected, rtol=1e-9, atol=1e-13)


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 5), normalize=st.booleans())
@settings(max_examples=30)
def test_every_row_s_mean_is_exact(seed, k, normalize):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((rng.integers(2, 200), 9)).astype(np.float32)
    some = rng.permutation(len(vectors))[: rng.integers(1, len(vectors) + 1)]
    others = np.sort(rng.permutation(len(vectors))[: rng.integers(2, len(vectors) + 1)])
    gaps = gaps_by_definition(vectors, normalize)
    np.fill_diagonal(gaps, np.inf)

    found = mean_distances_to_nearest(points_of(vectors, normalize=normalize), some, k, others)

    for row, mean in zip(some, found, strict=True):
        nearest = np.sort(gaps[row][others])
        nearest = nearest[np.isfinite(nearest)][:k]
        assert mean == pytest.approx(nearest.mean(), rel=1e-12)


@pytest.mark.parametrize("kind", ["lattice", "line", "duplicates"])
def test_rows_that_tie_are_taken_by_their_number(kind):
    vectors = {
        "lattice": np.stack(np.meshgrid(range(9), range(9)), axis=-1).reshape(-1, 2) * 0.1,
        "line": np.arange(60.0)[::-1, None],
        "duplicates": np.repeat(np.arange(12.0), 8)[:, None],
    }[kind]
    scores = scores_by_definition(gaps_by_definition(vectors, False), 3)

    rows, _ = most_isolated(points_of(vectors), 9, 3, sizes=SMALL)

    assert rows.tolist() == largest_by_definition(scores, 9)


@pytest.mark.parametrize("seed", range(5))
def test_a_guess_that_is_too_high_is_corrected(seed):
    vectors = np.random.default_rng(seed).standard_normal((150, 4))
    # The guess is the fourth largest mean of a random sample of 8 rows: only four rows are as
    # isolated as that, but five are requested.
    sample = np.random.default_rng(0).choice(150, SMALL.sample, replace=False)
    vectors[sample[:4]] += 100 * np.eye(4)
    scores = scores_by_definition(gaps_by_definition(vectors, False), 2)

    rows, means = most_isolated(points_of(vectors), 5, 2, sizes=SMALL)

    assert set(sample[:4]) < set(rows)
    assert rows.tolist() == largest_by_definition(scores, 5)
    np.testing.assert_allclose(means, scores[rows], rtol=1e-12)


def test_most_rows_are_compared_with_few_others(monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((20, 6))[rng.integers(0, 20, 2000)]
    vectors = np.concatenate([vectors + 0.01 * rng.standard_normal((2000, 6)), 9 * np.eye(6)])
    compared = 0

    def counting(left, right, *others):
        nonlocal compared
        compared += len(left.rows) * len(right.rows)
        lower_each_other(left, right, *others)

    monkeypatch.setattr(mutual_neighbours, "lower_each_other", counting)

    rows, _ = most_isolated(points_of(vectors), 6, 5, sizes=replace(SMALL, block=128, sample=256))

    assert sorted(rows.tolist()) == [2000, 2001, 2002, 2003, 2004, 2005]
    assert 0 < compared < 0.25 * len(vectors) ** 2


def test_rows_that_are_no_candidates_are_no_neighbours_either():
    eligible = np.ones(9, bool)
    eligible[4] = False

    rows, means = most_isolated(points_of(np.arange(9.0)[:, None], eligible=eligible), 2, 1)

    assert set(rows.tolist()) <= set(range(9)) - {4}
    assert means.tolist() == [1.0, 1.0]
    rows, means = outliers(points_of(np.arange(9.0)[:, None], eligible=eligible), 0.25, k=2)
    assert (rows.tolist(), means.tolist()) == ([0, 3], [1.5, 1.5])


def test_distances_of_another_metric_and_vectors_on_disk(tmp_path):
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((130, 5)).astype(np.float32)
    gaps = gaps_by_definition(vectors, False)
    expected = largest_by_definition(scores_by_definition(gaps, 5), 13)
    np.save(tmp_path / "vectors.npy", vectors)
    stored = select_uniform(tmp_path / "vectors.npy", 9, engine="mapped").samples.stored

    everyone = np.ones(130, bool)
    points = Points.of(stored, row_lengths(vectors), everyone, normalize=False)
    of_gaps, _ = most_isolated(DistanceMatrix(gaps, everyone), 13, 5)
    on_disk, _ = most_isolated(points, 13, 5, sizes=SMALL)

    assert of_gaps.tolist() == on_disk.tolist() == expected


def test_few_rows_have_few_neighbours():
    assert outliers(points_of(np.array([[0.0], [1.0], [5.0]])), 0.4)[0].tolist() == [2]
    assert mean_distances_to_nearest(points_of(np.ones((1, 2))), np.array([0]), 3) == [np.inf]
    assert len(outliers(points_of(np.ones((3, 2))), 0.1)[0]) == 0


JUNK = [40, 90]


def with_junk(n=200, d=6):
    vectors = np.random.default_rng(1).standard_normal((n, d))
    vectors[JUNK] = 30 * np.eye(d)[:2]
    return vectors


def test_outliers_are_never_chosen_and_are_listed():
    vectors = with_junk()

    chosen = select_uniform(vectors, 20, normalize=False, drop_outliers=0.01)

    others = np.delete(np.arange(200), JUNK)
    expected = select_uniform(vectors[others], 20, normalize=False)
    np.testing.assert_array_equal(chosen.indices, others[expected.indices])
    assert chosen.coverage_radius == pytest.approx(expected.coverage_radius)
    dropped = chosen.provenance.dropped
    assert sorted(map(int, dropped)) == JUNK
    score = scores_by_definition(gaps_by_definition(vectors, False), 5)[40]
    assert dropped[40] == (
        f"is an outlier: {score:.4g} from its 5 nearest rows on average, which puts it among the "
        "farthest 0.01 of all rows"
    )
    assert chosen.provenance.options["drop_outliers"] == 0.01
    assert chosen.assignments().nearest[JUNK].tolist() == [-1, -1]
    assert str(chosen.explain(40)).startswith("row 40 was dropped: it is an outlier: ")
    with pytest.raises(errors.RowError, match="start is row 40, which cannot be chosen"):
        select_uniform(vectors, 3, normalize=False, drop_outliers=0.01, start=40)
    with pytest.raises(errors.BudgetError, match="198"):
        select_uniform(vectors, 199, normalize=False, drop_outliers=0.01)


def test_what_is_included_stays():
    chosen = select_uniform(with_junk(), 5, normalize=False, drop_outliers=0.01, include=[90])

    assert chosen.indices[0] == 90
    assert list(chosen.provenance.dropped) == [40]


def test_extended_and_continued_selections_drop_the_same_rows(tmp_path):
    vectors = with_junk()
    whole = select_uniform(vectors, 30, normalize=False, drop_outliers=0.05)

    short = select_uniform(
        vectors, 10, normalize=False, drop_outliers=0.05, checkpoint=tmp_path / "picks"
    )
    short.save(tmp_path / "subset.json")

    longer = Selection.load(tmp_path / "subset.json").extend(30, vectors)
    np.testing.assert_array_equal(longer.indices, whole.indices)
    assert longer.provenance.dropped == whole.provenance.dropped
    assert longer.extend(40).provenance.options["drop_outliers"] == 0.05
    again = select_uniform(
        vectors, 30, normalize=False, drop_outliers=0.05, checkpoint=tmp_path / "picks"
    )
    assert again.provenance.taken_over == 10
    np.testing.assert_array_equal(again.indices, whole.indices)
    with (
        pytest.raises(errors.CheckpointError, match="dropped rows"),
        warnings.catch_warnings(),
    ):
        select_uniform(vectors, 30, normalize=False, checkpoint=tmp_path / "picks")


@pytest.mark.parametrize("engine", ["memory", "faiss", "sharded", "mapped"])
def test_every_engine_leaves_them_out(engine, tmp_path):
    vectors = with_junk()
    np.save(tmp_path / "vectors.npy", vectors)
    expected = select_uniform(vectors, 12, normalize=False, drop_outliers=0.02)

    found = select_uniform(
        tmp_path / "vectors.npy", 12, normalize=False, drop_outliers=0.02, engine=engine
    )

    np.testing.assert_array_equal(found.indices, expected.indices)
    assert found.provenance.dropped == expected.provenance.dropped


@pytest.mark.parametrize("fraction", [0, 1, 1.0, -0.1, 5, "0.1", True, float("nan")])
def test_fractions_that_are_none(fraction):
    with pytest.raises(errors.OptionError, match=r"drop_outliers .* between 0 and 1"):
        select_uniform(np.eye(5), 2, drop_outliers=fraction)


def test_the_command_line_drops_and_measures_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", with_junk())

    def evenly_(*arguments):
        return CliRunner().invoke(cli.main, [str(one) for one in arguments], catch_exceptions=False)

    options = ("--budget", 9, "--no-normalize", "--random-subsets", 0)
    told = evenly_("select", "vectors.npy", *options, "--drop-outliers", 0.01, "-o", "out.npy")

    assert told.exit_code == 0
    assert "2 rows dropped as unusable or as outliers" in told.output
    manifest = Selection.load("out.manifest.json")
    assert sorted(map(int, manifest.provenance.dropped)) == JUNK
    told = evenly_("select", "--from-manifest", "out.manifest.json", "--random-subsets", 0)
    assert told.exit_code == 0
    told = evenly_("measure", "vectors.npy", "out.manifest.json", "--json")
    assert json.loads(told.output)["h_min"] == pytest.approx(manifest.h_min)
    told = evenly_("select", "vectors.npy", *options, "--drop-outliers", 2)
    assert (told.exit_code, "between 0 and 1" in told.output) == (2, True)
    told = evenly_("select", "vectors.npy", *options)
    assert "warning: 2 of the first 9 picks are far from all other rows" in told.output


# The warning.


def clean_pools():
    rng = np.random.default_rng(5)
    for n in (150, 1500):
        for d in (1, 2, 3, 6, 20, 100):
            yield f"gaussian {n} {d}", rng.standard_normal((n, d)), False
            if d > 1:
                yield f"directions {n} {d}", rng.standard_normal((n, d)), True
    centres = rng.standard_normal((15, 12))
    clustered = centres[rng.integers(0, 15, 1500)] + 0.2 * rng.standard_normal((1500, 12))
    yield "clusters", clustered, False
    yield "unit clusters", clustered, True
    yield "cube", rng.random((1500, 5)), False
    yield "lattice", rng.integers(0, 5, (1500, 4)).astype(float), False
    yield "duplicates", np.repeat(rng.standard_normal((100, 5)), 12, axis=0), False
    yield "few that are distinct", np.eye(3)[rng.integers(0, 3, 500)], True
    yield "all the same", np.ones((300, 4)), False


@pytest.mark.parametrize(
    ("vectors", "normalize"),
    [pytest.param(vectors, unit, id=name) for name, vectors, unit in clean_pools()],
)
@pytest.mark.filterwarnings("ignore::evenly.errors.DuplicateRowsWarning")
def test_clean_pools_are_not_warned_of(vectors, normalize):
    # Any warning is an error in these tests.
    select_uniform(vectors, 25, normalize=normalize)


@pytest.mark.parametrize("d", [2, 10, 100])
def test_rows_far_outside_are_told_of(d):
    vectors = np.random.default_rng(2).standard_normal((1000, d))
    junk = [3, 500, 999]
    vectors[junk] = 20 * np.sqrt(d) * np.array([[1], [-1], [-3]]) * np.eye(d)[0]

    with pytest.warns(errors.IsolatedRowsWarning, match=r"^3 of the first 20 picks .*row 500"):
        select_uniform(vectors, 25, normalize=False)
    with pytest.warns(errors.IsolatedRowsWarning, match="1 of the first 1 pick is"):
        select_uniform(vectors, 1, normalize=False)


def test_directions_that_no_other_row_has_are_told_of():
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((30, 60))[rng.integers(0, 30, 2000)]
    vectors = np.concatenate([vectors + 0.4 * rng.standard_normal((2000, 60)), np.zeros((2, 60))])
    vectors[2000:] = np.linalg.svd(vectors[:2000])[2][-2:]
    chosen = points_of(vectors, normalize=True)

    assert isolated_among(chosen, np.arange(1980, 2002)).tolist() == [2000, 2001]


def test_looking_at_some_rows_only_is_checked_against_all():
    """A small group has neighbours, though a thinned pool may hold none of them."""
    vectors = np.random.default_rng(0).standard_normal((2000, 3))
    vectors[101:107] = [50.0, 0, 0]  # six rows together
    vectors[7] = [0, 50.0, 0]

    found = isolated_among(points_of(vectors), np.array([101, 7, 13]), most_compared=100)

    assert found.tolist() == [7]


def test_the_warning_shows_where_and_what_the_rows_are(tmp_path):
    texts = texts_of(200)
    texts[17] = "junk " * 100
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))

    with pytest.warns(errors.IsolatedRowsWarning) as told:
        select_uniform(tmp_path / "train.jsonl", 5, encoder=TopicEncoder(), normalize=False)

    message = str(told[0].message)
    assert message.startswith("1 of the first 5 picks is far from all other rows")
    assert f'{tmp_path / "train.jsonl"}, line 18 ("{("junk " * 14)[:69]}…")' in message
    assert "density_weight=1 prefers typical ones; drop_outliers=0.005 leaves out that" in message
    assert told[0].filename == __file__


def test_who_weighs_distances_is_not_told_to_weigh_them():
    vectors, quality = with_junk(), np.ones(200)
    quality[JUNK] = 2.0

    with pytest.warns(errors.IsolatedRowsWarning) as told:
        select_uniform(vectors, 5, normalize=False, quality=quality)

    assert "such rows first. drop_outliers=" in str(told[0].message)


def test_who_drops_outliers_or_goes_on_is_not_warned_again():
    vectors = with_junk()

    with pytest.warns(errors.IsolatedRowsWarning):
        chosen = select_uniform(vectors, 5, normalize=False)

    chosen.extend(8)
    select_uniform(vectors, 5, normalize=False, drop_outliers=0.01)
    select_uniform(vectors, 2, normalize=False, include=JUNK)
    measure(vectors, chosen, normalize=False)
