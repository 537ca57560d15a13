"""Subsets in files: manifests, row numbers, ids, and records that are rows of the data."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from evenly import compare, errors, measure, select_uniform
from evenly.metrics import space
from tests.support.encoders import TopicEncoder, texts_of

TEXTS = texts_of(20)
# The last two repeat a text, and the very last one the whole record.
RECORDS = [
    *({"id": f"r{row}", "text": text, "n": row} for row, text in enumerate(TEXTS)),
    {"id": "r20", "text": TEXTS[3], "n": 20},
    {"id": "r3", "text": TEXTS[3], "n": 3},
]
ROWS = [7, 3, 11, 20]
VECTORS = np.random.default_rng(0).normal(size=(22, 4)).astype(np.float32)
ENCODER = {"encoder": TopicEncoder(), "cache_dir": False}
QUIET = {"random_subsets": 0, "certificate": False}


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "data.jsonl", RECORDS)
    np.save(tmp_path / "vectors.npy", VECTORS)
    return tmp_path


def as_jsonl(path):
    write_lines(path, [RECORDS[row] for row in ROWS])


def in_another_order_of_columns(path):
    write_lines(path, [dict(reversed(RECORDS[row].items())) for row in ROWS])


def as_csv(path):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "text", "n"])
        writer.writeheader()
        writer.writerows(RECORDS[row] for row in ROWS)


def with_another_column(path):
    write_lines(path, [{**RECORDS[row], "score": 0.5} for row in ROWS])


def as_lines(path):
    path.write_text("".join(f"{RECORDS[row]['text']}\n" for row in ROWS))


def as_numbers(path):
    path.write_text("".join(f"{row}\n" for row in ROWS))


def as_array(path):
    np.save(path, np.array(ROWS))


FILES = {
    "a.jsonl": as_jsonl,
    "reversed.jsonl": in_another_order_of_columns,
    "a.csv": as_csv,
    "scored.jsonl": with_another_column,
    "numbers.txt": as_numbers,
    "numbers": as_numbers,
    "numbers.npy": as_array,
}


def closest(data, subset, **options):
    """Return the measures that tell subsets apart."""
    found = measure(data, subset, **QUIET, **options)
    return found.h_min, found.coverage_radius, found.mean_distance, found.size


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_measured_as_its_rows(folder, name):
    FILES[name](folder / name)
    expected = closest("data.jsonl", ROWS, **ENCODER)

    assert closest("data.jsonl", name, **ENCODER) == expected
    assert closest(RECORDS, folder / name, **ENCODER) == expected
    found = compare({"a": name, "b": ROWS}, "data.jsonl", **QUIET, **ENCODER)
    assert found.subsets["a"].h_min == found.subsets["b"].h_min == 0.0


def test_a_file_may_hold_texts(folder):
    as_lines(folder / "a.txt")
    texts = [record["text"] for record in RECORDS]
    (folder / "data.txt").write_text("".join(f"{text}\n" for text in texts))

    expected = closest(texts, ROWS, **ENCODER)
    assert closest("data.txt", "a.txt", **ENCODER) == expected
    assert closest(texts, "a.txt", **ENCODER) == expected
    as_jsonl(folder / "a.jsonl")
    assert closest(texts, "a.jsonl", **ENCODER) == expected


def test_ids_name_rows(folder):
    write_lines(folder / "data.jsonl", RECORDS[:-1])
    ids = [RECORDS[row]["id"] for row in ROWS]
    (folder / "ids.txt").write_text("\n".join(ids))
    # Only the ids of these records are those of the data.
    write_lines(folder / "changed.jsonl", [{"id": one, "text": "?"} for one in ids])
    np.save(folder / "ids.npy", np.array(ids))
    expected = closest("data.jsonl", ROWS, **ENCODER)

    for subset in ("ids.txt", "ids.npy", "changed.jsonl", ids):
        assert closest("data.jsonl", subset, id_column="id", **ENCODER) == expected
    with pytest.raises(errors.RowError, match=r"changed.jsonl, line 1, and 3 more: not among"):
        measure("data.jsonl", "changed.jsonl", **ENCODER)
    with pytest.raises(
        errors.RowError, match=r"changed.jsonl names ids .*column 'id': 'r11', 'r20'"
    ):
        measure(RECORDS[:10], "changed.jsonl", id_column="id", **ENCODER)
    with pytest.raises(errors.RowError, match=r"subset 'b': the subset names ids .*: 'x'"):
        compare({"a": ids, "b": ["x"]}, "data.jsonl", id_column="id", **ENCODER)


def test_a_manifest_is_a_subset_of_its_own_space():
    selection = select_uniform("data.jsonl", 5, **ENCODER)
    selection.save("first.manifest.json")

    assert closest("data.jsonl", "first.manifest.json", **ENCODER)[0] == selection.h_min
    with pytest.raises(
        errors.ManifestError, match="has 9 rows, but the selection was made from 22"
    ):
        measure(RECORDS[:9], "first.manifest.json", **ENCODER)


def test_equal_rows_are_found_once_each(folder):
    write_lines(folder / "a.jsonl", [RECORDS[3], RECORDS[20], RECORDS[3], RECORDS[0]])
    assert closest("data.jsonl", "a.jsonl", **ENCODER) == closest(
        "data.jsonl", [3, 20, 21, 0], **ENCODER
    )

    write_lines(folder / "a.jsonl", [RECORDS[0], RECORDS[5], RECORDS[0]])
    with pytest.raises(
        errors.RowError, match=r"a.jsonl, line 3: not so often among the rows of data.jsonl"
    ):
        measure("data.jsonl", "a.jsonl", **ENCODER)


def test_vectors_are_found_by_their_numbers(folder):
    np.save(folder / "a.npy", VECTORS[ROWS].astype(float))
    assert closest("vectors.npy", "a.npy") == closest("vectors.npy", ROWS)

    np.save(folder / "a.npy", VECTORS[ROWS] + 1)
    with pytest.raises(errors.RowError, match=r"a.npy, row 0, and 3 more"):
        measure("vectors.npy", "a.npy")


def test_records_with_vectors_beside_are_found_whole(folder):
    in_another_order_of_columns(folder / "a.jsonl")
    expected = closest("data.jsonl", ROWS, vectors="./vectors.npy")
    assert closest("data.jsonl", "a.jsonl", vectors="./vectors.npy") == expected

    with_another_column(folder / "a.jsonl")
    with pytest.raises(errors.RowError, match=r"id_column="):
        measure("data.jsonl", "a.jsonl", vectors="./vectors.npy")


@pytest.mark.parametrize(
    ("data", "subset", "error", "message"),
    [
        ("data.jsonl", "gone.jsonl", errors.DataError, "gone.jsonl"),
        ("data.jsonl", "vectors.npy", errors.VectorError, "vectors.npy holds vectors, but data"),
        ("vectors.npy", "data.jsonl", errors.TextError, "data.jsonl holds texts, but vectors.npy"),
        ("data.jsonl", "other.jsonl", errors.ColumnError, "other.jsonl has no column 'text'"),
        ("data.jsonl", "words.txt", errors.DataError, "words.txt, line 2: 'x' is not a row number"),
    ],
)
def test_a_file_that_is_no_subset_is_refused_before_embedding(folder, data, subset, error, message):
    write_lines(folder / "other.jsonl", [{"title": "a"}])
    (folder / "words.txt").write_text("1\nx\n")

    class Idle(TopicEncoder):
        def encode(self, texts, **_):
            raise AssertionError

    encoder = {"encoder": Idle(), "cache_dir": False} if data == "data.jsonl" else {}
    with pytest.raises(error, match=message):
        compare({"a": subset}, data, **encoder)


def test_a_subset_is_measured_within_the_memory_that_it_was_chosen_in(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(space, "prepare", lambda data, inputs, **_: seen.append(inputs.memory))
    chosen = {
        memory: select_uniform(folder / "data.jsonl", 4, **ENCODER, memory=memory)
        for memory in ("2GB", "900MB", None)
    }
    for subsets in (chosen, {"own": chosen[None], "rows": [1, 2]}):
        with pytest.raises(AttributeError):  # nothing is prepared
            compare(subsets, folder / "data.jsonl", **ENCODER, **QUIET)

    assert seen == ["900MB", None]


def test_vectors_that_stay_on_disk_are_matched_in_pieces(folder):
    vectors = np.random.default_rng(1).normal(size=(3000, 300)).astype(np.float32)
    np.save(folder / "many.npy", vectors)
    np.save(folder / "few.npy", vectors[[2999, 5, 1500]].astype(np.float64))

    found = measure("many.npy", "few.npy", engine="mapped", **QUIET)

    assert found.h_min == measure(vectors, [2999, 5, 1500], **QUIET).h_min
