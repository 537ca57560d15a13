"""Records that have vectors: every verb chooses by these, and returns the records."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenly import (
    Selection,
    UniformStream,
    compare,
    deduplicate,
    estimate,
    measure,
    rows_at,
    select_by_quality,
    select_stream,
    select_uniform,
)
from evenly.errors import (
    CheckpointError,
    ColumnError,
    DataError,
    ManifestError,
    OptionError,
    TextError,
    VectorError,
)

VECTORS = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
RECORDS = [
    {"id": f"r{row}", "text": f"text number {row}", "embedding": VECTORS[row].tolist()}
    for row in range(60)
]
CHOSEN = select_uniform(VECTORS, 8)


def words(text):
    return text.split()


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("emb.npy", VECTORS)
    write_lines("data.jsonl", RECORDS)
    columns = {name: [record[name] for record in RECORDS] for name in RECORDS[0]}
    columns["embedding"] = pa.array(VECTORS.tolist(), pa.list_(pa.float32(), 5))
    pq.write_table(pa.table(columns), "data.parquet", row_group_size=25)


def write_lines(path, records):
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))


def ids(path):
    return [json.loads(line)["id"] for line in Path(path).read_text().splitlines()]


FORMS = [
    ("data.jsonl", "emb.npy"),
    ("data.jsonl", "embedding"),
    ("data.parquet", "embedding"),
    (RECORDS, "embedding"),
    (RECORDS, VECTORS),
]
NAMES = ["lines+file", "lines", "parquet", "list", "list+array"]


@pytest.mark.parametrize("engine", ["memory", "mapped"])
@pytest.mark.parametrize(("data", "vectors"), FORMS, ids=NAMES)
def test_a_selection_is_that_of_the_vectors_and_goes_on_later(data, vectors, engine):
    subset = select_uniform(data, 8, vectors=vectors, engine=engine)

    assert subset.indices.tolist() == CHOSEN.indices.tolist()
    assert subset.radii == pytest.approx(CHOSEN.radii)
    subset.write("out.jsonl")
    assert ids("out.jsonl") == [f"r{row}" for row in CHOSEN.indices]

    subset.save("subset.json")
    loaded = Selection.load("subset.json")
    assert loaded.provenance.as_dict() == subset.provenance.as_dict()
    again = {}
    if not isinstance(data, str):
        again["data"] = data
    if not isinstance(vectors, str):
        again["vectors"] = vectors
    for one, options in ((subset, {}), (loaded, again)):
        longer = one.extend(12, **options, engine=engine)
        assert longer.indices.tolist() == select_uniform(VECTORS, 12).indices.tolist()
        assert longer.provenance.options["vectors"] == subset.provenance.options["vectors"]
        assert longer.provenance.input.vectors == subset.provenance.input.vectors
        expected = CHOSEN.assignments(VECTORS)
        assert one.assignments(**options).nearest.tolist() == expected.nearest.tolist()
        assert len(one.fill(**options)) >= 8
        explained = one.explain(3, **options)
        assert explained.nearest == CHOSEN.explain(3, VECTORS).nearest
        assert explained.text == "text number 3"


@pytest.mark.parametrize(("data", "vectors"), FORMS, ids=NAMES)
def test_every_verb_takes_vectors(data, vectors):
    quality = np.arange(60) % 7
    measured = measure(data, CHOSEN.indices, vectors=vectors, random_subsets=0)
    assert measured.h_min == pytest.approx(CHOSEN.h_min)

    table = compare({"a": CHOSEN.indices}, data, vectors=vectors, random_subsets=0)
    assert table.subsets["a"].h_min == pytest.approx(CHOSEN.h_min)

    best = select_by_quality(data, 6, quality=quality, vectors=vectors)
    assert best.indices.tolist() == select_by_quality(VECTORS, 6, quality=quality).indices.tolist()

    for options in ({"min_distance": 0.5}, {"min_distance": 0}, {"to": 0.5}):
        found = deduplicate(data, **options, vectors=vectors)
        expected = deduplicate(VECTORS, **options)
        assert found.indices.tolist() == expected.indices.tolist()

    assert estimate(data, 8, vectors=vectors).dimension == 5
    assert rows_at(data, 0.5, vectors=vectors) == rows_at(VECTORS, 0.5)


def test_the_manifest_knows_the_records_and_the_vectors():
    subset = select_uniform("data.jsonl", 8, vectors="emb.npy")

    source = subset.provenance.input
    assert source.path == "data.jsonl"
    assert source.vectors.origin == "emb.npy"
    assert source.vectors.content_hash == select_uniform("emb.npy", 8).provenance.input.content_hash
    assert source.content_hash != source.vectors.content_hash
    assert subset.provenance.encoder is None


@pytest.mark.parametrize("changed", ["data.jsonl", "emb.npy"])
def test_changed_records_or_vectors_are_noticed(changed):
    select_uniform("data.jsonl", 8, vectors="emb.npy").save("subset.json")
    if changed == "emb.npy":
        np.save("emb.npy", VECTORS + 1)
    else:
        write_lines("data.jsonl", [*RECORDS[:-1], {"id": "other", "text": "other"}])

    with pytest.raises(ManifestError, match=changed):
        Selection.load("subset.json").extend(12)


def test_files_that_moved_are_passed_again():
    select_uniform("data.jsonl", 8, vectors="emb.npy").save("subset.json")
    Path("emb.npy").rename("moved.npy")
    Path("data.jsonl").rename("moved.jsonl")

    longer = Selection.load("subset.json").extend(12, "moved.jsonl", vectors="moved.npy")

    assert longer.indices.tolist() == select_uniform(VECTORS, 12).indices.tolist()


def test_vectors_that_were_an_array_must_be_passed_again():
    select_uniform("data.jsonl", 8, vectors=VECTORS).save("subset.json")

    with pytest.raises(ManifestError, match=r"vectors was a Python object \(ndarray\)"):
        Selection.load("subset.json").extend(12)


def test_a_checkpoint_belongs_to_the_vectors():
    select_uniform(RECORDS, 8, vectors=VECTORS, checkpoint="c")
    other = VECTORS[::-1].copy()

    with pytest.raises(CheckpointError, match="vectors"):
        select_uniform(RECORDS, 8, vectors=other, checkpoint="c")
    longer = select_uniform(RECORDS, 10, vectors=VECTORS, checkpoint="c")
    assert longer.provenance.taken_over == 8


@pytest.mark.parametrize("data", ["data.jsonl", "data.parquet"])
def test_rules_read_the_records(data):
    groups = [row % 3 for row in range(60)]
    options = {"groups": groups, "quotas": {0: 3, 1: 3, 2: 2}}

    subset = select_uniform(data, 8, vectors="embedding", include=["r7"], id_column="id", **options)

    assert subset.indices[0] == 7
    assert np.bincount(subset.indices % 3).tolist() == [3, 3, 2]


def test_texts_beside_vectors_are_counted_and_compared_by_length():
    subset = select_uniform(
        RECORDS, token_budget=20, tokenizer=words, vectors="embedding", text="text"
    )
    assert len(subset) == 6  # of three words each

    records = [*RECORDS, {**RECORDS[0], "id": "longer", "text": "a longer text than the first"}]
    found = deduplicate(records, 0.0, keep="longest", vectors="embedding")
    assert 60 in found.indices
    assert found.representative[0] == 60


def test_a_row_without_a_text_has_no_length_to_prefer():
    records = [*RECORDS, {**RECORDS[0], "text": ""}]

    with pytest.raises(TextError, match=r"1 row has a vector but no text: row 60 is empty"):
        deduplicate(records, 0.0, keep="longest", vectors="embedding")


def test_a_text_that_is_not_needed_may_be_missing():
    records = [{"a": record["id"], "b": "", "embedding": record["embedding"]} for record in RECORDS]

    subset = select_uniform(records, 8, vectors="embedding")

    assert subset.indices.tolist() == CHOSEN.indices.tolist()
    assert subset.explain(3).text is None


@pytest.mark.parametrize("data", [RECORDS, "data.jsonl", "data.parquet"])
def test_a_misspelt_text_column_is_an_error(data):
    with pytest.raises(ColumnError, match=r"no column 'txt'. Did you mean 'text'"):
        select_uniform(data, 8, vectors="embedding", text="txt")


@pytest.mark.parametrize("options", [{"encoder": "static"}, {"encoder_options": {"prompt": "x"}}])
def test_vectors_and_an_encoder_are_an_error(options):
    with pytest.raises(OptionError, match=r"vectors= and encoder= both say what the vectors are"):
        select_uniform(RECORDS, 8, vectors="embedding", **options)


@pytest.mark.parametrize("vectors", [3, True, b"emb.npy", {"a": 1}, ""])
def test_what_cannot_be_vectors_is_an_error(vectors):
    with pytest.raises(OptionError, match=r"vectors must be a column of lists of numbers, the p"):
        select_uniform(RECORDS, 8, vectors=vectors)


BROKEN = {
    "nan": ([np.nan, 1.0, 2.0, 3.0, 4.0], "coordinate 0 is nan"),
    "zero": ([0.0] * 5, "is a zero vector"),
    "None": (None, "is None"),
    "ragged": ([1.0, 2.0], "has 2 numbers, but others have 5"),
    "empty": ([], "is an empty list"),
}


@pytest.mark.parametrize("kind", ["list", "lines", "parquet", "arrow", "beside"])
@pytest.mark.parametrize(("value", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_vectors_are_named_or_dropped(kind, value, reason):
    records = [dict(record) for record in RECORDS]
    records[17]["embedding"] = value
    table = pa.table({name: [one[name] for one in records] for name in RECORDS[0]})
    data, vectors = records, "embedding"
    if kind == "lines":
        write_lines("broken.jsonl", records)
        data = "broken.jsonl"
    elif kind == "parquet":
        pq.write_table(table, "broken.parquet")
        data = "broken.parquet"
    elif kind == "arrow":
        data = table
    elif kind == "beside":
        data, vectors = RECORDS, [record["embedding"] for record in records]
        vectors = np.array([*vectors, ""], object)[:-1]
    where = {"lines": "broken.jsonl, line 18", "parquet": "broken.parquet, row 17"}

    with pytest.raises(VectorError) as raised:
        select_uniform(data, 8, vectors=vectors)
    assert f"{where.get(kind, 'row 17')} {reason}" in str(raised.value)

    for engine in ("memory", "mapped"):
        subset = select_uniform(data, 59, vectors=vectors, on_invalid="drop", engine=engine)
        assert 17 not in subset.indices
        assert list(subset.provenance.dropped) == [17]
        assert reason in subset.provenance.dropped[17]
        longer = subset.prefix(5).extend(9)
        assert longer.indices.tolist() == subset.indices[:9].tolist()


def test_a_matrix_of_distances_can_stand_beside_records():
    matrix = np.abs(VECTORS[:, None] - VECTORS[None]).sum(axis=2)

    subset = select_uniform(RECORDS, 8, vectors=matrix, engine="distances")

    expected = select_uniform(matrix, 8, engine="distances")
    assert subset.indices.tolist() == expected.indices.tolist()
    assert [record["id"] for record in subset.take(RECORDS)] == [f"r{r}" for r in subset.indices]


def test_what_to_keep_away_from_has_vectors_too():
    away = RECORDS[:10]
    expected = select_uniform(VECTORS, 8, away_from=VECTORS[:10])

    for given in (VECTORS[:10], away):
        subset = select_uniform(RECORDS, 8, vectors="embedding", away_from=given)
        assert subset.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("vectors", ["emb.npy", "embedding"])
def test_an_earlier_selection_with_vectors_is_kept_away_from(vectors):
    first = select_uniform("data.jsonl", 8, vectors=vectors)
    first.save("first.json")
    other = [{"id": row, "embedding": vector.tolist()} for row, vector in enumerate(-VECTORS)]
    expected = select_uniform(-VECTORS, 8, away_from=VECTORS[CHOSEN.indices])

    for given in (first, "first.json"):
        subset = select_uniform(other, 8, vectors="embedding", away_from=given)
        assert subset.indices.tolist() == expected.indices.tolist()


def batches_of(data):
    return [data[begin : begin + 7] for begin in range(0, 60, 7)]


COLUMNS = {name: [record[name] for record in RECORDS] for name in RECORDS[0]}
STREAMS = {
    "lists with a column": (lambda: batches_of(RECORDS), "embedding"),
    "lines with a column": (lambda: ["data.jsonl"], "embedding"),
    "parquet with a column": (lambda: ["data.parquet"], "embedding"),
    "lists beside a file": (lambda: batches_of(RECORDS), "emb.npy"),
    "lines beside a file": (lambda: "data.jsonl", "emb.npy"),
    "lines beside an array": (lambda: "data.jsonl", VECTORS),
    "columns": (
        lambda: [{name: [one[name] for one in RECORDS] for name in RECORDS[0]}],
        "embedding",
    ),
    "a pipe": (lambda: io.BytesIO(Path("data.jsonl").read_bytes()), "embedding"),
}


@pytest.mark.parametrize("size", [13, 8192])
@pytest.mark.parametrize(("batches", "vectors"), STREAMS.values(), ids=STREAMS)
def test_a_stream_of_records_with_vectors(batches, vectors, size):
    expected = select_stream([VECTORS], 4, keep=2)

    found = select_stream(batches(), 4, keep=2, vectors=vectors, batch_size=size)

    assert found.indices.tolist() == expected.indices.tolist()
    assert [record["id"] for record in found.records] == [f"r{row}" for row in found.indices]
    found.write("out.jsonl")
    assert ids("out.jsonl") == [f"r{row}" for row in found.indices]


def test_a_second_pass_over_records_with_vectors():
    found = select_stream("data.jsonl", 4, vectors="emb.npy", second_pass=True)

    assert found.coverage_radius == pytest.approx(
        select_stream([VECTORS], 4, second_pass=True).coverage_radius
    )


@pytest.mark.parametrize("count", [59, 61])
def test_a_stream_with_another_number_of_vectors(count):
    vectors = np.zeros((count, 5)) + np.arange(count)[:, None] + 1

    with pytest.raises(DataError, match=rf"rows, and .* has {count} vectors"):
        select_stream(batches_of(RECORDS), 4, vectors=vectors, normalize=False)


def test_a_saved_stream_keeps_the_records():
    stream = UniformStream(4, keep=2, vectors="embedding")
    stream.update(RECORDS[:30])
    stream.save("stream.npz")
    stream = UniformStream.load("stream.npz")
    stream.update(RECORDS[30:])

    expected = select_stream([VECTORS], 4, keep=2)
    assert stream.result().indices.tolist() == expected.indices.tolist()
    assert stream.result().records == [RECORDS[row] for row in expected.indices]


def test_batches_with_and_without_records_are_of_different_kinds():
    stream = UniformStream(4, vectors="embedding")
    stream.update(RECORDS[:30])

    with pytest.raises(OptionError, match="holds vectors itself"):
        stream.update(VECTORS[30:])
    with pytest.raises(OptionError, match="are a column of its batches"):
        UniformStream(4, vectors="emb.npy")


def test_a_selection_is_measured_by_its_vectors():
    h_min = pytest.approx(CHOSEN.h_min)
    for data, vectors in FORMS:
        subset = select_uniform(data, 8, vectors=vectors)

        assert measure(data, subset, random_subsets=0).h_min == h_min
        assert compare({"a": subset}, data, random_subsets=0).subsets["a"].h_min == h_min
        assert measure(data, subset, vectors=-VECTORS, random_subsets=0).h_min == h_min
    subset.save("subset.json")
    with pytest.raises(ManifestError, match=r"vectors was a Python object"):
        measure(RECORDS, Selection.load("subset.json"))


def test_vectors_in_a_table_are_matched_by_id_and_found_again():
    order = np.random.default_rng(1).permutation(60)
    table = pa.table({"id": [f"r{row}" for row in order], "v": pa.array(VECTORS[order].tolist())})
    pq.write_table(table, "by_id.parquet")
    options = {"vectors": "by_id.parquet", "id_column": "id"}

    subset = select_uniform("data.jsonl", 8, **options)
    subset.save("subset.json")

    assert subset.indices.tolist() == CHOSEN.indices.tolist()
    longer = Selection.load("subset.json").extend(12)
    assert longer.indices.tolist() == select_uniform(VECTORS, 12).indices.tolist()
    h_min = pytest.approx(CHOSEN.h_min)
    for indices in (Selection.load("subset.json"), subset.indices):
        own = {} if indices is not subset.indices else options
        assert measure("data.jsonl", indices, random_subsets=0, **own).h_min == h_min
    assert len(deduplicate("data.jsonl", 0.0, **options)) == 60
    assert estimate("data.jsonl", 8, **options).dimension == 5


def test_a_row_whose_id_has_no_vector_is_dropped():
    table = pa.table({"id": [f"r{row}" for row in range(59)], "v": VECTORS[:59].tolist()})
    options = {"vectors": table, "id_column": "id"}

    with pytest.raises(VectorError, match=r"row 59 has the id 'r59', which is not in an Arrow"):
        select_uniform(RECORDS, 8, **options)
    subset = select_uniform(RECORDS, 59, on_invalid="drop", **options)
    assert list(subset.provenance.dropped) == [59]
