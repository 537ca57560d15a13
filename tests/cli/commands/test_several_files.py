"""Commands that take several files of one format, as a shell makes of a pattern."""

from pathlib import Path

import numpy as np
import pytest

from evenly import Selection, select_uniform
from tests.support.command_line import VECTORS, fail, succeed


@pytest.fixture(autouse=True)
def shards():
    Path("shards").mkdir()
    for number in (2, 1, 3):
        np.save(f"shards/{number}.npy", VECTORS[number * 10 - 10 : number * 10])


FILES = ("shards/1.npy", "shards/2.npy", "shards/3.npy")


def test_several_files_are_one_data_set_in_the_order_given():
    succeed("select", *FILES, "-b", 5, "-o", "o.npy")
    expected = select_uniform(VECTORS[:30], 5).indices
    found = Selection.load("o.manifest.json")
    assert found.indices.tolist() == expected.tolist()
    assert found.provenance.input.origin == "3 files from shards/1.npy to shards/3.npy"
    found.write("again.npy")
    assert Path("again.npy").read_bytes() == Path("o.npy").read_bytes()

    succeed("select", *FILES[::-1], "-b", 5, "-o", "reversed.npy")
    turned = Selection.load("reversed.manifest.json").indices
    order = [*range(20, 30), *range(10, 20), *range(10)]
    assert np.array(order)[turned].tolist() == order_of(VECTORS[order])

    succeed("select", "--from-manifest", "o.manifest.json", "-o", "third.npy")
    assert Path("third.npy").read_bytes() == Path("o.npy").read_bytes()


def order_of(vectors):
    chosen = select_uniform(vectors, 5).indices
    rows = {vector.tobytes(): row for row, vector in enumerate(VECTORS)}
    return [rows[vectors[row].tobytes()] for row in chosen]


@pytest.mark.parametrize("command", ["deduplicate", "estimate"])
def test_other_commands_take_several_files(command):
    how = ["--to", 5] if command == "deduplicate" else ["-b", 5]
    succeed(command, *FILES, *how)


def test_one_of_several_files_is_no_output():
    message = fail("select", *FILES, "-b", 5, "-o", "shards/2.npy", "--force")
    assert "shards/2.npy is the input itself, or a part of it" in message


def test_folders_and_patterns_among_several_files():
    Path("more").mkdir()
    np.save("more/4.npy", VECTORS[30:])
    succeed("select", "shards/[12].npy", "shards/3.npy", "more", "-b", 5, "-o", "o.npy")
    found = Selection.load("o.manifest.json").indices
    assert found.tolist() == select_uniform(VECTORS, 5).indices.tolist()


def test_wrong_files_among_several_are_errors():
    assert "there is no file gone.npy" in fail("select", "shards/1.npy", "gone.npy", "-b", 5)
    message = fail("select", "shards/1.npy", "train.jsonl", "-b", 5)
    assert "2 files from shards/1.npy to train.jsonl have different formats" in message
    assert "together with files" in fail("select", "-", "shards/1.npy", "-b", 5)


def test_many_files_are_no_name_that_is_too_long():
    for number in range(300):
        np.save(f"{number:03}.npy", VECTORS[:2] + number)
    files = sorted(path.name for path in Path().glob("[0-9]*.npy"))
    succeed("select", *files, "-b", 3, "-o", "o.npy")
    assert len(np.load("o.npy")) == 3
