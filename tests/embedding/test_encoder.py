from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from evenly.embedding import Encoder, LoadedEncoder, load_encoder
from evenly.embedding.hub import Hub
from evenly.embedding.load import find_model
from evenly.embedding.sentence_transformer import SentenceTransformerEncoder, resolve_device
from evenly.errors import EncoderError, ModelNotFoundError, OptionError
from tests.support.encoders import TopicEncoder, loaded


class Returning:
    """An encoder that always returns the value it was created with."""

    def __init__(self, returned):
        self.returned = returned

    def encode(self, texts):
        return self.returned


@pytest.mark.parametrize(
    "returned",
    [
        np.array([[1, 2], [3, 4]], dtype=np.float64),
        np.array([[1, 2], [3, 4]], dtype=np.float16),
        np.array([[1, 2], [3, 4]], dtype=np.int32),
        np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        [[1, 2], [3, 4]],
        [np.array([1.0, 2.0]), np.array([3.0, 4.0])],
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16),
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])],
    ],
    ids=lambda returned: f"{type(returned).__name__} {getattr(returned, 'dtype', '')}",
)
def test_every_kind_of_numbers_becomes_float32_rows(returned):
    vectors = load_encoder(Returning(returned)).encode(["a", "b"])

    assert vectors.dtype == np.float32
    assert vectors.flags.c_contiguous
    assert vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (np.zeros((3, 4)), r"shape \(3, 4\) for 2 texts"),
        (np.zeros(2), r"shape \(2,\) for 2 texts"),
        (np.zeros((2, 4, 4)), r"shape \(2, 4, 4\)"),
        (np.zeros((2, 0)), r"shape \(2, 0\)"),
        ([[1.0], [1.0, 2.0]], r"lengths \[1, 2\]"),
        (np.array([["a"], ["b"]]), "<U1"),
        (np.array([[1j], [2j]]), "complex"),
        (None, "NoneType"),
        (torch.zeros(2), r"shape \(2,\)"),
    ],
)
def test_a_result_other_than_one_vector_per_text_is_rejected(returned, named):
    with pytest.raises(EncoderError, match=f"'Returning'.*{named}"):
        load_encoder(Returning(returned)).encode(["a", "b"])


def test_a_failure_inside_the_encoder_names_the_encoder():
    class Broken:
        name = "the broken one"

        def encode(self, texts):
            raise KeyError("inside")

    with pytest.raises(EncoderError, match="'the broken one' failed on 1 text with KeyError"):
        load_encoder(Broken()).encode(["a"])


def test_values_too_large_for_float32_become_infinite():
    assert np.isinf(load_encoder(Returning([[1e300]])).encode(["a"])).all()


def test_an_object_is_cached_only_if_it_has_a_fingerprint():
    plain, named, other = TopicEncoder(), TopicEncoder(), TopicEncoder()
    named.fingerprint, other.fingerprint = "v1", "v2"

    assert load_encoder(plain).fingerprint is None
    assert load_encoder(named).fingerprint.startswith("sha256:")
    assert load_encoder(named).fingerprint != load_encoder(other).fingerprint


def test_the_optional_attributes_of_an_object_are_used():
    encoder = load_encoder(TopicEncoder(texts_per_call=7, window=20))

    assert isinstance(TopicEncoder(), Encoder)
    assert (encoder.window, encoder.texts_per_call, encoder.dimension) == (20, 7, None)
    assert encoder.truncated(["a" * 20, "a" * 21]).sum() == 1
    assert load_encoder(TopicEncoder(), batch_size=3).texts_per_call == 3
    assert not load_encoder(Returning([])).truncated(["a" * 9999]).any()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"encoder": 3}, "int: 3"),
        ({"encoder": TopicEncoder(), "prompt": "x"}, "prompt='x'"),
        ({"encoder": TopicEncoder(), "dtype": "float16"}, "dtype='float16'"),
        ({"encoder": TopicEncoder(), "device": "cuda"}, "device='cuda'"),
        ({"encoder": "static", "max_length": 3}, "max_length=3"),
        ({"dtype": "int8"}, "dtype .* float32, float16, bfloat16, got 'int8'"),
        ({"backend": "tensorflow"}, '"torch" or "onnx", got .tensorflow'),
        ({"batch_size": 0}, "batch_size .* got 0"),
        ({"batch_size": True}, "batch_size .* got True"),
        ({"max_length": -1}, "max_length .* got -1"),
        ({"backend": "onnx", "dtype": "float16"}, "dtype='float16'"),
    ],
)
def test_an_invalid_option_is_rejected(options, named):
    with pytest.raises(OptionError, match=named):
        load_encoder(**options)


@pytest.mark.parametrize(
    "path", ["./nowhere", "/no/where", "a/b/c", "~/no-such-folder-here", "two words", ""]
)
def test_a_mistyped_path_is_reported_without_asking_the_hub(path):
    class NoHub(Hub):
        cached = list_files = download = pytest.fail

    with pytest.raises(ModelNotFoundError):
        find_model(path, hub=NoHub())


def test_a_folder_without_weights_is_rejected(tmp_path):
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(ModelNotFoundError, match=r"weights \(\.safetensors"):
        load_encoder(tmp_path)


class SmallMemory:
    """A model on a GPU that holds three texts at a time."""

    device = "cuda:0"

    def __init__(self, holds: int) -> None:
        self.holds = holds
        self.sizes: list[int] = []

    def encode(self, texts, *, batch_size, **_):
        self.sizes.append(batch_size)
        if batch_size > self.holds:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return np.ones((len(texts), 2))


def test_running_out_of_gpu_memory_halves_the_batch_permanently(caplog):
    model = SmallMemory(3)
    encoder = SentenceTransformerEncoder(lambda: model, name="small", batch_size=16)

    assert encoder.encode(["a"] * 5).shape == (5, 2)
    encoder.encode(["a"])

    assert model.sizes == [16, 8, 4, 2, 2]
    assert "batches of 2 texts" in caplog.text


def test_a_text_that_does_not_fit_in_gpu_memory_is_an_error():
    encoder = SentenceTransformerEncoder(lambda: SmallMemory(0), name="small", batch_size=2)

    with pytest.raises(EncoderError, match="out of memory"):
        LoadedEncoder("small", encoder).encode(["a"])


def test_a_model_is_loaded_once_on_first_use():
    loads = []

    def load():
        loads.append(1)
        return SmallMemory(9)

    encoder = loaded(SentenceTransformerEncoder(load, name="lazy", batch_size=2, window=7))
    assert (encoder.window, encoder.dimension, encoder.texts_per_call) == (7, None, 16)
    assert loads == []
    for _ in range(2):
        encoder.encode(["a"])
    assert loads == [1]


@pytest.mark.parametrize(
    ("cuda", "mps", "best"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_selects_the_best_device(monkeypatch, cuda, mps, best):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    assert resolve_device("auto") == best
    assert resolve_device("cuda:3") == "cuda:3"


def test_importing_the_package_loads_no_model_library():
    script = (
        "import sys, evenly.embedding;"
        "print([m for m in ('torch', 'sentence_transformers', 'transformers', 'faiss',"
        " 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
