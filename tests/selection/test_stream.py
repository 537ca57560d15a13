"""`select_stream`: batches of every kind, and the same answer however they are cut."""

import gzip
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import errors, select_stream, select_uniform
from tests.support.encoders import TopicEncoder
from tests.support.oracle import gaps_by_definition
from tests.support.oracle import h_min as h_min_by_definition
from tests.support.pools import pools
from tests.support.streams import RECORDS, TEXTS, VECTORS, cut, quiet


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


def answer_of(found):
    """Return everything that a stream says of its rows."""
    found = found.as_dict()
    return found | {"provenance": found["provenance"]["details"]}


@quiet
@given(
    vectors=pools(max_rows=200),
    normalize=st.booleans(),
    k=st.integers(1, 5),
    keep=st.integers(2, 4),
    sizes=st.lists(st.integers(1, 20)),
    batch_size=st.sampled_from([1, 3, 64]),
)
@settings(max_examples=150)
def test_how_it_is_cut_into_batches_changes_nothing(vectors, normalize, k, keep, sizes, batch_size):
    vectors = np.concatenate([np.zeros((1, vectors.shape[1]), vectors.dtype), vectors[::-1]])
    k = min(k, len(vectors) - 1)
    options = {"normalize": normalize, "keep": keep, "on_invalid": "drop"}
    whole = answer_of(select_stream([vectors], k, **options))

    assert answer_of(select_stream(cut(vectors, sizes), k, **options)) == whole
    assert answer_of(select_stream(vectors, k, batch_size=batch_size, **options)) == whole


