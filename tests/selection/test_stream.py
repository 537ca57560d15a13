"""One pass over a stream: the guarantee by brute force, and the same answer however it is cut."""

import functools
import gzip
import io
import json
import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import StreamSelection, UniformStream, cli, errors, select_stream, select_uniform
from evenly.geometry import Points, row_lengths
from evenly.selection.streaming import cover as module
from evenly.selection.streaming.cover import StreamingCover
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.oracle import gaps_by_definition
from tests.support.oracle import h_min as h_min_by_definition
from tests.support.pools import pools

TEXTS = texts_of(60)
RECORDS = [{"id": row, "text": text} for row, text in enumerate(TEXTS)]
VECTORS = np.random.default_rng(0).standard_normal((300, 4))

quiet = pytest.mark.filterwarnings("ignore::evenly.errors.DuplicateRowsWarning")


class CachedTopicEncoder(TopicEncoder):
    fingerprint = "topics 1"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


def cut(rows, sizes):
    """Batches of these sizes, the last of what is left."""
    begin = 0
    for size in sizes:
        yield rows[begin : begin + size]
        begin += size
    yield rows[begin:]


def smallest_radius_on_a_line(values, k):
    """The radius of the best k centres, rows or not: half the longest of k intervals."""
    values = np.sort(values)
    best = math.inf
    for ends in combinations(range(1, len(values)), min(k, len(values)) - 1):
        bounds = [0, *ends, len(values)]
        widths = [values[b - 1] - values[a] for a, b in pairwise(bounds)]
        best = min(best, max(widths) / 2)
    return best


streams_on_a_line = st.lists(
    st.one_of(
        st.integers(0, 60), st.floats(0, 60, width=16), st.sampled_from([2.0**n for n in range(12)])
    ),
    min_size=3,
    max_size=13,
)


@quiet
@given(values=streams_on_a_line, k=st.integers(1, 3), data=st.data())
@settings(max_examples=400)
def test_within_eight_times_the_best_radius_in_any_order(values, k, data):
    order = data.draw(st.permutations(values))
    rows = np.array(order, float)[:, None]

    found = select_stream([rows], k, normalize=False, keep=2)

    gaps = np.abs(rows - rows[:, 0])[:, found.indices]
    covered = gaps.min(axis=1).max()
    best = smallest_radius_on_a_line(rows[:, 0], k)
    assert covered <= 8 * best * (1 + 1e-9)
    assert covered <= found.coverage_bound * (1 + 1e-12)
    assert found.coverage_bound <= 8 * best * (1 + 1e-9) or len(set(order)) <= 2 * k
    widest = max(h_min_by_definition(rows[list(c)]) for c in combinations(range(len(rows)), k))
    assert widest <= found.h_min_bound * (1 + 1e-12)


def test_a_stream_that_grows_outwards_stays_within_its_bounds():
    """Each row far beyond those before, the worst order for a threshold that must keep up."""
    for ratio in (1.1, 1.5, 2.0, 3.0):
        rows = ratio ** np.arange(40.0)[:, None]
        for k in (1, 2, 3):
            found = select_stream([rows], k, normalize=False, keep=2)
            covered = np.abs(rows - rows[:, 0])[:, found.indices].min(axis=1).max()
            best = smallest_radius_on_a_line(rows[:, 0], k)
            assert covered <= found.coverage_bound * (1 + 1e-12)
            assert found.coverage_bound <= 8 * best * (1 + 1e-9)


