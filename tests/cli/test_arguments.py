"""Words of the command line that name rows, columns or files."""

from pathlib import Path

import pytest

from tests.support.command_line import fail, ids_of, succeed


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", b"1\ntwo\n", "rows.txt, line 2: 'two' is not a row number"),
        ("rows.txt", b"", "non-empty sequence of row numbers"),
        ("rows.txt", b"1\n1\n", "row 1 is named 2 times"),
        ("rows.txt", b"40\n", "from 0 to 39, got 40"),
        ("rows.txt", b"\xff\xfe\x00", "rows.txt is not a text file: 'utf-16"),
        ("rows.txt", b"1\n\xff\n", "rows.txt is not a text file: 'utf-8"),
        ("rows.txt", b"9" * 5000, "line 1: '99"),
        ("rows.txt", b"\xfe\xff\x00x", "line 1: 'x' is not a row number"),
        ("rows.npy", b"", "rows.npy is not a complete .npy file of an array"),
        ("rows.npy", b"\x93NUMPY", "rows.npy is not a complete .npy file of an array"),
        ("rows.json", b"[1]", "rows.json, record 1: a JSON number instead of an object"),
    ],
)
def test_wrong_row_numbers_are_rejected(name, content, message):
    Path(name).write_bytes(content)

    assert message in fail("measure", "vectors.npy", name)


def test_a_long_list_of_rows_is_no_name_of_a_file():
    rows = ",".join(["0" * 300, "1"])

    succeed("select", "train.jsonl", "--exclude", rows, "-b", 38, "--encoder", "letters")


@pytest.mark.parametrize("form", [["--exclude", "~/rows.txt"], ["--exclude=~/rows.txt"]])
def test_a_home_folder_is_expanded_as_a_shell_would(monkeypatch, form):
    Path("home").mkdir()
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    Path("train.jsonl").rename("home/train.jsonl")
    Path("home/rows.txt").write_text("0\n1\n")
    arguments = ("-b", 38, "--encoder", "letters")

    succeed("select", "~/train.jsonl", *arguments, *form, "-o", "~/chosen.jsonl")

    assert sorted(ids_of("home/chosen.jsonl")) == [*range(2, 40)]
    assert not Path("~").exists()


def test_the_first_word_that_is_no_row_is_named():
    told = fail("select", "vectors.npy", "-b", 3, "--exclude", "1,2,x")
    assert "--exclude must hold row numbers" in told
    assert "it has 'x'" in told
