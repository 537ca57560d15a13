"""`away_from=`: rows of the data, other data and earlier selections, as points of the pool."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evenly import select_uniform
from evenly.errors import (
    OptionError,
    VectorError,
)
from evenly.inputs.prepare import prepare
from evenly.options import InputOptions
from tests.support import oracle
from tests.support.encoders import TopicEncoder
from tests.support.rules import INPUTS, OPTIONS, RECORDS, RNG, VECTORS, rules


def test_other_data_to_keep_away_from_are_taken_in_as_the_pool_is(words, tmp_path):
    path = tmp_path / "seen.jsonl"
    path.write_text('{"text": "bead"}\n{"text": "jig"}\n')
    expected = prepare(["bead", "jig"], INPUTS).points

    for given in (["bead", "jig"], str(path), path, pd.DataFrame({"text": ["bead", "jig"]})):
        found = rules(words, away_from=given)
        assert found.away_rows is None
        assert found.excluded is None
        np.testing.assert_array_equal(found.away.exact(np.arange(2)), expected.exact(np.arange(2)))
    assert rules(words, away_from=["bead"], id_column=None).away.unit
    # Plain strings have no column, and need none.
    with_text = prepare(RECORDS, InputOptions(**OPTIONS, text="text"))
    found = rules(with_text, away_from=["bead", "jig"])
    np.testing.assert_array_equal(found.away.exact(np.arange(2)), expected.exact(np.arange(2)))


def test_vectors_to_keep_away_from_are_scaled_as_the_pool_is():
    others = RNG.normal(size=(3, 4))
    for normalize in (True, False):
        prepared = prepare(VECTORS, InputOptions(normalize=normalize))
        found = rules(prepared, away_from=others)
        assert found.away.unit == normalize
        # In the type of the pool, so that the same vector is at distance 0.
        assert found.away.stored.dtype == np.float32
        same = rules(prepared, away_from=VECTORS.astype(float))
        assert np.array_equal(same.away.stored, VECTORS)


def test_bad_rows_of_other_data_are_refused_or_left_out(vectors):
    others = np.array([[1, 0, 0, 0], [0, 0, 0, 0]], float)
    with pytest.raises(VectorError, match="1 of 2 rows"):
        rules(vectors, away_from=others)
    found = rules(prepare(VECTORS, InputOptions(on_invalid="drop")), away_from=others)
    assert len(found.away) == 1
    assert found.away.eligible.all()


def test_an_encoder_that_gives_other_dimensions_each_time_is_told_so():
    class Fitted:
        def encode(self, texts):
            return np.eye(len(texts))

    prepared = prepare(["a", "b", "c"], InputOptions(**{**OPTIONS, "encoder": Fitted()}))

    with pytest.raises(VectorError, match="vectors of 2 dimensions; those of a list"):
        rules(prepared, budget=2, away_from=["d", "e"])


def test_texts_are_no_company_for_vectors(vectors):
    with pytest.raises(OptionError, match=r"holds texts.*holds vectors"):
        rules(vectors, away_from=["bead"])


def test_an_earlier_selection_from_the_same_data_is_its_rows(words):
    earlier = select_uniform(RECORDS, 3, **OPTIONS)
    rows = sorted(earlier.indices.tolist())

    found = rules(words, away_from=earlier)

    assert found.away_rows.tolist() == rows
    assert np.flatnonzero(found.excluded).tolist() == rows
    assert rules(words, include=earlier).include.tolist() == earlier.indices.tolist()
    assert np.flatnonzero(rules(words, exclude=earlier).excluded).tolist() == rows


def test_an_earlier_selection_from_other_data_is_its_vectors(words):
    earlier = select_uniform([{"q": word} for word in ("bead", "jig", "abc")], 2, **OPTIONS)
    chosen = [["bead", "jig", "abc"][row] for row in earlier.indices]

    found = rules(words, away_from=earlier)

    assert found.away_rows is None
    np.testing.assert_array_equal(
        found.away.exact(np.arange(2)), prepare(chosen, INPUTS).points.exact(np.arange(2))
    )
    with pytest.raises(OptionError, match="include is a selection from other data"):
        rules(words, include=earlier)


def test_an_earlier_selection_of_vectors(vectors, tmp_path):
    from evenly import Selection

    others = RNG.normal(size=(6, 4)).astype(np.float32)
    np.save(tmp_path / "others.npy", others)
    select_uniform(tmp_path / "others.npy", 3).save(tmp_path / "earlier.json")
    earlier = Selection.load(tmp_path / "earlier.json")

    found = rules(vectors, away_from=earlier)

    assert np.array_equal(found.away.stored, others[earlier.indices])
    wide = select_uniform(RNG.normal(size=(6, 5)), 3)
    with pytest.raises(VectorError, match="5 dimensions"):
        rules(vectors, away_from=wide)


def test_a_selection_by_another_encoder_is_refused(words):
    class Others(TopicEncoder):
        name = "others"

    earlier = select_uniform(RECORDS, 3, **{**OPTIONS, "encoder": Others()})

    with pytest.raises(OptionError, match=r"encoder others .*is now TopicEncoder"):
        rules(words, away_from=earlier)


def test_distances_have_rows_to_keep_away_from_and_no_vectors():
    matrix = np.abs(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    prepared = prepare(matrix, InputOptions(engine="distances"))

    found = rules(prepared, budget=2, away_from=[3])
    assert found.away is None
    assert found.away_rows.tolist() == [3]
    assert not found.is_plain
    with pytest.raises(OptionError, match="distances"):
        rules(prepared, budget=2, away_from=matrix)


@pytest.mark.parametrize("seed", range(5))
def test_points_to_keep_away_from_may_be_far_longer_than_the_rows_of_the_pool(seed):
    # So far away that float32 cannot tell their distances from a row apart.
    random = np.random.default_rng(seed)
    pool, away = (random.normal(size=(size, 5)).astype(np.float32) for size in (400, 60))
    pool[:, 0], away[:, 0] = 0, 30_000

    found = select_uniform(pool, 4, away_from=away, normalize=False)

    expected = oracle.with_rules(pool, 4, False, [], away=away)
    np.testing.assert_array_equal(found.indices, expected[0])
