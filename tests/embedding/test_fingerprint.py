from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from evenly.embedding.fingerprint import fingerprint_folder, hash_weights, weight_files
from evenly.embedding.hub import files_to_download

OPTIONS = {"backend": "torch", "dtype": None, "max_length": None, "trust_remote_code": False}


def write_model(folder: Path) -> Path:
    """Write a folder with the layout of all-MiniLM-L6-v2 and other weights."""
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text('{"model": {}}')
    write_json(
        folder / "modules.json", [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}]
    )
    write_json(folder / "config.json", {"hidden_size": 3, "transformers_version": "4.8.2"})
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 256})
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True})
    return folder


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))


def fingerprint(folder: Path, **options: object) -> str | None:
    weights = hash_weights(folder, weight_files(folder))
    return fingerprint_folder(folder, weights, {**OPTIONS, **options})


def test_the_hash_of_a_single_weight_file_is_its_sha256(tmp_path):
    folder = write_model(tmp_path / "model")

    assert hash_weights(folder, weight_files(folder)) == (
        "sha256:" + hashlib.sha256(b"weights").hexdigest()
    )


def test_the_path_and_unrelated_files_do_not_change_the_fingerprint(tmp_path):
    here, there = write_model(tmp_path / "here"), write_model(tmp_path / "there")
    (there / "onnx").mkdir()
    (there / "onnx" / "model.onnx").write_bytes(b"the same, exported")
    (there / "pytorch_model.bin").write_bytes(b"the same, in the old format")
    (there / "2_Normalize").mkdir()
    (there / "README.md").write_text("about")
    (there / "vocab.txt").write_text("also in tokenizer.json")
    write_json(there / "data_config.json", [])
    write_json(there / "config.json", {"transformers_version": "5.0", "hidden_size": 3})

    assert fingerprint(here) == fingerprint(there)


CHANGES = {
    "weights": lambda f: (f / "model.safetensors").write_bytes(b"tuned"),
    "second weight file": lambda f: (f / "model-2.safetensors").write_bytes(b"more"),
    "tokenizer": lambda f: (f / "tokenizer.json").write_text('{"model": {"a": 1}}'),
    "window": lambda f: write_json(f / "sentence_bert_config.json", {"max_seq_length": 128}),
    "pooling": lambda f: write_json(f / "1_Pooling/config.json", {"pooling_mode_cls_token": True}),
    "modules": lambda f: write_json(f / "modules.json", [{"path": ""}, {"path": "1_Pooling"}]),
    "network": lambda f: write_json(f / "config.json", {"hidden_size": 4}),
    "module weights": lambda f: (f / "1_Pooling" / "model.safetensors").write_bytes(b"dense"),
    "prompts": lambda f: write_json(
        f / "config_sentence_transformers.json", {"prompts": {"a": "b"}}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_of_the_vectors_changes_the_fingerprint(tmp_path, change):
    folder = write_model(tmp_path)
    before = fingerprint(folder)

    CHANGES[change](folder)

    assert fingerprint(folder) != before


def test_a_slow_tokenizer_changes_the_fingerprint(tmp_path):
    folder = write_model(tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("one")
    before = fingerprint(folder)

    (folder / "vocab.txt").write_text("two")

    assert fingerprint(folder) != before


def test_every_option_changes_the_fingerprint(tmp_path):
    folder = write_model(tmp_path)
    changed = [
        {},
        {"backend": "onnx"},
        {"dtype": "float16"},
        {"max_length": 128},
        {"prompt": "query: "},
        {"trust_remote_code": True},
    ]

    assert len({fingerprint(folder, **options) for options in changed}) == len(changed)


def test_trusted_code_changes_the_fingerprint_and_remote_code_prevents_it(tmp_path):
    folder = write_model(tmp_path)
    (folder / "modeling.py").write_text("one")
    before = fingerprint(folder, trust_remote_code=True)
    (folder / "modeling.py").write_text("two")
    assert fingerprint(folder, trust_remote_code=True) != before

    write_json(folder / "config.json", {"auto_map": {"AutoModel": "someone/code--modeling.Model"}})
    assert fingerprint(folder, trust_remote_code=True) is None
    assert fingerprint(folder) is not None


REPOSITORY = [
    ".gitattributes",
    "README.md",
    "config.json",
    "modules.json",
    "tokenizer.json",
    "vocab.txt",
    "model.safetensors",
    "pytorch_model.bin",
    "tf_model.h5",
    "rust_model.ot",
    "1_Pooling/config.json",
    "2_Dense/pytorch_model.bin",
    "onnx/model.onnx",
    "onnx/model_O4.onnx",
    "openvino/openvino_model.bin",
]


def test_one_form_of_the_weights_is_downloaded():
    chosen = files_to_download(REPOSITORY)

    assert chosen == [
        "config.json",
        "modules.json",
        "tokenizer.json",
        "vocab.txt",
        "model.safetensors",
        "1_Pooling/config.json",
        "2_Dense/pytorch_model.bin",
    ]
    assert set(files_to_download(REPOSITORY, backend="onnx")) - set(chosen) == {"onnx/model.onnx"}