@quiet
@given(
    vectors=pools(max_rows=60),
    copies=st.integers(0, 60),
    normalize=st.booleans(),
    sizes=st.lists(st.integers(1, 20)),
    data=st.data(),
)
@settings(max_examples=150)
def test_while_every_row_is_kept_or_repeats_one_it_is_the_answer_of_select_uniform(
    vectors, copies, normalize, sizes, data
):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    rows = np.concatenate([vectors, vectors[random.integers(0, len(vectors), copies)]])
    rows = random.permutation(rows)
    k = data.draw(st.integers(-(-len(vectors) // 4), len(rows)))
    expected = select_uniform(rows, k, normalize=normalize)

    found = select_stream(cut(rows, sizes), k, normalize=normalize)

    assert found.indices.tolist() == expected.indices.tolist()
    assert found.radii.tolist() == expected.radii.tolist()
    assert found.coverage_bound == expected.coverage_radius
    assert found.h_min_bound <= 2 * expected.h_min or normalize


def test_rows_that_tie_within_rounding_are_covered_as_by_select_uniform():
    """The farthest left-out row ties with the last pick, which some rounding makes a bit nearer."""
    found, expected = [], []
    for seed in range(300):
        random = np.random.default_rng(seed)
        rows = np.unique(random.integers(-1, 3, (33, 8)), axis=0).astype(float)
        rows = random.permutation(rows[rows.any(axis=1)])
        expected.append(select_uniform(rows, 21).coverage_radius)
        found.append(select_stream([rows], 21).coverage_bound)

    assert found == expected


def test_the_mean_of_many_repeated_rows_is_that_of_select_uniform():
    rows = np.random.default_rng(3).standard_normal((8, 3))
    rows = rows[np.random.default_rng(4).integers(0, 8, 20_000) ** 2 % 8]
    expected = select_uniform(rows, 2, normalize=False)

    found = select_stream(rows, 2, normalize=False, batch_size=1000)

    assert found.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("dimension", [2, 8, 33])
def test_bounds_of_unit_rows_are_possible_on_a_sphere(dimension):
    rows = np.random.default_rng(0).standard_normal((3000, dimension))

    for k in (1, 2, 3, 30):
        found = select_stream(rows, k, keep=2)

        gaps = gaps_by_definition(rows, True)[:, found.indices]
        assert gaps.min(axis=1).max() <= found.coverage_bound <= 2.0 + 1e-9
        if k > 1:
            assert found.h_min <= found.h_min_bound <= np.sqrt(2 * k / (k - 1)) + 1e-9
        if k > dimension + 1:
            assert found.h_min_bound <= np.sqrt(2) + 1e-9


def test_h_min_is_near_that_of_select_uniform():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40, 8))[rng.integers(0, 40, 4000)]
    rows = rows + 0.3 * rng.standard_normal((4000, 8))
    expected = select_uniform(rows, 50)

    found = select_stream(rows, 50, second_pass=True)

    assert found.provenance.details["stream"]["candidates"] <= 200
    assert found.h_min >= 0.9 * expected.h_min
    assert found.coverage_radius <= 1.2 * expected.coverage_radius


def test_duplicates_are_candidates_once():
    rows = np.repeat(np.arange(5.0), 40)[:, None]

    found = select_stream([rows, rows], 3, normalize=False)

    assert sorted(rows[found.indices % 200, 0].tolist()) == [0.0, 2.0, 4.0]
    assert found.coverage_bound == 1.0
    assert found.provenance.details["stream"]["candidates"] == 5


def test_fewer_distinct_rows_than_the_budget_are_filled_up_with_duplicates():
    rows = np.array([[1.0, 0], [2, 0], [0, 1], [0, 3], [5, 0]])

    with pytest.warns(errors.DuplicateRowsWarning, match="only 2 of the rows") as told:
        found = select_stream([rows[:3], rows[3:]], 4)

    assert sorted(found.indices[:2].tolist()) == [0, 2]
    assert found.indices[2:].tolist() == [1, 3]
    assert found.radii[2:].tolist() == [0, 0]
    assert (found.h_min, found.coverage_bound) == (0.0, 0.0)
    np.testing.assert_array_equal(found.records, rows[found.indices])
    assert told[0].filename == __file__
    with pytest.warns(errors.DuplicateRowsWarning):
        assert select_uniform(rows, 4).indices[2:].tolist() == [1, 3]


def test_types_may_get_wider_and_rows_longer():
    batches = [
        VECTORS[:50].astype(np.float16),
        (100 * VECTORS[50:60]).astype(np.float32),
        VECTORS[60:150] * 1e6,
        np.round(VECTORS[150:200] * 10).astype(np.int64),
    ]
    exact = np.concatenate([batch.astype(float) for batch in batches])

    found = select_stream(batches, 10, normalize=False, second_pass=True)

    assert found.h_min == pytest.approx(h_min_by_definition(exact[found.indices]), rel=1e-12)
    gaps = gaps_by_definition(exact, False)[:, found.indices]
    assert found.coverage_radius == pytest.approx(gaps.min(axis=1).max(), rel=1e-12)
    together = select_stream([exact], 10, normalize=False)
    assert found.indices.tolist() == together.indices.tolist()


def test_records_and_texts_come_back_by_their_row_numbers():
    found = select_stream(cut(RECORDS, [10, 1, 25]), 6, encoder=TopicEncoder())

    assert [record["id"] for record in found.records] == found.indices.tolist()
    assert found.provenance.text == "text"
    assert found.provenance.input.rows == 60
    assert found.provenance.encoder.name == "TopicEncoder"
    strings = select_stream(cut(TEXTS, [9]), 6, encoder=TopicEncoder())
    assert strings.records == [TEXTS[row] for row in strings.indices]
    assert strings.indices.tolist() == found.indices.tolist()
    assert found.take(RECORDS) == found.records
    encoder = found.provenance.encoder
    assert (encoder.reused, encoder.computed) == (0, 60)


def kinds_of_batches(folder):
    import datasets
    import pandas
    import pyarrow

    halves = (RECORDS[:30], RECORDS[30:])
    for name, records in zip(("a.jsonl", "b.jsonl"), halves, strict=True):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    content = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()
    (folder / "all.jsonl.gz").write_bytes(gzip.compress(content))
    table = pyarrow.Table.from_pylist(RECORDS)
    return {
        "lists": list(halves),
        "generator": (half for half in halves),
        "paths": [str(folder / "a.jsonl"), folder / "b.jsonl"],
        "a glob": str(folder / "*.jsonl"),
        "a path": folder / "all.jsonl.gz",
        "columns": [
            {"id": range(30), "text": TEXTS[:30]},
            {"id": range(30, 60), "text": TEXTS[30:]},
        ],
        "frames": [pandas.DataFrame(half) for half in halves],
        "a frame": pandas.DataFrame(RECORDS),
        "record batches": table.to_batches(max_chunksize=7),
        "a reader": pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches()),
        "a table": table,
        "a dataset": datasets.Dataset.from_list(RECORDS),
        "an iterable dataset": datasets.Dataset.from_list(RECORDS).to_iterable_dataset(),
        "a pipe": io.BytesIO(content),
        "a file and a list": [folder / "a.jsonl", RECORDS[30:], []],
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("lists", "generator", "paths", "a glob", "a path", "columns", "frames", "a frame"),
        *("record batches", "a reader", "a table", "a dataset", "an iterable dataset", "a pipe"),
        "a file and a list",
    ],
)
@pytest.mark.parametrize("batch_size", [8, 1000])
def test_batches_of_every_kind(kind, batch_size, tmp_path):
    expected = select_stream([RECORDS], 5, encoder=TopicEncoder())
    batches = kinds_of_batches(tmp_path)[kind]

    found = select_stream(batches, 5, encoder=TopicEncoder(), batch_size=batch_size)

    assert found.indices.tolist() == expected.indices.tolist()
    assert [record["id"] for record in found.records] == found.indices.tolist()


