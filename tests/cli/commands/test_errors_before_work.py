"""What is wrong with a command is an error before its model is loaded."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import MODEL, RATED_RECORDS, fail, select, write_lines

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

BROKEN = "broken"
ROWS = len(RATED_RECORDS)
COLUMN = "column 'nope'"
USUAL = ("--encoder", BROKEN, "--text", "text")


@pytest.fixture(autouse=True)
def records_and_a_broken_model(folder_of_data):
    """Write records, a selection of them, and a model that cannot be loaded."""
    write_lines("rated.jsonl", RATED_RECORDS)
    write_lines("mixed.jsonl", [{"text": f"t {x}", "q": 1, "x": x} for x in (1, "a", [])])
    select("rated.jsonl", "-b", 3, "--text", "text", "-o", "first.jsonl")
    select("mixed.jsonl", "-b", 2, "--text", "text", "-o", "some.jsonl")
    Path("some.manifest.json").rename("mixed.manifest.json")
    table = pa.table({"text": ["a", "b"], "x": [b"a", b"b"]})
    pq.write_table(table, "bytes.parquet")
    folder = Path(BROKEN)
    folder.mkdir()
    for file in Path(MODEL).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "modules.json").write_text("[]")
    (folder / "model.safetensors").write_bytes(b"no weights")
    Path("there.jsonl").touch()
    np.save("wrong.npy", np.array([0, 99]))


SELECT = [
    (("-b", 3, "--text", "nope"), COLUMN),
    (("-b", ROWS + 1), f"got {ROWS + 1}"),
    (("-b", 3, "--include", "99"), "names row 99"),
    (("-b", 3, "--include", "wrong.npy"), "names row 99"),
    (("-b", 3, "--include", "7,8,9", "--id-column", "nope"), COLUMN),
    (("-b", 3, "--exclude", "99", "--id-column", "id"), "'99'"),
    (("-b", 3, "--away-from", "nope.jsonl"), "no file nope.jsonl"),
    (("-b", 3, "--start", "99"), "got 99"),
    (("-b", 3, "--groups", "nope", "--balance", "equal"), COLUMN),
    (("-b", 3, "--groups", "stars", "--quota", "9=1"), "group '9'"),
    (("-b", 3, "--groups", "stars", "--quota", "0=4"), "more than the budget"),
    (("--token-budget", 9, "--costs", "nope"), COLUMN),
    (("--token-budget", 1), "cheapest"),
    (("--token-budget", 9, "--tokenizer", "./nope.json"), "nope.json"),
    (("-b", 3, "--quality", "nope"), COLUMN),
    (("-b", 3, "--checkpoint", "rated.jsonl"), "is the input itself"),
    (("-b", 3, "-o", "out.xyz"), ".xyz"),
    (("-b", 3, "-o", "there.jsonl"), "already exists"),
]


@pytest.mark.parametrize(("words", "expected"), SELECT)
def test_select(words, expected):
    assert expected in fail("select", "rated.jsonl", *USUAL, *words)


MIXED = ("-o", "out.parquet")
OTHERS = [
    (("select", "nope.jsonl", "-b", 3), "no file nope.jsonl"),
    (("select-by-quality", "rated.jsonl", "-b", 3, "--quality", "nope"), COLUMN),
    (("select-by-quality", "rated.jsonl", "-b", 99, "--quality", "quality"), "got 99"),
    (("select", "mixed.jsonl", "-b", 1, *MIXED), "column 'x'"),
    (("select-by-quality", "mixed.jsonl", "-b", 1, "--quality", "q", *MIXED), "column 'x'"),
    (("deduplicate", "mixed.jsonl", "--to", 1, *MIXED), "column 'x'"),
    (("deduplicate", "rated.jsonl", "--to", 99), "got 99"),
    (("deduplicate", "rated.jsonl", "--to", 3, "--keep", "best", "--quality", "nope"), COLUMN),
    (("deduplicate", "rated.jsonl", "--to", 3, "-o", "there.jsonl"), "already exists"),
    (("stream", "rated.jsonl", "nope.jsonl", "-b", 3), "no file nope.jsonl"),
    (("stream", "rated.jsonl", "nope.jsonl", "-b", 3, "--state", "s"), "no file nope.jsonl"),
    (("stream", "bytes.parquet", "-b", 1, "-o", "out.jsonl"), "column 'x'"),
    (("stream", "rated.jsonl", "-b", 3, "-o", "there.jsonl"), "already exists"),
    (("estimate", "rated.jsonl", "-b", 99), "got 99"),
    (("embed", "rated.jsonl", "-o", "out.txt"), "out.txt"),
    (("embed", "rated.jsonl", "-o", "there.jsonl"), "there.jsonl"),
    (("measure", "rated.jsonl", "wrong.npy"), "got 99"),
    (("compare", "rated.jsonl", "wrong.npy"), "got 99"),
]


@pytest.mark.parametrize(("words", "expected"), OTHERS)
def test_commands_that_embed(words, expected):
    assert expected in fail(*words, *USUAL)


RESUMING = [
    (("extend", "first.manifest.json", "-b", 99), "99"),
    (("extend", "first.manifest.json", "-b", 2), "3 rows"),
    (("extend", "first.manifest.json", "-b", 5, "--include", "99"), "names row 99"),
    (("extend", "mixed.manifest.json", "-b", 3, *MIXED), "column 'x'"),
    (("fill", "mixed.manifest.json", *MIXED), "column 'x'"),
    (("extend", "mixed.manifest.json", "mixed.jsonl", "-b", 3, *MIXED), "column 'x'"),
    (("fill", "first.manifest.json", "--min-distance", 3), "h_min"),
    (("fill", "first.manifest.json", "--exclude", "99"), "names row 99"),
    (("explain", "first.manifest.json", 99), "got 99"),
    (("explain", "first.manifest.json", 3, "vectors.npy"), "40 rows"),
    (("assign", "first.manifest.json", "-o", "out.xyz"), ".xyz"),
    (("assign", "first.manifest.json", "-o", "there.jsonl"), "already exists"),
    (("assign", "first.manifest.json", "nope.jsonl", "-o", "out.csv"), "no file nope.jsonl"),
]


@pytest.mark.parametrize(("words", "expected"), RESUMING)
def test_commands_that_resume(words, expected):
    Path(MODEL).unlink()
    Path(BROKEN).rename(MODEL)

    assert expected in fail(*words, "--no-cache")
