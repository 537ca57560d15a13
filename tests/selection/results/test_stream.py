"""`StreamSelection`: the chosen records are written, and everything else is saved and loaded."""

import json

import numpy as np
import pytest

from evenly import StreamSelection, errors, select_stream, select_uniform
from tests.support.encoders import TopicEncoder
from tests.support.streams import RECORDS, VECTORS


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


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
    with pytest.raises(errors.OptionError, match="holds row numbers but no records"):
        loaded.write(tmp_path / "out.jsonl")
    (tmp_path / "found.json").write_text(
        json.dumps({"format": "evenly stream selection", "version": 2, "indices": [0]})
    )
    with pytest.raises(errors.ManifestError, match="damaged"):
        StreamSelection.load(tmp_path / "found.json")
