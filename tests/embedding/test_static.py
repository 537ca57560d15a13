"""The word vectors of `encoder="static"`."""

import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from evenly.embedding import load_encoder
from evenly.embedding.static import StaticEncoder, static_files
from evenly.errors import EncoderError

pytestmark = pytest.mark.model
pytest.importorskip("wordllama")

TEXTS = ["A cat sat on the mat.", "", "Two cats sat on a mat.", "日本語 \u200b🎉", "x" * 3000]


def test_the_vectors_are_bit_for_bit_those_of_sentence_transformers():
    from tokenizers import Tokenizer

    try:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    except ImportError:  # before sentence-transformers 5
        from sentence_transformers.models import StaticEmbedding
    weights, tokenizer = static_files()
    table = load_file(weights)["embedding.weight"].astype(np.float32)
    module = StaticEmbedding(Tokenizer.from_file(str(tokenizer)), embedding_weights=table)
    tokenise = getattr(module, "preprocess", None) or module.tokenize
    texts = [*TEXTS, " ".join(f"word {number}" for number in range(40_000))]  # several blocks
    expected = module(tokenise(texts))["sentence_embedding"].detach().numpy()

    encoder = load_encoder("static")

    assert encoder.dimension is None
    np.testing.assert_array_equal(encoder.encode(texts), expected)
    assert (encoder.dimension, encoder.window) == (256, None)
    assert not encoder.encode([""]).any()
    assert not encoder.truncated(texts).any()


def test_a_prompt_is_put_before_every_text():
    prompted = load_encoder("static", prompt="query: ")

    np.testing.assert_array_equal(
        prompted.encode(TEXTS), load_encoder("static").encode([f"query: {t}" for t in TEXTS])
    )
    assert prompted.fingerprint != load_encoder("static").fingerprint != prompted.weights_hash


def test_the_batch_size_is_the_number_of_texts_per_call():
    assert load_encoder("static", batch_size=7).texts_per_call == 7
    assert load_encoder("static").texts_per_call > 1000
    assert not load_encoder("static").pads


def test_embedding_imports_no_deep_learning_library():
    code = (
        "import sys; from evenly.embedding import load_encoder; "
        "load_encoder('static').encode(['a text']); "
        "print({'torch', 'transformers', 'sentence_transformers', 'wordllama'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )

    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_damaged_files_are_an_encoder_error(tmp_path):
    weights, tokenizer = static_files()
    other = tmp_path / "other.safetensors"
    save_file({"other": np.zeros((2, 2))}, other)
    (tmp_path / "damaged").write_bytes(b"{")

    for files in ((other, tokenizer), (tmp_path / "damaged", tokenizer), (weights, other)):
        with pytest.raises(EncoderError, match="'static' could not be loaded"):
            StaticEncoder(*files).encode(["a text"])
