"""--vectors and --vectors-column of every command."""

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import Selection, select_stream, select_uniform
from tests.support.command_line import RECORDS, VECTORS, as_json, fail, ids_of, succeed, write_lines

BESIDE = {
    "file": ("train.jsonl", "--vectors", "vectors.npy"),
    "column": ("with.jsonl", "--vectors-column", "embedding"),
    "parquet": ("with.parquet", "--vectors-column", "embedding"),
}


@pytest.fixture(autouse=True)
def data_with_vectors(folder_of_data):
    records = [
        record | {"embedding": vector.tolist()}
        for record, vector in zip(RECORDS, VECTORS, strict=True)
    ]
    write_lines("with.jsonl", records)
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(records), "with.parquet")


@pytest.mark.parametrize("engine", ["memory", "mapped"])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_select_and_what_follows(beside, engine):
    expected = select_uniform(VECTORS, 8).indices.tolist()

    succeed("select", *beside, "-b", "8", "--engine", engine, "-o", "out.jsonl")

    assert ids_of("out.jsonl") == expected
    manifest = "out.manifest.json"
    assert Selection.load(manifest).indices.tolist() == expected
    succeed("select", "--from-manifest", manifest, "-o", "again.jsonl")
    assert Path("again.jsonl").read_bytes() == Path("out.jsonl").read_bytes()
    longer = select_uniform(VECTORS, 12).indices.tolist()
    succeed("extend", manifest, "-b", "12", "-o", "longer.jsonl")
    assert ids_of("longer.jsonl") == longer
    succeed("fill", manifest, "-o", "filled.jsonl")
    succeed("assign", manifest, "-o", "assigned.csv")
    assert len(Path("assigned.csv").read_text().splitlines()) == 41
    assert RECORDS[3]["text"] in succeed("explain", manifest, "3").stdout


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE)
def test_the_other_commands(beside):
    rows = select_uniform(VECTORS, 8).indices
    np.save("rows.npy", rows)
    h_min = pytest.approx(select_uniform(VECTORS, 8).h_min)
    data, *vectors = beside

    assert as_json("measure", data, "rows.npy", *vectors)["h_min"] == h_min
    assert as_json("compare", data, "rows.npy", *vectors)["subsets"]["rows"]["h_min"] == h_min
    assert as_json("estimate", *beside, "-b", "8")["dimension"] == 5
    succeed("stream", *beside, "-b", "8", "-o", "streamed.jsonl")
    assert ids_of("streamed.jsonl") == select_stream([VECTORS], 8).indices.tolist()
    succeed("deduplicate", *beside, "--min-distance", "0.3", "-o", "kept.jsonl")
    assert len(ids_of("kept.jsonl")) > 8
    succeed("select-by-quality", *beside, "--quality", "id", "-b", "8", "-o", "best.jsonl")
    assert len(ids_of("best.jsonl")) == 8


def test_measure_and_compare_take_the_vectors_of_a_manifest():
    succeed("select", "train.jsonl", "--vectors", "vectors.npy", "-b", "8", "-o", "out.jsonl")
    h_min = pytest.approx(select_uniform(VECTORS, 8).h_min)

    measured = as_json("measure", "train.jsonl", "out.manifest.json")
    compared = as_json("compare", "train.jsonl", "out.manifest.json")

    assert measured["h_min"] == compared["subsets"]["out"]["h_min"] == h_min


def test_files_that_moved_are_given_again():
    succeed("select", "train.jsonl", "--vectors", "vectors.npy", "-b", "8", "-o", "out.jsonl")
    Path("vectors.npy").rename("moved.npy")

    assert "there is no file vectors.npy" in fail("extend", "out.manifest.json", "-b", "12")
    succeed("extend", "out.manifest.json", "-b", "12", "--vectors", "moved.npy", "-o", "more.jsonl")
    again = ("select", "--from-manifest", "out.manifest.json", "--vectors", "moved.npy")
    succeed(*again, "-o", "again.jsonl")

    assert ids_of("more.jsonl") == select_uniform(VECTORS, 12).indices.tolist()


def test_changed_vectors_do_not_reproduce_a_selection():
    succeed("select", "train.jsonl", "--vectors", "vectors.npy", "-b", "8", "-o", "out.jsonl")
    np.save("vectors.npy", VECTORS + 1e-9)

    message = fail("select", "--from-manifest", "out.manifest.json", "-o", "again.jsonl")

    assert "vectors.npy does not hold the vectors of out.manifest.json" in message


def test_a_stream_in_a_file_goes_on_with_the_next_vectors():
    half = len(RECORDS) // 2
    write_lines("one.jsonl", RECORDS[:half])
    write_lines("two.jsonl", RECORDS[half:])
    np.save("one.npy", VECTORS[:half])
    np.save("two.npy", VECTORS[half:])
    options = ("-b", "6", "--keep", "2", "--state", "state.npz")

    succeed("stream", "one.jsonl", "--vectors", "one.npy", *options)
    succeed("stream", "two.jsonl", "--vectors", "two.npy", *options, "-o", "parts.jsonl")
    whole = ("stream", "train.jsonl", "--vectors", "vectors.npy", "-b", "6", "--keep", "2")
    succeed(*whole, "-o", "whole.jsonl")

    assert ids_of("parts.jsonl") == ids_of("whole.jsonl")


def test_wrong_vectors_are_errors():
    select = ("select", "train.jsonl", "-b", "8")
    np.save("few.npy", VECTORS[:39])

    assert "train.jsonl has 40 rows, and few.npy has 39 vectors" in fail(
        *select, "--vectors", "few.npy"
    )
    assert "no column 'embedding'" in fail(*select, "--vectors-column", "embedding")
    assert "there is no file none.npy" in fail(*select, "--vectors", "none.npy")
    assert "--vectors and --vectors-column both name the vectors" in fail(
        *select, "--vectors", "vectors.npy", "--vectors-column", "text"
    )
    assert "encoder" in fail(*select, "--vectors", "vectors.npy", "--encoder", "static")


def test_the_summary_says_where_the_vectors_are_from():
    ran = succeed("select", "train.jsonl", "--vectors", "vectors.npy", "-b", "8")

    assert "not embedded: the vectors are vectors.npy" in ran.stdout
    assert json.loads(
        succeed("select", "train.jsonl", "--vectors", "vectors.npy", "-b", "8", "--json").stdout
    )


def test_vectors_are_matched_by_id():
    order = np.random.default_rng(1).permutation(len(RECORDS))
    write_lines("by_id.jsonl", [{"id": int(row), "v": VECTORS[row].tolist()} for row in order])
    options = ("--vectors", "by_id.jsonl", "--id-column", "id")
    expected = select_uniform(VECTORS, 8)

    succeed("select", "train.jsonl", *options, "-b", "8", "-o", "out.jsonl")
    succeed("select", "--from-manifest", "out.manifest.json", "-o", "again.jsonl")
    np.save("rows.npy", expected.indices)

    assert ids_of("out.jsonl") == ids_of("again.jsonl") == expected.indices.tolist()
    for subset, own in (("out.manifest.json", ()), ("rows.npy", options)):
        measured = as_json("measure", "train.jsonl", subset, *own)
        assert measured["h_min"] == pytest.approx(expected.h_min)