def test_vectors_in_files_tensors_and_arrays(tmp_path):
    torch = pytest.importorskip("torch")
    np.save(tmp_path / "vectors.npy", VECTORS)
    expected = select_stream([VECTORS], 9)

    for batches in (
        VECTORS,
        tmp_path / "vectors.npy",
        torch.from_numpy(VECTORS),
        [VECTORS.tolist()],
    ):
        found = select_stream(batches, 9, batch_size=64)
        assert found.indices.tolist() == expected.indices.tolist()
        np.testing.assert_array_equal(found.records, VECTORS[found.indices])


def test_rows_that_cannot_be_used_are_counted_and_never_chosen():
    batches = [["", *TEXTS[:10]], [None, ""], [*TEXTS[10:20], ""]]

    found = select_stream(batches, 20, encoder=TopicEncoder(), on_invalid="drop")

    assert found.provenance.details["stream"]["dropped"] == 4
    assert sorted(found.indices.tolist()) == [*range(1, 11), *range(13, 23)]
    with pytest.raises(
        errors.TextError, match=r"^in the batch that begins with row 10: .*row 1 is"
    ):
        select_stream([TEXTS[:10], ["a", ""]], 3, encoder=TopicEncoder())
    with pytest.raises(errors.BudgetError, match="budget is 21 rows, but only 20 usable rows"):
        select_stream(batches, 21, encoder=TopicEncoder(), on_invalid="drop")


def test_rows_in_files_are_named_as_in_their_files(tmp_path):
    lines = [json.dumps({"text": text}) for text in TEXTS[:20]]
    lines[17] = json.dumps({"text": None})
    (tmp_path / "a.jsonl").write_text("\n".join(lines))

    with pytest.raises(errors.TextError, match=r"begins with row 15: .*a\.jsonl, line 18"):
        select_stream(tmp_path / "a.jsonl", 3, encoder=TopicEncoder(), batch_size=5)


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        (["no such file"], "A string in a stream is a path"),
        ([{"text": "a"}], "must be lists of the same length. If it is a single record"),
        ([{"text": ["a"], "id": [1, 2]}], "must be lists of the same length"),
        ({"text": ["a"]}, "iterable of batches or a path, got a dict"),
        (7, "got a int"),
        ([io.StringIO('{"text": "a"}')], "Open it in binary mode"),
        ([3.5], "cannot read data from a float"),
    ],
)
def test_what_cannot_be_batches_is_refused(batches, said):
    with pytest.raises(errors.DataError) as raised:
        select_stream(batches, 1, encoder=TopicEncoder())
    assert said in str(raised.value)


@pytest.mark.parametrize("budget", [0, -1, 0.5, True, "3", None])
def test_what_cannot_be_a_budget_is_refused(budget):
    with pytest.raises(errors.BudgetError, match="budget of a stream"):
        select_stream([VECTORS], budget)


@pytest.mark.parametrize("option", [{"keep": 1}, {"batch_size": 0}, {"keep": 2.5}])
def test_what_cannot_be_a_count_is_refused(option):
    with pytest.raises(errors.OptionError, match=next(iter(option))):
        select_stream([VECTORS], 3, **option)


def test_a_stream_without_rows_is_too_small_for_any_budget():
    with pytest.raises(errors.BudgetError, match="only 0 usable rows"):
        select_stream([], 1)


def test_a_second_pass_needs_what_can_be_read_twice():
    with pytest.raises(errors.OptionError, match="this generator cannot"):
        select_stream((batch for batch in [VECTORS]), 3, second_pass=True)
    with pytest.raises(errors.OptionError, match="this BytesIO cannot"):
        select_stream(io.BytesIO(b""), 3, second_pass=True)

    class Changing:
        times = 0

        def __iter__(self):
            self.times += 1
            yield VECTORS[: 100 * self.times]

    with pytest.raises(errors.DataError, match="100 rows arrived in the first pass and 200"):
        select_stream(Changing(), 3, second_pass=True)
