"""Tokens of texts, found word by word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenly.embedding.pieces import cutter_of
from evenly.embedding.word_tokens import WordTokens
from tests.embedding.test_pieces import CUT, TEXTS, ids


class Counting:
    """A tokenizer that records what it is given."""

    def __init__(self, tokenizer):
        self._tokenizer = tokenizer
        self.texts = []

    def encode_batch(self, texts, **options):
        self.texts += texts
        return self._tokenizer.encode_batch(texts, **options)


@pytest.mark.parametrize("kind", CUT)
@settings(max_examples=100)
@given(texts=st.lists(TEXTS, max_size=4))
def test_the_tokens_are_those_of_the_whole_texts(kind, texts):
    tokenizer = CUT[kind]
    words = WordTokens(tokenizer, cutter_of(tokenizer), kept_bytes=500)
    for some in (texts, texts[::-1]):
        found = [np.frombuffer(tokens, np.int32).tolist() for tokens in words.of(some)]
        assert found == [ids(tokenizer, text) for text in some]


def test_a_word_is_tokenised_once_until_words_are_too_many_to_keep():
    tokenizer = Counting(CUT["llama"])
    cutter = cutter_of(CUT["llama"])
    words = WordTokens(tokenizer, cutter, kept_bytes=900)

    words.of(["the quick fox", "the fox the fox"])
    assert sorted(tokenizer.texts) == ["fox", "quick", "the"]

    words.of(["the brown fox jumps"])
    assert sorted(tokenizer.texts[3:]) == ["brown", "jumps"]

    words.of(["the fox"])  # five words were known, of more than 180 bytes each
    assert sorted(tokenizer.texts[5:]) == ["fox", "the"]


def test_without_a_cutter_each_text_is_tokenised_as_a_whole():
    tokenizer = Counting(CUT["llama"])

    WordTokens(tokenizer, None).of(["the quick fox"])

    assert tokenizer.texts == ["the quick fox"]
