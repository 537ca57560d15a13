"""Nothing that is read from a file grants trust, names code or is unpickled, by any loader."""

import gzip
import io
import json
import pickle
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from evenly import (
    Deduplication,
    Selection,
    StreamSelection,
    UniformStream,
    embed,
    measure,
    select_stream,
    select_uniform,
)
from evenly.embedding import EmbeddingCache, embed_texts
from evenly.embedding.hashed_texts import as_short_keys, short_key
from evenly.errors import EvenlyError
from evenly.selection.streaming import state
from tests.support.command_line import (
    MODEL,
    TEXTS,
    VECTORS,
    run_evenly,
    save_letters_model,
    write_lines,
)
from tests.support.encoders import FINGERPRINT, TopicEncoder, loaded


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a model, texts and vectors, in which no code from a file may run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))
    save_letters_model(Path(MODEL))
    write_lines("train.jsonl", [{"text": text} for text in TEXTS])
    np.save("vectors.npy", VECTORS)
    yield tmp_path
    assert not Path("ran").exists(), "code from a file has run"


class Payload:
    """Writes the file "ran" when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


def saved(write, *arguments):
    stream = io.BytesIO()
    write(stream, *arguments)
    return stream.getvalue()


def pickled():
    return pickle.dumps(Payload())


def array_of_objects():
    array = np.empty((3, 1), object)
    array[:] = Payload()
    return saved(lambda stream: np.save(stream, array, allow_pickle=True))


def archive_of_objects():
    return saved(lambda stream: np.savez(stream, a=np.array(Payload(), object)))


def of_torch():
    import torch

    return saved(lambda stream: torch.save(Payload(), stream))


def safetensors_with_a_pickle():
    header = {"x": {"dtype": "U8", "shape": [len(pickled())], "data_offsets": [0, len(pickled())]}}
    text = json.dumps({"__metadata__": {"pickle": pickled().hex()}, **header}).encode()
    return struct.pack("<Q", len(text)) + text + pickled()


def packed():
    return gzip.compress(pickled())


CONTENTS = (
    pickled,
    array_of_objects,
    archive_of_objects,
    of_torch,
    safetensors_with_a_pickle,
    packed,
)
SUFFIXES = (".npy", ".safetensors", ".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet", ".txt")


def rejects(call, path):
    """Call with the path; what is no EvenlyError is an error of this test."""
    try:
        call(path)
    except EvenlyError:
        return True
    return False


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_file_of_data_is_unpickled(content, suffix):
    path = f"evil{suffix}"
    Path(path).write_bytes(content())
    how = {"encoder": "static", "cache_dir": False}

    rejects(lambda path: select_uniform(path, 1, **how), path)
    rejects(lambda path: select_stream([path], 1, **how), path)
    rejects(lambda path: select_uniform(TEXTS, 1, away_from=path, **how), path)
    rejects(lambda path: select_uniform(TEXTS, 1, include=path, **how), path)
    rejects(lambda path: measure(VECTORS, path), path)
    rejects(lambda path: embed(path, **how), path)


LOADERS = {
    "a selection": Selection.load,
    "a stream selection": StreamSelection.load,
    "a deduplication": Deduplication.load,
    "a stream": UniformStream.load,
    "a checkpoint": lambda path: select_uniform(VECTORS, 2, checkpoint=path),
    "a model": lambda path: select_uniform(TEXTS, 2, encoder=path),
    "a tokenizer": lambda path: select_uniform(
        TEXTS, token_budget=9, tokenizer=path, encoder="static", cache_dir=False
    ),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("loader", LOADERS.values(), ids=LOADERS)
def test_no_file_that_evenly_wrote_is_unpickled(content, loader):
    Path("evil").write_bytes(content())

    assert rejects(loader, "evil")


@pytest.mark.parametrize("content", CONTENTS)
def test_no_file_of_the_command_line_is_unpickled(content):
    for name in ("evil.npy", "evil.json", "evil.txt"):
        Path(name).write_bytes(content())
        for words in (
            ("measure", "vectors.npy", name),
            ("compare", "vectors.npy", name),
            ("select", "vectors.npy", "-b", 2, "--include", name),
            ("select", "vectors.npy", "-b", 2, "--away-from", name),
            ("select", "vectors.npy", "-b", 2, "--groups", name),
            ("select", "vectors.npy", "-b", 2, "--quality", name, "--quality-weight", 1),
            ("select", "vectors.npy", "-b", 2, "--checkpoint", name),
            ("select", "--from-manifest", name),
            ("extend", name, "-b", 2),
            ("stream", "vectors.npy", "-b", 2, "--state", name),
            ("select", "train.jsonl", "-b", 2, "--vectors", name),
        ):
            assert run_evenly(*words).exit_code == 2, words


@pytest.mark.parametrize("content", CONTENTS)
def test_no_cached_vector_is_unpickled(content):
    cache = EmbeddingCache("cache")
    embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)
    [shard] = Path("cache").rglob("*.safetensors")
    shard.write_bytes(content())

    assert not list(cache.find(FINGERPRINT, as_short_keys(b"".join(map(short_key, TEXTS)))))


@pytest.mark.filterwarnings("ignore:pickle-based deserialization")
def test_no_metadata_of_parquet_is_unpickled():
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickled(),
    }
    schema = pa.schema(
        [pa.field("text", pa.string(), metadata=extension)],
        metadata={b"pandas": pickled(), b"huggingface": pickled()},
    )
    pq.write_table(pa.table([TEXTS], schema=schema), "train.parquet")

    assert len(select_uniform("train.parquet", 3, encoder=MODEL, cache_dir=False)) == 3


EVIL = "open('ran', 'w').close()\nclass Evil:\n    pass\n"


def with_a_module(folder):
    (folder / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}])
    )


def with_a_module_of_the_standard_library(folder):
    (folder / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "ran", "type": "pathlib.Path"}])
    )


def with_code_of_a_network(folder):
    names = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": "evil.Evil"}
    for name in ("config.json", "tokenizer_config.json"):
        (folder / name).write_text(json.dumps({"model_type": "evil", "auto_map": names}))
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": 0,
                    "name": "0",
                    "path": "",
                    "type": "sentence_transformers.models.Transformer",
                }
            ]
        )
    )
    (folder / "tokenizer.json").unlink()


def with_pickled_weights(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(of_torch())


MODELS = (
    with_a_module,
    with_a_module_of_the_standard_library,
    with_code_of_a_network,
    with_pickled_weights,
)


def make_evil(change):
    (Path(MODEL) / "evil.py").write_text(EVIL)
    change(Path(MODEL))


@pytest.mark.parametrize("change", MODELS)
def test_no_code_of_a_model_runs_and_no_weight_is_unpickled(change):
    make_evil(change)

    assert rejects(lambda model: select_uniform(TEXTS, 2, encoder=model, cache_dir=False), MODEL)
    rejects(
        lambda model: select_uniform(
            TEXTS, token_budget=9, tokenizer=model, encoder="static", cache_dir=False
        ),
        MODEL,
    )
    assert run_evenly("select", "train.jsonl", "-b", 2, "--encoder", MODEL).exit_code == 2


TRUSTING = {"encoder": MODEL, "encoder_options": {"trust_remote_code": True}, "cache_dir": False}


def test_a_stream_that_was_saved_with_trust_grants_none():
    stream = UniformStream(2, text="text", **TRUSTING)
    stream.update("train.jsonl")
    stream.save("saved.stream")
    assert stream.settings["encoder_options"]["trust_remote_code"] is True
    make_evil(with_a_module)

    later = UniformStream.load("saved.stream", cache_dir=False)

    assert "trust_remote_code" not in later.settings["encoder_options"]
    assert rejects(later.update, "train.jsonl")
    words = ("stream", "train.jsonl", "-b", 2, "--encoder", MODEL, "--state", "saved.stream")
    assert run_evenly(*words, "--no-cache").exit_code == 2


def test_options_that_a_stream_does_not_have_grant_nothing():
    UniformStream(2, text="text", encoder=MODEL).save("saved.stream")
    settings, kept = state.load_state("saved.stream")
    make_evil(with_a_module)
    for options in (
        {"trust_remote_code": True},
        {"trust_remote_code": 1},
        {"model_kwargs": {"trust_remote_code": True}},
        {"config_kwargs": {"trust_remote_code": True}},
    ):
        changed = {**settings, "encoder_options": options}
        state.save_state("evil.stream", changed, kept, force=True)

        assert rejects(lambda path: UniformStream.load(path).update("train.jsonl"), "evil.stream")


def test_a_manifest_that_was_saved_with_trust_grants_none():
    select_uniform("train.jsonl", 2, text="text", **TRUSTING).save("trusted.json")
    make_evil(with_a_module)
    earlier = Selection.load("trusted.json")
    assert earlier.provenance.options["encoder_options"]["trust_remote_code"] is True

    for call in (
        lambda earlier: earlier.extend(3, cache_dir=False),
        lambda earlier: earlier.fill(cache_dir=False),
        lambda earlier: earlier.assignments(cache_dir=False),
        lambda earlier: earlier.explain(1, cache_dir=False),
        lambda earlier: measure("train.jsonl", earlier, cache_dir=False),
        lambda earlier: select_uniform(TEXTS, 2, away_from=earlier, encoder=MODEL, cache_dir=False),
    ):
        assert rejects(call, earlier)
    for words in (
        ("select", "--from-manifest", "trusted.json"),
        ("extend", "trusted.json", "-b", 3),
        ("fill", "trusted.json"),
        ("assign", "trusted.json", "-o", "x.csv"),
        ("explain", "trusted.json", 1),
        ("measure", "train.jsonl", "trusted.json"),
        ("compare", "train.jsonl", "trusted.json"),
        ("select", "train.jsonl", "-b", 2, "--away-from", "trusted.json", "--encoder", MODEL),
    ):
        assert run_evenly(*words, "--no-cache").exit_code == 2, words


def test_code_of_a_model_runs_if_it_is_trusted_in_the_call():
    """The files above would run code."""
    make_evil(with_a_module)

    assert rejects(lambda text: select_uniform([text, "b"], 2, **TRUSTING), "a")

    assert Path("ran").exists()
    Path("ran").unlink()
    shutil.rmtree(MODEL)
