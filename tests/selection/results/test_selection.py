"""`Selection`: the same kind of data out as came in, and files that come back."""

import io
import json
import math

import numpy as np
import pytest

from evenly import Selection, errors, measure, select_uniform
from tests.support.encoders import TopicEncoder, texts_of

TEXTS = texts_of(25)
RECORDS = [{"id": row, "text": text, "tags": [row]} for row, text in enumerate(TEXTS)]


def ids_of(path):
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.fixture
def train(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


@pytest.fixture
def chosen(train):
    return select_uniform(train, 6, encoder=TopicEncoder())


def test_a_selection_is_a_sequence_of_row_numbers(chosen):
    rows = chosen.indices.tolist()

    assert [*chosen] == rows
    assert all(type(row) is int for row in chosen)
    assert [TEXTS[row] for row in chosen] == chosen.take(TEXTS)
    assert (chosen[0], chosen[-1], len(chosen)) == (rows[0], rows[-1], 6)
    assert type(chosen[0]) is int
    assert chosen[1:3].tolist() == rows[1:3]
    assert rows[2] in chosen
    assert (set(range(25)) - set(rows)).isdisjoint(chosen)
    with pytest.raises(IndexError):
        chosen[6]


def test_a_selection_converts_to_an_array(chosen):
    assert np.array_equal(np.asarray(chosen), chosen.indices)
    assert np.asarray(chosen, dtype=np.float32).dtype == np.float32
    copied = np.array(chosen)
    copied[0] = -1
    assert chosen.indices[0] != -1
    with pytest.raises(ValueError, match="requires a copy"):
        chosen.__array__(np.int32, copy=False)
    vectors = TopicEncoder().encode(TEXTS)
    assert np.array_equal(vectors[chosen], vectors[chosen.indices])
    assert measure(vectors, chosen) == measure(vectors, chosen.indices)


def kinds_of_data():
    import datasets
    import pandas
    import polars
    import pyarrow
    import torch

    vectors = TopicEncoder().encode(TEXTS)
    return {
        "strings": (TEXTS, lambda taken: taken),
        "dicts": (RECORDS, lambda taken: [record["text"] for record in taken]),
        "tuple": (tuple(TEXTS), list),
        "dataset": (datasets.Dataset.from_list(RECORDS), lambda taken: list(taken["text"])),
        "pandas": (pandas.DataFrame(RECORDS), lambda taken: list(taken["text"])),
        "polars": (polars.DataFrame(RECORDS), lambda taken: taken["text"].to_list()),
        "arrow": (pyarrow.Table.from_pylist(RECORDS), lambda taken: taken["text"].to_pylist()),
        "float16": (vectors.astype(np.float16), list),
        "float32": (vectors, list),
        "float64": (vectors.astype(np.float64), list),
        "tensor": (torch.from_numpy(vectors), lambda taken: list(taken.numpy())),
    }


@pytest.mark.parametrize(
    "kind",
    "strings dicts tuple dataset pandas polars arrow float16 float32 float64 tensor".split(),
)
def test_what_came_in_comes_out_as_the_same_kind_and_the_same_rows(kind):
    data, contents = kinds_of_data()[kind]

    chosen = select_uniform(data, 6, encoder=TopicEncoder())
    taken = chosen.take(data)

    assert type(taken) is type(data)
    expected = contents(data)
    for found, row in zip(contents(taken), chosen.indices, strict=True):
        np.testing.assert_array_equal(found, expected[row])
    if hasattr(data, "dtype"):
        assert taken.dtype == data.dtype
    # Every kind holds the same pool, so the same rows come out of each.
    np.testing.assert_array_equal(
        chosen.indices, select_uniform(TEXTS, 6, encoder=TopicEncoder()).indices
    )


def test_a_memory_map_is_a_pool(tmp_path):
    np.save(tmp_path / "vectors.npy", TopicEncoder().encode(TEXTS))
    expected = select_uniform(TEXTS, 6, encoder=TopicEncoder()).indices

    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")

    np.testing.assert_array_equal(select_uniform(mapped, 6).indices, expected)
    np.testing.assert_array_equal(select_uniform(tmp_path / "vectors.npy", 6).indices, expected)


def test_labels_that_are_aligned_with_the_rows_can_be_taken(chosen):
    labels = np.arange(25 * 2).reshape(25, 2)

    np.testing.assert_array_equal(chosen.take(labels), labels[chosen.indices])
    with pytest.raises(errors.DataError, match="24 rows, but the selection was made from 25"):
        chosen.take(labels[:24])


def test_records_are_written_in_the_order_picked_or_in_that_of_the_file(chosen, train, tmp_path):
    chosen.write(tmp_path / "picked.jsonl")
    chosen.write(tmp_path / "file.jsonl", order="file")

    assert ids_of(tmp_path / "picked.jsonl") == chosen.indices.tolist()
    assert ids_of(tmp_path / "file.jsonl") == sorted(chosen.indices.tolist())
    assert chosen.indices.tolist() != sorted(chosen.indices.tolist())
    lines = train.read_bytes().splitlines()
    assert (tmp_path / "picked.jsonl").read_bytes().splitlines() == [
        lines[row] for row in chosen.indices
    ]
    with pytest.raises(errors.OptionError, match="got 'random'"):
        chosen.write(tmp_path / "other.jsonl", order="random")


def test_an_output_that_exists_stays_unless_forced(chosen, tmp_path):
    (tmp_path / "out.jsonl").write_text("mine")

    with pytest.raises(errors.OutputExistsError):
        chosen.write(tmp_path / "out.jsonl")
    with pytest.raises(errors.OutputExistsError):
        chosen.save(tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "mine"

    chosen.write(tmp_path / "out.jsonl", force=True)
    assert ids_of(tmp_path / "out.jsonl") == chosen.indices.tolist()


def test_the_input_is_never_written_over(chosen, train):
    before = train.read_bytes()

    for write in (chosen.write, chosen.save):
        with pytest.raises(errors.OutputError, match="is the input itself"):
            write(train, force=True)
    assert train.read_bytes() == before


def test_a_stream_gets_the_format_of_the_input(chosen):
    stream = io.BytesIO()

    chosen.write(stream)

    assert [json.loads(line)["id"] for line in stream.getvalue().splitlines()] == list(
        chosen.indices
    )


@pytest.mark.parametrize("budget", [1, 3, np.int64(6)])
def test_a_prefix_writes_its_own_rows(chosen, tmp_path, budget):
    prefix = chosen.prefix(budget)

    prefix.write(tmp_path / "prefix.jsonl")

    assert ids_of(tmp_path / "prefix.jsonl") == chosen.indices[:budget].tolist()
    assert len(chosen) == 6


@pytest.mark.parametrize("budget", [0, -1, 7, 2.5, 0.5, True, "3", None])
def test_a_prefix_that_is_none(chosen, budget):
    with pytest.raises(errors.BudgetError, match="prefix"):
        chosen.prefix(budget)


def test_a_selection_tells_itself_and_cannot_be_changed(chosen):
    assert repr(chosen).startswith(f"Selection(6 of 25 rows, h_min={chosen.h_min:.6g}")
    for array in (chosen.indices, chosen.radii):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(AttributeError):
        chosen.coverage_radius = 0.0


@pytest.mark.parametrize("budget", [1, 6, 25])
def test_what_is_saved_is_loaded(train, tmp_path, budget):
    chosen = select_uniform(train, budget, encoder=TopicEncoder())

    chosen.save(tmp_path / "saved.json")
    loaded = Selection.load(tmp_path / "saved.json")

    np.testing.assert_array_equal(loaded.indices, chosen.indices)
    np.testing.assert_array_equal(loaded.radii, chosen.radii)
    assert loaded.h_min == chosen.h_min
    assert loaded.coverage_radius == chosen.coverage_radius
    assert loaded.provenance == chosen.provenance
    assert loaded.radii[0] == math.inf
    assert loaded.prefix(1).indices.tolist() == chosen.indices[:1].tolist()


def test_numpy_numbers_in_the_options_can_be_saved(train, tmp_path):
    chosen = select_uniform(
        train, np.float32(0.5), encoder=TopicEncoder(), start=np.int16(3), seed=np.uint8(1)
    )

    chosen.save(tmp_path / "saved.json")

    assert Selection.load(tmp_path / "saved.json").provenance.options["start"] == 3


def test_a_loaded_selection_opens_its_input_again(chosen, train, tmp_path):
    chosen.save(tmp_path / "saved.json")
    loaded = Selection.load(tmp_path / "saved.json")

    loaded.write(tmp_path / "again.jsonl")

    assert ids_of(tmp_path / "again.jsonl") == chosen.indices.tolist()
    with train.open("a") as file:
        file.write("\n")
    with pytest.raises(errors.ManifestError, match="content has changed"):
        loaded.write(tmp_path / "changed.jsonl")
    loaded.write(tmp_path / "passed.jsonl", data=RECORDS)
    assert ids_of(tmp_path / "passed.jsonl") == chosen.indices.tolist()
    train.unlink()
    with pytest.raises(errors.DataError, match="no file"):
        loaded.write(tmp_path / "gone.jsonl")
    assert not (tmp_path / "changed.jsonl").exists()
    assert not (tmp_path / "gone.jsonl").exists()


def test_a_loaded_selection_of_data_in_memory_asks_for_them(tmp_path):
    select_uniform(RECORDS, 3, encoder=TopicEncoder()).save(tmp_path / "saved.json")
    loaded = Selection.load(tmp_path / "saved.json")

    with pytest.raises(errors.OptionError, match="data="):
        loaded.write(tmp_path / "out.jsonl")
    loaded.write(tmp_path / "out.jsonl", data=RECORDS)

    assert ids_of(tmp_path / "out.jsonl") == loaded.indices.tolist()


# The checksum is right each time, so that what is behind it is tested.
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document.update(format="other"), "not a saved selection"),
        (lambda document: document.update(version=99), "version 99 .*reads version 2"),
        (lambda document: document.pop("indices"), "damaged: KeyError.*indices"),
        (lambda document: document.update(indices=[1, 1, 2, 3, 4, 5]), "damaged"),
        (lambda document: document.update(indices=[1, 2]), "damaged"),
        (lambda document: document.update(indices=[0, 1, 2, 3, 4, 25]), "damaged"),
        (lambda document: document.update(indices="abcdef"), "damaged"),
        (lambda document: document.update(radii=[], indices=[]), "damaged"),
        (lambda document: document.update(provenance={}), "damaged"),
        (lambda document: document["provenance"].pop("options"), "damaged.*options"),
    ],
)
def test_a_damaged_file_is_told_from_a_selection(chosen, tmp_path, change, said):
    chosen.save(tmp_path / "saved.json")
    document = Selection.codec.read_json(tmp_path / "saved.json")
    change(document)
    (tmp_path / "saved.json").write_bytes(Selection.codec.to_json(document))

    with pytest.raises(errors.ManifestError, match=said):
        Selection.load(tmp_path / "saved.json")


@pytest.mark.parametrize("content", [b"", b"\x80\x00", b"[1, 2]", b'{"format": "evenly sel'])
def test_a_file_that_is_something_else_is_no_selection(tmp_path, content):
    (tmp_path / "saved.json").write_bytes(content)

    with pytest.raises(errors.ManifestError, match=r"saved\.json is not a saved selection"):
        Selection.load(tmp_path / "saved.json")
    with pytest.raises(errors.ManifestError, match=r"nothing\.json does not exist"):
        Selection.load(tmp_path / "nothing.json")
