"""`load_encoder`: turns a name, a path or an object into an encoder with its provenance."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

from evenly.atomic import file_sha256
from evenly.embedding.encoder import Encoder, LoadedEncoder
from evenly.embedding.fingerprint import (
    fingerprint_folder,
    fingerprint_instance,
    hash_mapping,
    hash_weights,
    weight_files,
)
from evenly.embedding.hub import HUB, Hub, hub_model, is_model_folder
from evenly.embedding.offline import MINILM, packaged_minilm
from evenly.embedding.sentence_transformer import SentenceTransformerEncoder, load_folder
from evenly.embedding.static import STATIC, StaticEncoder, static_files
from evenly.errors import MissingExtraError, ModelNotFoundError, OptionError
from evenly.options import DEFAULT_ENCODER, EncoderOptions
from evenly.paths import expand

Dtype = Literal["float32", "float16", "bfloat16"]
Backend = Literal["torch", "onnx"]
_FOLDER_OPTIONS = ("dtype", "backend", "max_length", "trust_remote_code")
_DEFAULTS = {"device": "auto", **asdict(EncoderOptions())}


def load_encoder(
    encoder: str | os.PathLike[str] | Encoder = DEFAULT_ENCODER,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    dtype: Dtype | None = None,
    prompt: str | None = None,
    backend: Backend = "torch",
    max_length: int | None = None,
    trust_remote_code: bool = False,
) -> LoadedEncoder:
    """Find an encoder and compute its fingerprint, without loading its model yet.

    Args:
        encoder: the name of a sentence-transformers model, the path of a model folder,
            "static" (word vectors, extra `[static]`), a SentenceTransformer, or any object with
            `encode(list[str]) -> (n, d)`. A LoadedEncoder is returned unchanged. The default
            model comes from the package of the extra `[offline]` if that is installed, else
            from the hub's local cache, else from the hub; vectors and fingerprint are the same.
        device: "auto" (CUDA, else Apple's GPU, else the CPU), or a device name of torch.
        batch_size: texts per batch; for an object with `encode`, texts per call.
        dtype: precision in which the model computes; the vectors are always float32.
        prompt: text put before every text. By default the model's own default prompt, if any.
        backend: "torch" or "onnx", which needs the extra `[onnx]`.
        max_length: number of tokens the model reads of each text, instead of its own setting.
        trust_remote_code: whether to run Python code that comes with the model.

    Raises:
        OptionError: an option has an invalid value, or does not apply to this encoder.
        ModelNotFoundError: the model could not be found or downloaded.
        MissingExtraError: an optional package is not installed.
    """
    arguments = locals()
    if isinstance(encoder, LoadedEncoder):
        return encoder
    options = EncoderOptions.of(arguments)
    if encoder == STATIC:
        _reject_options(STATIC, arguments, _FOLDER_OPTIONS)
        return _load_static(options)
    if isinstance(encoder, str | os.PathLike):
        return _load_named(encoder, device, options)
    unused = (*_FOLDER_OPTIONS, "device")
    if _is_sentence_transformer(encoder):
        _reject_options("a SentenceTransformer that is already loaded", arguments, unused)
        return _wrap_instance(encoder, options)
    if not isinstance(encoder, Encoder):
        raise OptionError(
            f"encoder must be a model name, a path, {STATIC!r}, a SentenceTransformer or an object "
            f"with encode(list of texts), got {type(encoder).__name__}: {encoder!r}."
        )
    kind = f"an encoder object ({type(encoder).__name__})"
    _reject_options(kind, arguments, (*unused, "prompt"))
    name, own = getattr(encoder, "name", None), getattr(encoder, "fingerprint", None)
    name = name if isinstance(name, str) else type(encoder).__name__
    fingerprint = hash_mapping({"encoder": own}) if isinstance(own, str) else None
    return LoadedEncoder(name, encoder, fingerprint, requested_texts_per_call=batch_size)


def _load_named(
    encoder: str | os.PathLike[str], device: str, options: EncoderOptions
) -> LoadedEncoder:
    backend, prompt = options.backend, options.prompt
    if backend == "onnx":
        _check_onnx(options.dtype)
    name, folder = find_model(encoder, backend)
    window = _check_window(folder, options.max_length)
    weights_hash = hash_weights(folder, weight_files(folder, backend=backend))
    of_folder = {option: getattr(options, option) for option in _FOLDER_OPTIONS}
    # The fingerprint is a hash of JSON, which has no NumPy integers.
    of_folder["max_length"] = options.max_length and int(options.max_length)
    loaded = SentenceTransformerEncoder(
        partial(load_folder, folder, device=device, **of_folder),
        name=name,
        batch_size=options.batch_size,
        prompt=prompt,
        window=window,
    )
    fingerprint = fingerprint_folder(folder, weights_hash, {**of_folder, "prompt": prompt})
    return LoadedEncoder(name, loaded, fingerprint, weights_hash)


def find_model(
    encoder: str | os.PathLike[str],
    backend: str = "torch",
    *,
    packaged: Callable[[], Path | None] = packaged_minilm,
    hub: Hub = HUB,
) -> tuple[str, Path]:
    """Return the name and the folder of a model.

    Args:
        encoder: the model's name, or the path of its folder.
        backend: "torch" or "onnx".
        packaged: returns the folder of the default model in an installed package, if any.
        hub: where to look for all other models.

    Raises:
        ModelNotFoundError: the model could not be found or downloaded.
    """
    name = os.fspath(encoder)
    folder = Path(expand(name, ModelNotFoundError))
    if folder.is_dir():
        if not is_model_folder(folder, backend=backend):
            raise ModelNotFoundError(
                f"the folder {name!r} does not hold a sentence-transformers model. It must "
                "contain modules.json or config.json, and weights (.safetensors or "
                "pytorch_model.bin)."
            )
        return name, folder
    is_path = name.startswith((".", "~", os.sep)) or name.count("/") > 1 or "\\" in name
    if not isinstance(encoder, str) or folder.exists() or is_path:
        problem = "is not a folder" if folder.exists() else "does not exist"
        raise ModelNotFoundError(
            f"the model folder {name!r} {problem}. Pass the path of a folder with a "
            f"sentence-transformers model, or a model name such as {DEFAULT_ENCODER!r}."
        )
    if name in (DEFAULT_ENCODER, MINILM) and (installed := packaged()) is not None:
        return MINILM, installed
    return hub_model(name, backend=backend, hub=hub)


def _load_static(options: EncoderOptions) -> LoadedEncoder:
    weights, tokenizer = static_files()
    weights_hash, prompt = "sha256:" + file_sha256(weights), options.prompt
    content = {"weights": weights_hash, "tokenizer": file_sha256(tokenizer), "prompt": prompt}
    encoder = StaticEncoder(weights, tokenizer, batch_size=options.batch_size, prompt=prompt)
    return LoadedEncoder(STATIC, encoder, hash_mapping(content), weights_hash)


def _wrap_instance(model: Any, options: EncoderOptions) -> LoadedEncoder:
    fingerprint, weights_hash = fingerprint_instance(model, options.prompt)
    name = type(model).__name__
    encoder = SentenceTransformerEncoder(
        lambda: model, name=name, batch_size=options.batch_size, prompt=options.prompt
    )
    return LoadedEncoder(name, encoder, fingerprint, weights_hash)


def _is_sentence_transformer(encoder: object) -> bool:
    """Recognise an instance without importing the library, which any instance has imported."""
    library = sys.modules.get("sentence_transformers")
    return library is not None and isinstance(encoder, library.SentenceTransformer)


def _check_window(folder: Path, max_length: int | None) -> int | None:
    """Return the window in tokens, or raise if the network does not support `max_length`."""
    longest = _read_integer(folder / "config.json", "max_position_embeddings")
    if max_length is not None and longest is not None and max_length > longest:
        raise OptionError(
            f"max_length must be between 1 and {longest}, the longest input of this model, got "
            f"{max_length}."
        )
    return max_length or _read_integer(folder / "sentence_bert_config.json", "max_seq_length")


def _read_integer(path: Path, key: str) -> int | None:
    try:
        value = json.loads(path.read_bytes()).get(key)
    except (OSError, ValueError, AttributeError):
        return None
    return value if isinstance(value, int) else None


def _check_onnx(dtype: str | None) -> None:
    if dtype is not None:
        raise OptionError(f"dtype={dtype!r} cannot be combined with backend='onnx'. Leave it out.")
    for package in ("optimum", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "onnx", "backend='onnx'")


def _reject_options(encoder: str, arguments: dict[str, Any], names: tuple[str, ...]) -> None:
    """Raise OptionError if one of the options `names`, which this encoder ignores, was set."""
    unused = [f"{name}={arguments[name]!r}" for name in names if arguments[name] != _DEFAULTS[name]]
    if unused:
        raise OptionError(
            f"{', '.join(unused)} cannot be used with {encoder}. Leave "
            f"{'it' if len(unused) == 1 else 'them'} out."
        )
