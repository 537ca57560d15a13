from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.embedding import EmbeddingCache, Embeddings, embed_texts
from evenly.embedding.embed import ShardLimits
from evenly.errors import EncoderError
from tests.support.encoders import (
    DIMENSION,
    FINGERPRINT,
    SENTENCES,
    TopicEncoder,
    loaded,
    vector_of,
)

any_texts = st.lists(st.one_of(st.sampled_from(["", "a", "b", "a b"]), st.text(max_size=30)))


def expected(texts: list[str]) -> np.ndarray:
    return np.array([vector_of(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSION)


@given(texts=any_texts, before=st.lists(any_texts, max_size=3), per_call=st.integers(1, 5))
def test_each_text_gets_its_vector_for_any_content_of_the_cache(
    tmp_path_factory, texts, before, per_call
):
    cache = EmbeddingCache(tmp_path_factory.mktemp("cache"))
    for earlier in before:
        embed_texts(earlier, loaded(TopicEncoder(per_call, window=20)), cache=cache)
    known = {text for earlier in before for text in earlier}
    encoder = TopicEncoder(per_call, window=20)

    result = embed_texts(texts, loaded(encoder), cache=cache)

    if texts:
        np.testing.assert_array_equal(result.vectors, expected(texts))
    assert sorted(encoder.seen) == sorted(set(texts) - known)
    assert result.reused == sum(text in known for text in texts)
    assert result.computed == len(texts) - result.reused
    assert result.truncated == sum(len(text) > encoder.window for text in texts)


def test_the_result_converts_to_an_array_of_float32_rows(encoder):
    result = embed_texts(["one", "two", "one"], loaded(encoder))

    assert result.vectors.dtype == np.float32
    assert result.vectors.flags.c_contiguous
    assert len(result) == 3
    assert np.asarray(result) is result.vectors
    np.testing.assert_array_equal(
        np.asarray(result, dtype=np.float64), expected(["one", "two", "one"])
    )
    assert np.array(result) is not result.vectors
    with pytest.raises(ValueError, match="copy"):
        np.asarray(result, dtype=np.float64, copy=False)


def test_paraphrases_are_near_and_topics_are_far_apart():
    """The premise of every test that selects texts with the fake encoder."""
    topic = np.repeat(np.arange(len(SENTENCES)), 3)
    texts = [text for paraphrases in SENTENCES.values() for text in paraphrases]
    rows = embed_texts(texts, loaded(TopicEncoder())).vectors
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    distances = np.linalg.norm(rows[:, None] - rows, axis=2)

    same = topic[:, None] == topic
    assert distances[same].max() < 0.7 < 1.3 < distances[~same].min()


def test_provenance_comes_from_the_encoder(encoder):
    result = embed_texts(["one"], loaded(encoder))

    assert (result.encoder, result.fingerprint) == ("fake", FINGERPRINT)
    assert result.seconds > 0


def test_without_texts_the_encoder_is_not_called(encoder, cache):
    result = embed_texts([], loaded(encoder), cache=cache)

    assert result.vectors.shape[0] == 0
    assert result.vectors.ndim == 2
    assert encoder.calls == 0


def test_an_encoder_that_does_not_pad_gets_texts_in_their_order():
    class Unpadded(TopicEncoder):
        pads = False

    encoder, texts = Unpadded(2), ["bb", "a", "cccc", "bb", "ddd"]

    result = embed_texts(texts, loaded(encoder))

    assert encoder.seen == ["bb", "a", "cccc", "ddd"]
    np.testing.assert_array_equal(result.vectors, TopicEncoder().encode(texts).astype(np.float32))


def test_longer_texts_are_embedded_first_and_returned_in_order(encoder):
    texts = ["a", "a" * 9, "a" * 3, "a" * 7, "a" * 5]

    result = embed_texts(texts, loaded(encoder))

    assert [len(text) for text in encoder.seen] == [9, 7, 5, 3, 1]
    np.testing.assert_array_equal(result.vectors, expected(texts))


def test_an_encoder_without_a_fingerprint_is_not_cached(encoder, cache):
    for _ in range(2):
        result = embed_texts(["one"], loaded(encoder, None), cache=cache)
        assert result.reused == 0

    assert encoder.calls == 2
    assert cache.info().models == []


def test_a_changed_row_embeds_only_itself(cache):
    texts = [f"text {row}" for row in range(50)]
    embed_texts(texts, loaded(TopicEncoder(4)), cache=cache)
    texts[7] = "changed"
    encoder = TopicEncoder(4)

    result = embed_texts(texts, loaded(encoder), cache=cache)

    assert encoder.seen == ["changed"]
    assert (result.reused, result.computed) == (49, 1)
    np.testing.assert_array_equal(result.vectors, expected(texts))


def test_encoders_with_different_fingerprints_share_no_vectors(cache):
    embed_texts(["one"], loaded(TopicEncoder(4)), cache=cache)
    encoder = TopicEncoder(4)

    embed_texts(["one"], loaded(encoder, "sha256:" + "cd" * 32), cache=cache)

    assert encoder.seen == ["one"]


@pytest.mark.parametrize("cached", [False, True])
def test_texts_over_the_window_are_counted_and_logged_once(cache, caplog, cached):
    texts = ["short", "long " * 10, "long " * 10, "longer " * 10]
    if cached:
        embed_texts(texts, loaded(TopicEncoder(window=20)), cache=cache)
        caplog.clear()

    with caplog.at_level(logging.WARNING, "evenly"):
        result = embed_texts(texts, loaded(TopicEncoder(window=20)), cache=cache)

    assert result.truncated == 3
    assert [record.getMessage() for record in caplog.records] == [
        "3 of 4 texts are longer than the 20 tokens that fake reads: what follows is ignored"
    ]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError])
