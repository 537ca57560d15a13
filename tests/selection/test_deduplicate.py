"""Duplicates: who is kept, who stands for whom, and that no row is lost."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import Deduplication, Selection, deduplicate
from evenly.errors import (
    BudgetError,
    DataError,
    ManifestError,
    OptionError,
    OutputExistsError,
    TextError,
)
from evenly.selection.packing.packer import Packer
from evenly.selection.packing.target_size import GraphUse, distance_for_size
from tests.support.encoders import TopicEncoder
from tests.support.packings import gaps_of, packing_by_definition, points_of
from tests.support.pools import pools

WHOLE = {"normalize": False}
NO_CACHE = {"cache_dir": False}


class Never:
    """An encoder that must not be asked."""

    def encode(self, texts):
        raise AssertionError("no text needed to be embedded")


def check_who_stands_for_whom(found, gaps):
    """Every row has the nearest kept row, of several the first; nearer than the distance."""
    kept = found.indices
    for row, (one, distance) in enumerate(zip(found.representative, found.distances, strict=True)):
        if row in kept:
            assert (one, distance) == (row, 0)
            continue
        to_kept = gaps[row][kept]
        assert one in kept
        assert distance == pytest.approx(to_kept.min(), rel=1e-12, abs=1e-14)
        assert gaps[row][one] <= to_kept.min() * (1 + 1e-12) + 1e-14
        assert distance < found.min_distance or distance == 0
    in_groups = [row for group in found.groups.values() for row in group]
    assert sorted([*in_groups, *kept]) == list(range(len(gaps)))
    for one, group in found.groups.items():
        assert {int(found.representative[row]) for row in group} == {one}
        assert [found.distances[row] for row in group] == sorted(found.distances[group])
    assert found.merged == len(gaps) - len(kept)


@given(data=st.data(), vectors=pools(max_rows=40), normalize=st.booleans())
def test_what_is_kept_is_a_packing_and_others_go_to_the_nearest(data, vectors, normalize):
    gaps = gaps_of(vectors, normalize)
    distance = float(data.draw(st.sampled_from([0.0, *gaps.ravel()])))
    quality = data.draw(
        st.none() | st.lists(st.integers(0, 3), min_size=len(gaps), max_size=len(gaps))
    )
    best = {"keep": "best", "quality": quality} if quality else {}

    found = deduplicate(vectors, distance, **best, normalize=normalize)

    rank = quality or [0] * len(gaps)
    order = sorted(range(len(gaps)), key=lambda row: (-rank[row], row))
    expected = packing_by_definition(vectors, order, distance, normalize=normalize)
    assert found.indices.tolist() == sorted(expected)
    assert found.min_distance == distance
    check_who_stands_for_whom(found, gaps)
    of_distances = deduplicate(gaps, distance, **best, engine="distances")
    assert of_distances.indices.tolist() == found.indices.tolist()


@given(
    words=st.lists(st.sampled_from(["a", "aa", "ab", "ba", "abba", "j", "jjjjj"]), min_size=1),
    keep=st.sampled_from(["first", "longest"]),
    distance=st.sampled_from([0, 0.3, 0.9]),
)
def test_texts_that_are_the_same_are_merged_before_they_are_embedded(words, keep, distance):
    encoder = TopicEncoder() if distance else Never()

    found = deduplicate(words, distance, keep=keep, encoder=encoder, **NO_CACHE)

    if distance:
        assert sorted(encoder.seen) == sorted(set(words))
        assert {words[row] for row in found.indices} <= set(words)
    else:
        assert {words[row] for row in found.indices} == set(words)
        check_who_stands_for_whom(
            found, np.array([[one != other for one in words] for other in words], float)
        )
    length = [len(word) if keep == "longest" else 0 for word in words]
    order = sorted(range(len(words)), key=lambda row: (-length[row], row))
    groups = {}
    for row in order:
        groups.setdefault(words[row], []).append(row)
    several = [group for group in groups.values() if len(group) > 1]
    assert found.duplicates == sorted(several)
    assert found.exact_duplicates == len(words) - len(set(words))
    firsts = {group[0] for group in groups.values()}
    assert set(found.indices.tolist()) <= firsts
    if distance:
        vectors = TopicEncoder().encode(words)
        whole = packing_by_definition(vectors, order, distance, normalize=True)
        assert found.indices.tolist() == sorted(whole)
        check_who_stands_for_whom(found, gaps_of(vectors, True))


def test_numbers_that_are_equal_are_told_whatever_their_signs_of_zero():
    vectors = np.array([[1.0, 0.0], [2.0, 0.0], [1.0, -0.0], [1.0, 0.0], [0.5, 7.0]])

    found = deduplicate(vectors, 0, **WHOLE)
    unit = deduplicate(vectors, 0)

    assert found.duplicates == unit.duplicates == [[0, 2, 3]]
    assert found.indices.tolist() == [0, 1, 4]
    assert found.groups == {0: [2, 3]}
    assert unit.indices.tolist() == [0, 4]  # row 1 has the same direction
    assert unit.groups == {0: [1, 2, 3]}


@settings(max_examples=200)
@given(data=st.data(), vectors=pools(max_rows=40), path=st.sampled_from(["packings", "pairs"]))
def test_to_leaves_at_most_so_many_rows_and_as_many_as_were_found(data, vectors, path):
    left = data.draw(st.integers(1, len(vectors)))
    points, order = points_of(vectors), np.array(data.draw(st.permutations(range(len(vectors)))))
    packer, tried = Packer(points), {}

    def pack(distance, limit):
        tried[distance] = packer.pack(order, distance, limit=limit).rows
        return tried[distance]

    use = GraphUse(least_share=1.0 if path == "packings" else 0.0, pairs_per_row=1)

    distance, kept = distance_for_size(points, order, left, pack, use)

    assert kept.tolist() == packing_by_definition(vectors, order, distance)
    assert 1 <= len(kept) <= left
    if len(kept) == left or distance == 0:
        return
    if path == "packings":
        near = max(one for one, rows in tried.items() if len(rows) > left)
        enough = [one for one, rows in tried.items() if len(rows) <= left]
        assert min(enough) <= near * (1 + 2.0**-15)
        assert len(kept) == max(len(tried[one]) for one in enough)


def test_to_meets_the_number_where_distances_differ():
    vectors = np.random.default_rng(0).standard_normal((300, 5))

    for left in (1, 7, 100, 290, 300):
        assert len(deduplicate(vectors, to=left, **WHOLE)) == left
    assert len(deduplicate(vectors, to=0.5, **WHOLE)) == 150
    assert deduplicate(vectors, to=1.0, **WHOLE).min_distance == 0


def test_too_many_close_pairs_are_packed_without_a_graph():
    vectors = np.random.default_rng(0).standard_normal((101, 3))
    packer, order = Packer(points_of(vectors)), np.arange(101)

    def pack(distance, limit):
        return packer.pack(order, distance, limit=limit).rows

    found = [
        distance_for_size(packer.points, order, 50, pack, GraphUse(pairs_per_row=pairs))
        for pairs in (0, 64)
    ]

    assert len(found[0][1]) == 50
    assert found[0][1].tolist() == packing_by_definition(vectors, order, found[0][0])
    assert found[1][1].tolist() == packing_by_definition(vectors, order, found[1][0])


def test_to_is_a_fraction_of_the_usable_rows():
    vectors = np.random.default_rng(0).standard_normal((101, 3))
    vectors[3] = 0

    found = deduplicate(vectors, to=0.5, on_invalid="drop")

    assert len(found) == 50
    assert found.representative[3] == -1
    assert np.isnan(found.distances[3])
    assert 3 not in found.groups


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "questions.jsonl"
    texts = [
        "Add three and four.",
        "Please add three and four.",
        "Add three and four.",
        "Sort a list in Python.",
        "How do I sort a list in Python?",
        "Name the rivers of France.",
    ]
    lines = [{"text": text, "n": n} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_records_that_are_kept_are_written_as_they_are(questions, tmp_path):
    found = deduplicate(questions, 0.5, keep="longest", encoder=TopicEncoder(), **NO_CACHE)

    assert found.indices.tolist() == [1, 4, 5]
    found.write(tmp_path / "kept.jsonl")
    lines = questions.read_text().splitlines()
    assert (tmp_path / "kept.jsonl").read_text().splitlines() == [lines[1], lines[4], lines[5]]
    with pytest.raises(OutputExistsError):
        found.write(tmp_path / "kept.jsonl")
    assert found.take(list("uvwxyz")) == ["v", "y", "z"]
    with pytest.raises(DataError, match="the deduplication was made from 6"):
        found.take(["u", "v"])
    assert "3 of 6 rows kept, 3 merged" in repr(found)


def test_it_is_saved_and_loaded(questions, tmp_path):
    found = deduplicate(questions, 0.5, encoder=TopicEncoder(), **NO_CACHE)

    found.save(tmp_path / "kept.json")
    loaded = Deduplication.load(tmp_path / "kept.json")

    assert loaded.as_dict() == found.as_dict()
    assert loaded.groups == found.groups == {0: [2, 1], 3: [4]}
    loaded.write(tmp_path / "kept.jsonl")
    assert len((tmp_path / "kept.jsonl").read_text().splitlines()) == 3
    with pytest.raises(ManifestError, match="not a saved selection"):
        Selection.load(tmp_path / "kept.json")
    document = json.loads((tmp_path / "kept.json").read_text())
    for change in ({"representative": [1]}, {"indices": [0]}, {"distances": None}):
        (tmp_path / "bad.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(ManifestError, match="is damaged"):
            Deduplication.load(tmp_path / "bad.json")


def test_rows_without_a_text_are_refused_or_dropped():
    texts = ["a", "", "a", None, "b"]

    with pytest.raises(TextError, match="2 of 5 rows"):
        deduplicate(texts, 0)
    with warnings.catch_warnings():
        found = deduplicate(texts, 0, on_invalid="drop")
    assert found.representative.tolist() == [0, -1, 0, -1, 4]
    assert found.provenance.dropped.keys() == {1, 3}
    assert json.loads(json.dumps(found.as_dict()))["distances"] == [0, None, 0, None, 0]


@pytest.mark.parametrize("similarity", [1, 0.95, 0.3, 0.0, -1.0])
def test_a_similarity_is_a_distance_of_unit_rows(similarity):
    rows = np.random.default_rng(3).normal(size=(60, 3))

    found = deduplicate(rows, similarity=similarity)

    distance = math.sqrt(2 - 2 * similarity)
    assert found.min_distance == pytest.approx(distance)
    assert found.indices.tolist() == deduplicate(rows, distance).indices.tolist()
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.ix_(found.indices, found.indices)]
    assert (cosines[~np.eye(len(found), dtype=bool)] <= similarity + 1e-9).all()
    assert found.provenance.options["similarity"] == similarity


def test_a_similarity_of_1_needs_no_encoder():
    assert len(deduplicate(["a", "b", "a"], similarity=1.0, encoder=Never())) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, OptionError, "give one of min_distance= .* similarity= .* and to="),
        ({"similarity": 0.9, "to": 2}, OptionError, "give one of"),
        ({"similarity": 0.9, "min_distance": 0.1}, OptionError, "give one of"),
        ({"similarity": 95}, OptionError, "between -1 and 1, such as 0.95, got 95"),
        ({"similarity": True}, OptionError, "got True"),
        ({"similarity": float("nan")}, OptionError, "got nan"),
        ({"similarity": 0.9, "normalize": False}, OptionError, "give min_distance"),
        ({"similarity": 0.9, "engine": "distances"}, OptionError, "give min_distance"),
        ({"min_distance": 0.1, "to": 2}, OptionError, "give one of"),
        ({"min_distance": -0.1}, OptionError, "0 or more, got -0.1"),
        ({"min_distance": float("inf")}, OptionError, "finite distance"),
        ({"to": 0}, BudgetError, "got 0"),
        ({"to": 1.5}, BudgetError, "got 1.5"),
        ({"to": 0.0}, BudgetError, "got 0.0"),
        ({"to": True}, BudgetError, "got True"),
        ({"to": 5}, BudgetError, "between 1 and the 4 usable rows, got 5"),
        ({"to": 2, "keep": "last"}, OptionError, "first, longest, best, got 'last'"),
        ({"to": 2, "keep": "best"}, OptionError, "without quality="),
        ({"to": 2, "quality": [1, 2, 3, 4]}, OptionError, "keep='first' with quality="),
        ({"to": 2, "keep": "longest"}, OptionError, "holds vectors"),
        ({"to": 2, "keep": "best", "quality": [1, 2, -3, 4]}, DataError, "row 2 is -3"),
        ({"to": 2, "engine": "faiss"}, OptionError, "auto, memory, mapped, distances"),
    ],
)
def test_what_cannot_be_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        deduplicate(np.eye(4), **options)


def test_texts_are_read_once():
    calls = []

    def text_of(record):
        calls.append(record)
        return record["text"]

    found = deduplicate(
        [{"text": word} for word in ("a", "bb", "a")],
        0.1,
        keep="longest",
        text=text_of,
        encoder=TopicEncoder(),
        **NO_CACHE,
    )

    assert found.indices.tolist() == [0, 1]
    assert len(calls) == 3
