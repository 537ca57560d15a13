"""The file of a stream: loaded, it continues to the same answer; damaged, it is refused."""

import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly import UniformStream, errors, select_stream
from tests.support.encoders import CachedTopicEncoder, TopicEncoder
from tests.support.pools import pools
from tests.support.streams import RECORDS, VECTORS, quiet


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


def vectors_and_options(kind):
    if kind == "vectors":
        return VECTORS, {"normalize": False}
    return RECORDS, {"encoder": CachedTopicEncoder(), "text": "text"}


@pytest.mark.parametrize("kind", ["vectors", "records"])
@pytest.mark.parametrize("at", [0, 1, 15, 40])
def test_a_stream_that_was_saved_continues_to_the_same_answer(kind, at, tmp_path):
    rows, options = vectors_and_options(kind)
    whole = select_stream([rows], 4, keep=2, **options)
    stream = UniformStream(4, keep=2, **options)
    stream.update(rows[:at] if at else [])

    stream.save(tmp_path / "stream.state")
    later = UniformStream.load(tmp_path / "stream.state", encoder=options.get("encoder"))
    later.update(rows[at:])
    found = later.result()

    assert found.indices.tolist() == whole.indices.tolist()
    assert found.radii.tolist() == whole.radii.tolist()
    assert found.coverage_bound == whole.coverage_bound
    assert list(map(str, found.records)) == list(map(str, whole.records))
    with pytest.raises(errors.OutputExistsError):
        later.save(tmp_path / "stream.state")
    later.save(tmp_path / "stream.state", force=True)


@quiet
@given(vectors=pools(max_rows=120), k=st.integers(1, 4), normalize=st.booleans(), data=st.data())
@settings(max_examples=60)
def test_saved_anywhere_it_continues_to_the_same_answer(vectors, k, normalize, data):
    k = min(k, len(vectors))
    at = sorted(data.draw(st.sets(st.integers(0, len(vectors)), max_size=4)))
    whole = select_stream([vectors], k, keep=2, normalize=normalize)
    stream = UniformStream(k, keep=2, normalize=normalize)

    with tempfile.TemporaryDirectory() as folder:
        for batch in np.split(vectors, at):
            stream.update(batch)
            stream.save(f"{folder}/stream.state", force=True)
            stream = UniformStream.load(f"{folder}/stream.state")

    found = stream.result()
    assert found.indices.tolist() == whole.indices.tolist()
    assert found.radii.tolist() == whole.radii.tolist()
    assert found.coverage_bound == whole.coverage_bound
    assert found.h_min_bound == whole.h_min_bound


@quiet
def test_duplicates_are_saved_too(tmp_path):
    stream = UniformStream(4)
    stream.update(np.array([[1.0, 0], [2, 0], [0, 1]]))

    stream.save(tmp_path / "stream.state")
    stream = UniformStream.load(tmp_path / "stream.state")
    stream.update([[0.0, 3.0]])

    assert stream.result().records[2:].tolist() == [[2, 0], [0, 3]]


def test_damaged_and_foreign_files_are_refused(tmp_path):
    stream = UniformStream(3, encoder=CachedTopicEncoder(), text=lambda record: record["text"])
    stream.update(RECORDS)
    stream.save(tmp_path / "stream.state")

    with pytest.raises(errors.CheckpointError, match="does not exist"):
        UniformStream.load(tmp_path / "none")
    with pytest.raises(errors.CheckpointError, match="text was a Python object"):
        UniformStream.load(tmp_path / "stream.state", encoder=CachedTopicEncoder())
    (tmp_path / "other").write_bytes(b"hello")
    with pytest.raises(errors.CheckpointError, match="is not a saved stream"):
        UniformStream.load(tmp_path / "other")
    np.savez(tmp_path / "arrays.npz", a=np.arange(3))
    with pytest.raises(errors.CheckpointError, match="is not a saved stream"):
        UniformStream.load(tmp_path / "arrays.npz")
    content = (tmp_path / "stream.state").read_bytes()
    for damaged in (content[: len(content) // 2], content.replace(b"numbers", b"numbars")):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(errors.CheckpointError):
            UniformStream.load(tmp_path / "damaged", encoder=CachedTopicEncoder(), text="text")
    other = UniformStream.load(tmp_path / "stream.state", encoder=TopicEncoder(), text="text")
    with pytest.raises(errors.VectorError, match="is of another kind than those before"):
        other.update(RECORDS)


def test_a_record_that_json_cannot_hold_cannot_be_saved(tmp_path):
    stream = UniformStream(1, text="text", encoder=TopicEncoder())
    stream.update([{"text": "a", "other": object()}, {"text": "b", "other": None}])

    with pytest.raises(errors.OutputError, match="as JSON"):
        stream.save(tmp_path / "stream.state")
    assert not (tmp_path / "stream.state").exists()
