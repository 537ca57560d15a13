"""`UniformStream`: batches of one kind, errors that leave it as it was, files to continue from."""

import numpy as np
import pytest

from evenly import UniformStream, errors, select_stream
from evenly.selection.streaming.state import load_state
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.streams import TEXTS, VECTORS, cut

TRUSTING = {"batch_size": 7, "trust_remote_code": True}


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


def test_results_on_the_way_change_nothing():
    stream = UniformStream(5, keep=2)
    for batch in cut(VECTORS, [50, 100]):
        stream.update(batch)
        stream.result()

    assert stream.result().indices.tolist() == select_stream(VECTORS, 5, keep=2).indices.tolist()
    assert (stream.seen, stream.dropped) == (300, 0)


def test_a_batch_that_is_refused_leaves_the_stream_as_it_was():
    stream = UniformStream(3)
    stream.update(VECTORS[:20])

    with pytest.raises(errors.VectorError, match="5 numbers a row now, 4 numbers a row before"):
        stream.update(np.ones((2, 5)))
    with pytest.raises(errors.VectorError, match="row 20"):
        stream.update([[0.0, 0, 0, 0]])
    stream.update(VECTORS[20:])

    assert stream.result().indices.tolist() == select_stream(VECTORS, 3).indices.tolist()


def test_columns_found_by_themselves_stay_the_same():
    with pytest.raises(errors.VectorError, match=r"say which hold the text: text="):
        select_stream(
            [[{"prompt": text} for text in TEXTS[:9]], [{"question": text} for text in TEXTS[9:]]],
            3,
            encoder=TopicEncoder(),
        )


def test_memory_stays_within_the_candidates(tmp_path):
    stream = UniformStream(10, text="text", encoder=TopicEncoder(), keep=2)
    for begin in range(0, 2000, 100):
        texts = texts_of(100, seed=begin)
        stream.update([{"text": text} for text in texts])
        assert stream.candidates <= 20
    stream.save(tmp_path / "stream.state")
    assert len(load_state(tmp_path / "stream.state")[1].records) <= 20


def test_trust_in_code_is_not_read_from_a_file(tmp_path):
    stream = UniformStream(2, encoder="some-model", encoder_options=TRUSTING)
    stream.save(tmp_path / "stream.state")

    loaded = UniformStream.load(tmp_path / "stream.state")
    trusted = UniformStream.load(
        tmp_path / "stream.state", encoder_options={"trust_remote_code": True}
    )

    assert loaded.settings["encoder_options"] == {"batch_size": 7}
    assert trusted.settings["encoder_options"] == TRUSTING