def test_vectors_finished_before_an_interruption_are_kept(cache, failure):
    class Failing(TopicEncoder):
        def encode(self, texts):
            if self.calls == 3:
                raise failure("stop")
            return super().encode(texts)

    texts = [f"text {row:02}" for row in range(20)]
    with pytest.raises(KeyboardInterrupt if failure is KeyboardInterrupt else EncoderError):
        embed_texts(texts, loaded(Failing(4)), cache=cache)
    encoder = TopicEncoder(4)

    result = embed_texts(texts, loaded(encoder), cache=cache)

    assert result.reused == 12
    assert encoder.seen == texts[12:]


def test_shards_are_written_at_the_limits(cache):
    texts = [f"text {row}" for row in range(20)]
    limits = ShardLimits(min_texts=8, min_seconds=0.0)

    embed_texts(texts, loaded(TopicEncoder(4)), cache=cache, shard_limits=limits)

    [model] = cache.info().models
    assert (model.shards, model.rows) == (3, 20)


@pytest.mark.parametrize(
    ("texts", "seconds", "reached"),
    [
        (1024, 2.0, True),
        (1023, 2.0, False),
        (1024, 1.9, False),
        (65_536, 0.0, True),
        (1, 30.0, True),
    ],
)
def test_the_default_limits_of_a_shard(texts, seconds, reached):
    assert ShardLimits().reached(texts, seconds) is reached


def test_vectors_of_different_lengths_are_rejected(cache):
    embed_texts(["one", "two"], loaded(TopicEncoder(4)), cache=cache)

    class Wider(TopicEncoder):
        def encode(self, texts):
            return np.zeros((len(texts), DIMENSION + 1))

    with pytest.raises(
        EncoderError, match=f"length {DIMENSION + 1} after vectors of length {DIMENSION}"
    ):
        embed_texts(["one", "three"], loaded(Wider(4)), cache=cache)


@pytest.mark.parametrize(("progress", "drawn"), [(True, True), (False, False), (None, False)])
def test_progress_is_drawn_on_stderr_if_requested(encoder, capsys, progress, drawn):
    embed_texts(["one", "two"], loaded(encoder), progress=progress)

    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("embedding" in printed.err) is drawn


def test_the_result_is_frozen(encoder):
    result = embed_texts(["one"], loaded(encoder))

    assert isinstance(result, Embeddings)
    with pytest.raises(AttributeError):
        result.encoder = "other"  # type: ignore[misc]
