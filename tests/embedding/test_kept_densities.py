"""Densities on disk: whole, right and positive, or not used."""

import hashlib

import numpy as np
import pytest

from evenly.embedding import KeptDensities

FOUND = np.array([0.5, 3.0, 1e-300])


@pytest.fixture
def kept(tmp_path):
    return KeptDensities(tmp_path / "densities")


def test_densities_are_found_again_bit_by_bit(kept):
    assert kept.find("a", 3) is None

    kept.put("a", FOUND)
    kept.put("b", 2 * FOUND)

    assert kept.find("a", 3).tolist() == FOUND.tolist()
    assert kept.find("b", 3).tolist() == (2 * FOUND).tolist()
    assert kept.find("c", 3) is None
    assert len(kept.files()) == 2


def sealed(numbers):
    data = np.asarray(numbers, "<f8").tobytes()
    return b"evenly-densities-1\n" + hashlib.sha256(data).digest() + data


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        sealed(FOUND)[:-1],
        sealed(FOUND) + b"1",
        *(flipped(sealed(FOUND), place) for place in (3, 25, 60, -1)),
        sealed([]),
        sealed([1, 2]),
        sealed([1, 2, 0]),
        sealed([1, -2, 3]),
        sealed([1, np.nan, 3]),
        sealed([1, np.inf, 3]),
    ],
)
def test_a_damaged_file_is_dropped(kept, content, caplog):
    kept.put("a", FOUND)
    [path] = kept.files()
    assert path.read_bytes() == sealed(FOUND)
    path.write_bytes(content)

    assert kept.find("a", 3) is None

    assert "dropped a damaged file of densities" in caplog.text
    assert not path.exists()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    (tmp_path / "densities").write_text("a file")
    kept = KeptDensities(tmp_path / "densities")

    kept.put("a", FOUND)

    assert "continuing without keeping densities" in caplog.text
    assert kept.find("a", 3) is None
    assert kept.files() == []
