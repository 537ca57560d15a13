"""Words of the command line that name rows, columns or files."""

from pathlib import Path

import pytest

from tests.support.command_line import fail


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", b"1\ntwo\n", "rows.txt, line 2: 'two' is not a row number"),
        ("rows.txt", b"", "non-empty sequence of row numbers"),
        ("rows.txt", b"1\n1\n", "row 1 is named 2 times"),
        ("rows.txt", b"40\n", "from 0 to 39, got 40"),
        ("rows.txt", b"\xff\xfe\x00", "is not a row number"),
        ("rows.npy", b"", "rows.npy is not an array that can be read"),
        ("rows.npy", b"\x93NUMPY", "rows.npy is not an array that can be read"),
        ("rows.json", b"[1]", "rows.json is not a saved selection"),
    ],
)
def test_wrong_row_numbers_are_rejected(name, content, message):
    Path(name).write_bytes(content)

    assert message in fail("measure", "vectors.npy", name)
