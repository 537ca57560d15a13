"""`load_encoder`: turns a name, a path or an object into an encoder with its provenance."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from evenly.embedding.encoder import Encoder, LoadedEncoder
from evenly.embedding.fingerprint import (
    file_sha256,
    fingerprint_folder,
    fingerprint_instance,
    hash_mapping,
    hash_weights,
    weight_files,
)
from evenly.embedding.hub import HUB, Hub, hub_model, is_model_folder
from evenly.embedding.offline import MINILM, packaged_minilm
from evenly.embedding.sentence_transformer import SentenceTransformerEncoder, load_folder
from evenly.embedding.static import STATIC, load_static, static_files
from evenly.errors import MissingExtraError, ModelNotFoundError, OptionError
from evenly.options import DEFAULT_ENCODER

Dtype = Literal["float32", "float16", "bfloat16"]
Backend = Literal["torch", "onnx"]

_STATIC_BATCH = 1024


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
    if isinstance(encoder, LoadedEncoder):
        return encoder
    if dtype is not None:
        _check_choice("dtype", dtype, get_args(Dtype))
    _check_choice("backend", backend, get_args(Backend))
    _check_positive("batch_size", batch_size)
    _check_positive("max_length", max_length)
    # The options of a model folder, each with its default value.
    folder_options: dict[str, tuple[Any, Any]] = {
        "dtype": (dtype, None),
        "backend": (backend, "torch"),
        "max_length": (max_length, None),
        "trust_remote_code": (trust_remote_code, False),
    }
    if encoder == STATIC:
        _reject_options(STATIC, folder_options)
        return _load_static(device, batch_size, prompt)
    if isinstance(encoder, str | os.PathLike):
        options = {option: value for option, (value, _) in folder_options.items()}
        return _load_named(encoder, device, batch_size, prompt, options)
    folder_options["device"] = (device, "auto")
    if _is_sentence_transformer(encoder):
        _reject_options("a SentenceTransformer that is already loaded", folder_options)
        return _wrap_instance(encoder, batch_size, prompt)
    if not isinstance(encoder, Encoder):
        raise OptionError(
            f"encoder must be a model name, a path, {STATIC!r}, a SentenceTransformer or an object "
            f"with encode(list of texts), got {type(encoder).__name__}: {encoder!r}."
        )
    _reject_options(
        f"an encoder object ({type(encoder).__name__})", folder_options | {"prompt": (prompt, None)}
    )
    name, own = getattr(encoder, "name", None), getattr(encoder, "fingerprint", None)
    name = name if isinstance(name, str) else type(encoder).__name__
    fingerprint = hash_mapping({"encoder": own}) if isinstance(own, str) else None
    return LoadedEncoder(name, encoder, fingerprint, requested_texts_per_call=batch_size)


def _load_named(
    encoder: str | os.PathLike[str],
    device: str,
    batch_size: int | None,
    prompt: str | None,
    options: dict[str, Any],
) -> LoadedEncoder:
    if options["backend"] == "onnx":
        _check_onnx(options["dtype"])
    name, folder = find_model(encoder, options["backend"])
    window = _check_window(folder, options["max_length"])
    weights_hash = hash_weights(folder, weight_files(folder, backend=options["backend"]))
    loaded = SentenceTransformerEncoder(
        partial(load_folder, folder, device=device, **options),
        name=name,
        batch_size=batch_size,
        prompt=prompt,
        window=window,
    )
    fingerprint = fingerprint_folder(folder, weights_hash, {**options, "prompt": prompt})
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
    folder = Path(name).expanduser()
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


def _load_static(device: str, batch_size: int | None, prompt: str | None) -> LoadedEncoder:
    weights, tokenizer = static_files()
    weights_hash = "sha256:" + file_sha256(weights)
    content = {"weights": weights_hash, "tokenizer": file_sha256(tokenizer), "prompt": prompt}
    encoder = SentenceTransformerEncoder(
        partial(load_static, weights, tokenizer, device=device),
        name=STATIC,
        batch_size=batch_size or _STATIC_BATCH,
        prompt=prompt,
    )
    return LoadedEncoder(STATIC, encoder, hash_mapping(content), weights_hash)


def _wrap_instance(model: Any, batch_size: int | None, prompt: str | None) -> LoadedEncoder:
    fingerprint, weights_hash = fingerprint_instance(model, prompt)
    name = type(model).__name__
    encoder = SentenceTransformerEncoder(
        lambda: model, name=name, batch_size=batch_size, prompt=prompt
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


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(
            f"{option} must be one of {', '.join(map(repr, allowed))}, got {value!r}."
        )


def _check_positive(option: str, value: int | None) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise OptionError(f"{option} must be a whole number of at least 1, got {value!r}.")


def _reject_options(encoder: str, options: dict[str, tuple[Any, Any]]) -> None:
    """Raise OptionError if an option that has no effect on this encoder was set."""
    unused = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
    if unused:
        raise OptionError(
            f"{', '.join(unused)} cannot be used with {encoder}. Leave "
            f"{'it' if len(unused) == 1 else 'them'} out."
        )