def test_the_candidates_keep_their_promises_all_along():
    """What the proof rests on: reach and threshold, after every row."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        rows = rng.standard_normal((120, 2)) * rng.uniform(0.1, 3, (120, 1)) ** 3
        candidates, k = StreamingCover(3, 6), 3
        for row in range(len(rows)):
            one = rows[row : row + 1]
            candidates.add(
                Points.of(one, row_lengths(one), np.ones(1, bool), normalize=False), np.array([row])
            )
            assert k <= len(candidates) <= 6 or row < k
            assert (
                candidates.reach <= module.REACH_FACTOR * candidates.threshold * (1 + 1e-9)
            ).all()
            gaps = gaps_by_definition(rows[: row + 1], False)[:, candidates.numbers]
            assert (gaps.min(axis=1) <= candidates.reach.max() * (1 + 1e-9)).all()


@quiet
@given(vectors=pools(max_rows=80), normalize=st.booleans(), data=st.data())
def test_what_is_told_is_true_on_every_kind_of_pool(vectors, normalize, data):
    n = len(vectors)
    k = data.draw(st.integers(1, max(1, n // 4)))
    sizes = data.draw(st.lists(st.integers(1, 30), max_size=6))
    keep = data.draw(st.integers(2, 4))

    found = select_stream(
        list(cut(vectors, sizes)), k, normalize=normalize, keep=keep, second_pass=True
    )

    assert len(found) == k == len(set(found.indices.tolist()))
    gaps = gaps_by_definition(vectors, normalize)
    inside = gaps[np.ix_(found.indices, found.indices)] + np.diag(np.full(k, np.inf))
    assert found.h_min == pytest.approx(inside.min(), rel=1e-9, abs=1e-13)
    for place in range(1, k):
        before = gaps[found.indices[place], found.indices[:place]].min()
        assert found.radii[place] == pytest.approx(before, rel=1e-9, abs=1e-13)
    covered = gaps[:, found.indices].min(axis=1).max()
    assert found.coverage_radius == pytest.approx(covered, rel=1e-9, abs=1e-13)
    assert covered <= found.coverage_bound * (1 + 1e-9) + 1e-13
    np.testing.assert_array_equal(found.records, vectors[found.indices])


@quiet
@given(vectors=pools(max_rows=60), normalize=st.booleans(), sizes=st.lists(st.integers(1, 20)))
@settings(max_examples=60)
def test_how_it_is_cut_into_batches_changes_nothing(vectors, normalize, sizes):
    k = max(1, len(vectors) // 5)
    whole = select_stream([vectors], k, normalize=normalize, keep=2)

    found = select_stream(cut(vectors, sizes), k, normalize=normalize, keep=2)

    assert found.indices.tolist() == whole.indices.tolist()
    assert found.radii.tolist() == whole.radii.tolist()
    assert found.coverage_bound == whole.coverage_bound
    small = select_stream(vectors, k, normalize=normalize, keep=2, batch_size=3)
    assert small.indices.tolist() == whole.indices.tolist()


@pytest.mark.parametrize("normalize", [True, False])
def test_while_all_rows_are_kept_it_is_the_answer_of_select_uniform(normalize):
    rows = VECTORS[:80]
    expected = select_uniform(rows, 20, normalize=normalize)

    found = select_stream(cut(rows, [7, 30]), 20, normalize=normalize)

    assert found.indices.tolist() == expected.indices.tolist()
    assert found.radii.tolist() == expected.radii.tolist()
    assert found.coverage_bound == expected.coverage_radius
    assert found.h_min_bound == 2 * expected.h_min


def test_it_comes_near_the_answer_of_select_uniform():
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40, 8))[rng.integers(0, 40, 4000)]
    rows = rows + 0.3 * rng.standard_normal((4000, 8))
    expected = select_uniform(rows, 50)

    found = select_stream(rows, 50, second_pass=True)

    assert found.provenance["candidates"] <= 200
    assert found.h_min >= 0.9 * expected.h_min
    assert found.coverage_radius <= 1.2 * expected.coverage_radius


def test_duplicates_are_candidates_once():
    rows = np.repeat(np.arange(5.0), 40)[:, None]

    found = select_stream([rows, rows], 3, normalize=False)

    assert sorted(rows[found.indices % 200, 0].tolist()) == [0.0, 2.0, 4.0]
    assert found.coverage_bound == 1.0
    assert found.provenance["candidates"] == 5


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


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_what_was_chosen_is_written_in_every_format(suffix, tmp_path):
    found = select_stream([RECORDS], 5, encoder=TopicEncoder())

    found.write(tmp_path / f"out.{suffix}")
    found.write(tmp_path / "in-order.jsonl", order="file")

    again = select_uniform(tmp_path / f"out.{suffix}", 5, text="text", encoder=TopicEncoder())
    assert len(again.take(tmp_path / f"out.{suffix}")) == 5
    ids = [
        json.loads(line)["id"] for line in (tmp_path / "in-order.jsonl").read_text().splitlines()
    ]
    assert ids == sorted(found.indices.tolist())
    with pytest.raises(errors.OutputExistsError):
        found.write(tmp_path / f"out.{suffix}")
    with pytest.raises(errors.OptionError, match="order"):
        found.write(tmp_path / "x.jsonl", order="random")


def test_vectors_are_written_as_vectors(tmp_path):
    found = select_stream(VECTORS, 5)

    found.write(tmp_path / "out.npy")

    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), VECTORS[found.indices])


def test_a_result_is_saved_and_loaded_without_its_records(tmp_path):
    found = select_stream([RECORDS], 5, encoder=TopicEncoder())

    found.save(tmp_path / "found.json")
    loaded = StreamSelection.load(tmp_path / "found.json")

    assert loaded.as_dict() == found.as_dict()
    assert loaded.take(RECORDS) == found.records
    assert "5 of 60 rows" in repr(loaded)
    with pytest.raises(errors.OptionError, match="holds row numbers and no records"):
        loaded.write(tmp_path / "out.jsonl")
    (tmp_path / "found.json").write_text(
        json.dumps({"format": "evenly stream selection", "version": 1, "indices": [0]})
    )
    with pytest.raises(errors.ManifestError, match="damaged"):
        StreamSelection.load(tmp_path / "found.json")


def vectors_and_options(kind):
    if kind == "vectors":
        return VECTORS, {"normalize": False}
    return RECORDS, {"encoder": CachedTopicEncoder(), "text": "text"}


@pytest.mark.parametrize("kind", ["vectors", "records"])
@pytest.mark.parametrize("at", [0, 1, 15, 40])
def test_a_stream_that_was_saved_goes_on_to_the_same_answer(kind, at, tmp_path):
    rows, options = vectors_and_options(kind)
    whole = select_stream([rows], 4, keep=2, **options)
    stream = UniformStream(4, keep=2, **options)
    stream.update(rows[:at] if at else [])

    stream.save(tmp_path / "state.npz")
    later = UniformStream.load(tmp_path / "state.npz", encoder=options.get("encoder"))
    later.update(rows[at:])
    found = later.result()

    assert found.indices.tolist() == whole.indices.tolist()
    assert found.radii.tolist() == whole.radii.tolist()
    assert found.coverage_bound == whole.coverage_bound
    assert list(map(str, found.records)) == list(map(str, whole.records))
    with pytest.raises(errors.OutputExistsError):
        later.save(tmp_path / "state.npz")
    later.save(tmp_path / "state.npz", force=True)


@quiet
def test_duplicates_are_saved_too(tmp_path):
    stream = UniformStream(4)
    stream.update(np.array([[1.0, 0], [2, 0], [0, 1]]))

    stream.save(tmp_path / "state.npz")
    stream = UniformStream.load(tmp_path / "state.npz")
    stream.update([[0.0, 3.0]])

    assert stream.result().records[2:].tolist() == [[2, 0], [0, 3]]


def test_results_on_the_way_change_nothing():
    stream = UniformStream(5, keep=2)
    for batch in cut(VECTORS, [50, 100]):
        stream.update(batch)
        stream.result()

    assert stream.result().indices.tolist() == select_stream(VECTORS, 5, keep=2).indices.tolist()
    assert (stream.seen, stream.dropped) == (300, 0)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    stream = UniformStream(3, encoder=CachedTopicEncoder(), text=lambda record: record["text"])
    stream.update(RECORDS)
    stream.save(tmp_path / "state.npz")

    with pytest.raises(errors.CheckpointError, match="does not exist"):
        UniformStream.load(tmp_path / "none.npz")
    with pytest.raises(errors.CheckpointError, match="text was a Python object"):
        UniformStream.load(tmp_path / "state.npz", encoder=CachedTopicEncoder())
    (tmp_path / "other.npz").write_bytes(b"hello")
    with pytest.raises(errors.CheckpointError, match="is not a saved stream"):
        UniformStream.load(tmp_path / "other.npz")
    np.savez(tmp_path / "arrays.npz", a=np.arange(3))
    with pytest.raises(errors.CheckpointError, match="cannot be gone on with"):
        UniformStream.load(tmp_path / "arrays.npz")
    content = (tmp_path / "state.npz").read_bytes()
    for damaged in (content[: len(content) // 2], content.replace(b"numbers", b"numbars")):
        (tmp_path / "damaged.npz").write_bytes(damaged)
        with pytest.raises(errors.CheckpointError):
            UniformStream.load(tmp_path / "damaged.npz", encoder=CachedTopicEncoder(), text="text")
    other = UniformStream.load(tmp_path / "state.npz", encoder=TopicEncoder(), text="text")
    with pytest.raises(errors.VectorError, match="not of the kind of those before"):
        other.update(RECORDS)


def test_a_record_that_is_no_json_cannot_be_saved(tmp_path):
    stream = UniformStream(1, text="text", encoder=TopicEncoder())
    stream.update([{"text": "a", "other": object()}, {"text": "b", "other": None}])

    with pytest.raises(errors.OutputError, match="as JSON"):
        stream.save(tmp_path / "state.npz")
    assert not (tmp_path / "state.npz").exists()


def test_rows_that_cannot_be_used_are_counted_and_never_chosen():
    batches = [["", *TEXTS[:10]], [None, ""], [*TEXTS[10:20], ""]]

    found = select_stream(batches, 20, encoder=TopicEncoder(), on_invalid="drop")

    assert found.provenance.dropped == 4
    assert sorted(found.indices.tolist()) == [*range(1, 11), *range(13, 23)]
    with pytest.raises(
        errors.TextError, match=r"^in the batch that begins with row 10: .*row 1 is"
    ):
        select_stream([TEXTS[:10], ["a", ""]], 3, encoder=TopicEncoder())
    with pytest.raises(errors.BudgetError, match="budget is 21 rows, and only 20 usable ones"):
        select_stream(batches, 21, encoder=TopicEncoder(), on_invalid="drop")


def test_rows_in_files_are_named_as_in_their_files(tmp_path):
    lines = [json.dumps({"text": text}) for text in TEXTS[:20]]
    lines[17] = json.dumps({"text": None})
    (tmp_path / "a.jsonl").write_text("\n".join(lines))

    with pytest.raises(errors.TextError, match=r"begins with row 15: .*a\.jsonl, line 18"):
        select_stream(tmp_path / "a.jsonl", 3, encoder=TopicEncoder(), batch_size=5)


def test_a_batch_that_is_refused_leaves_the_stream_as_it_was():
    stream = UniformStream(3)
    stream.update(VECTORS[:20])

    with pytest.raises(errors.VectorError, match="5 numbers a row now, 4 numbers a row before"):
        stream.update(np.ones((2, 5)))
    with pytest.raises(errors.VectorError, match="row 20"):
        stream.update([[0.0, 0, 0, 0]])
    stream.update(VECTORS[20:])

    assert stream.result().indices.tolist() == select_stream(VECTORS, 3).indices.tolist()


def test_columns_found_by_themselves_stay_the_same():
    with pytest.raises(errors.VectorError, match=r"say which hold the text: text="):
        select_stream(
            [[{"prompt": text} for text in TEXTS[:9]], [{"question": text} for text in TEXTS[9:]]],
            3,
            encoder=TopicEncoder(),
        )


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
def test_batches_that_are_none(batches, said):
    with pytest.raises(errors.DataError) as raised:
        select_stream(batches, 1, encoder=TopicEncoder())
    assert said in str(raised.value)


@pytest.mark.parametrize("budget", [0, -1, 0.5, True, "3", None])
def test_budgets_that_are_none(budget):
    with pytest.raises(errors.BudgetError, match="budget of a stream"):
        select_stream([VECTORS], budget)


@pytest.mark.parametrize("option", [{"keep": 1}, {"batch_size": 0}, {"keep": 2.5}])
def test_counts_that_are_none(option):
    with pytest.raises(errors.OptionError, match=next(iter(option))):
        select_stream([VECTORS], 3, **option)


def test_nothing_that_came_is_a_budget_too_large():
    with pytest.raises(errors.BudgetError, match="only 0 usable ones"):
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

    with pytest.raises(errors.DataError, match="100 rows came in the first pass and 200"):
        select_stream(Changing(), 3, second_pass=True)


def test_memory_stays_within_the_candidates():
    stream = UniformStream(10, text="text", encoder=TopicEncoder(), keep=2)
    for begin in range(0, 2000, 100):
        texts = texts_of(100, seed=begin)
        stream.update([{"text": text} for text in texts])
        assert stream.candidates <= 20
        assert len(stream._records) <= 20


def evenly_(*arguments, input=None):
    return CliRunner().invoke(
        cli.main, [str(argument) for argument in arguments], input=input, catch_exceptions=False
    )


def test_the_command_line_chooses_from_files_and_goes_on_another_day(tmp_path):
    np.save("a.npy", VECTORS[:100])
    np.save("b.npy", VECTORS[100:])
    expected = select_stream([VECTORS], 7, normalize=False)

    told = evenly_("stream", "a.npy", "b.npy", "-b", 7, "--no-normalize", "-o", "out.npy")
    assert told.exit_code == 0, told.output
    assert "7 of 300 rows" in told.output
    np.testing.assert_array_equal(np.load("out.npy"), expected.records)
    manifest = StreamSelection.load("out.manifest.json")
    assert manifest.indices.tolist() == expected.indices.tolist()

    options = ("-b", 7, "--no-normalize", "--state", "state.npz")
    np.save("few.npy", VECTORS[:3])
    np.save("rest.npy", VECTORS[3:100])
    told = evenly_("stream", "few.npy", *options)
    assert (told.exit_code, "They are kept in state.npz: go on" in told.output) == (2, True)
    assert evenly_("stream", "rest.npy", *options).exit_code == 0
    told = evenly_("stream", "b.npy", *options, "-o", "again.npy", "--json")
    assert told.exit_code == 0, told.output
    np.testing.assert_array_equal(np.load("again.npy"), expected.records)
    assert json.loads(told.output)["h_min"] == expected.h_min
    told = evenly_("stream", "b.npy", "-b", 8, "--no-normalize", "--state", "state.npz")
    assert (told.exit_code, "state.npz was begun with other options" in told.output) == (2, True)
    assert evenly_("stream", "b.npy", "-b", 7, "--no-normalize", "-o", "out.npy").exit_code == 2
    assert evenly_("stream", "-b", 7).exit_code == 2


def test_the_command_line_reads_a_pipe_and_measures_in_a_second_pass(tmp_path, monkeypatch):
    from evenly.embedding import load_encoder

    @functools.wraps(load_encoder)
    def by_name(encoder, **options):
        return load_encoder(CachedTopicEncoder() if encoder == "topics" else encoder, **options)

    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", by_name)
    content = "".join(json.dumps(record) + "\n" for record in RECORDS)
    (tmp_path / "train.jsonl").write_text(content)
    expected = select_stream([RECORDS], 5, encoder=CachedTopicEncoder(), second_pass=True)

    options = ("-b", 5, "--encoder", "topics")
    told = evenly_("stream", "-", *options, "-o", "-", input=content)
    assert [json.loads(line) for line in told.stdout.splitlines()] == expected.records
    told = evenly_("stream", "train.jsonl", *options, "--second-pass", "--json")
    assert json.loads(told.output)["coverage_radius"] == expected.coverage_radius
    told = evenly_("stream", "train.jsonl", *options)
    assert "covered within" in told.output
    told = evenly_("stream", "-", *options, "--second-pass", input=content)
    assert (told.exit_code, "second_pass" in told.output) == (2, True)
