"""`load_encoder`: from what a user names to an encoder with its provenance."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
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
from evenly.embedding.hub import hub_folder, is_model_folder
from evenly.embedding.offline import MINILM, packaged_minilm
from evenly.embedding.sentence_transformer import SentenceTransformerEncoder, load_folder
from evenly.embedding.static import STATIC, load_static, static_files
from evenly.errors import MissingExtraError, ModelNotFoundError, OptionError

__all__ = ["DEFAULT_ENCODER", "find_model", "load_encoder"]

DEFAULT_ENCODER = "all-MiniLM-L6-v2"

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
    """Find an encoder and fingerprint it. Its model is loaded when the first text needs it.

    Args:
        encoder: the name of a sentence-transformers model, the path of a model folder,
            "static" (word vectors, extra `[static]`), a SentenceTransformer, or any object with
            `encode(list[str]) -> (n, d)`. A LoadedEncoder is returned as it is. The default
            model comes from the package of the extra `[offline]` where that is installed, else
            from the hub's local cache, else from the hub; the vectors and the fingerprint are
            the same.
        device: "auto" (CUDA, else Apple's GPU, else the CPU), or a name that torch knows.
        batch_size: texts a batch; for an object with `encode`, texts a call.
        dtype: the precision the model computes in; vectors are float32 always.
        prompt: put before every text. By default the model's own default prompt, if any.
        backend: "onnx" needs the extra `[onnx]`.
        max_length: tokens of a text that the model reads, in place of its own setting.
        trust_remote_code: run Python code that comes with the model. Off unless asked for.

    Raises:
        OptionError: an option has a value it cannot have, or does not apply to this encoder.
        ModelNotFoundError: the model is neither on this machine nor to be had from the hub.
        MissingExtraError: an optional package is needed.
    """
    if isinstance(encoder, LoadedEncoder):  # what was loaded once stays as it is
        return encoder
    if dtype is not None:
        _check_choice("dtype", dtype, get_args(Dtype))
    _check_choice("backend", backend, get_args(Backend))
    _check_positive("batch_size", batch_size)
    _check_positive("max_length", max_length)
    # Options that shape how a model folder is loaded, with what they are when not asked for.
    shaping: dict[str, tuple[Any, Any]] = {
        "dtype": (dtype, None),
        "backend": (backend, "torch"),
        "max_length": (max_length, None),
        "trust_remote_code": (trust_remote_code, False),
    }
    if encoder == STATIC:
        _refuse_options(STATIC, shaping)
        return _load_static(device, batch_size, prompt)
    if isinstance(encoder, str | os.PathLike):
        options = {option: value for option, (value, _) in shaping.items()}
        return _load_model(encoder, device, batch_size, prompt, options)
    shaping["device"] = (device, "auto")
    if _is_sentence_transformer(encoder):
        _refuse_options("a SentenceTransformer, which is loaded already", shaping)
        return _wrap_instance(encoder, batch_size, prompt)
    if not isinstance(encoder, Encoder):
        raise OptionError(
            f"encoder must be a name, a path, {STATIC!r}, a SentenceTransformer or an object with "
            f"encode(list of texts), got {type(encoder).__name__}: {encoder!r}."
        )
    _refuse_options(
        f"an encoder object ({type(encoder).__name__})", shaping | {"prompt": (prompt, None)}
    )
    return _wrap_object(encoder, batch_size)


def _load_model(
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
    return LoadedEncoder(
        name=name,
        encoder=SentenceTransformerEncoder(
            partial(load_folder, folder, device=device, **options),
            name=name,
            batch_size=batch_size,
            prompt=prompt,
            window=window,
        ),
        fingerprint=fingerprint_folder(folder, weights_hash, {**options, "prompt": prompt}),
        weights_hash=weights_hash,
    )


def find_model(encoder: str | os.PathLike[str], backend: str) -> tuple[str, Path]:
    """Return the name and the folder of a model given by name or path.

    Raises:
        ModelNotFoundError: the model is neither on this machine nor to be had from the hub.
    """
    given = os.fspath(encoder)
    folder = Path(given).expanduser()
    if folder.is_dir():
        if not is_model_folder(folder, backend=backend):
            raise ModelNotFoundError(
                f"the folder {given!r} holds no sentence-transformers model: modules.json or "
                "config.json, and weights (.safetensors or pytorch_model.bin), are expected."
            )
        return given, folder
    if not isinstance(encoder, str) or folder.exists() or _looks_like_path(given):
        what = "is not a folder" if folder.exists() else "does not exist"
        raise ModelNotFoundError(
            f"the model folder {given!r} {what}. Pass the path of a folder with a "
            f"sentence-transformers model, or a model's name such as {DEFAULT_ENCODER!r}."
        )
    if given in (DEFAULT_ENCODER, MINILM) and (packaged := packaged_minilm()) is not None:
        return MINILM, packaged
    return hub_folder(given, backend=backend)


def _looks_like_path(given: str) -> bool:
    return given.startswith((".", "~", os.sep)) or given.count("/") > 1 or "\\" in given


def _load_static(device: str, batch_size: int | None, prompt: str | None) -> LoadedEncoder:
    weights, tokenizer = static_files()
    weights_hash = "sha256:" + file_sha256(weights)
    content = {"weights": weights_hash, "tokenizer": file_sha256(tokenizer), "prompt": prompt}
    return LoadedEncoder(
        name=STATIC,
        encoder=SentenceTransformerEncoder(
            partial(load_static, weights, tokenizer, device=device),
            name=STATIC,
            batch_size=batch_size or _STATIC_BATCH,
            prompt=prompt,
        ),
        fingerprint=hash_mapping(content),
        weights_hash=weights_hash,
    )


def _wrap_instance(model: Any, batch_size: int | None, prompt: str | None) -> LoadedEncoder:
    fingerprint, weights_hash = fingerprint_instance(model, prompt)
    name = type(model).__name__
    return LoadedEncoder(
        name=name,
        encoder=SentenceTransformerEncoder(
            lambda: model, name=name, batch_size=batch_size, prompt=prompt
        ),
        fingerprint=fingerprint,
        weights_hash=weights_hash,
    )


def _wrap_object(encoder: Encoder, batch_size: int | None) -> LoadedEncoder:
    name = getattr(encoder, "name", None)
    own = getattr(encoder, "fingerprint", None)
    return LoadedEncoder(
        name=name if isinstance(name, str) else type(encoder).__name__,
        encoder=encoder,
        fingerprint=hash_mapping({"encoder": own}) if isinstance(own, str) else None,
        calls_of=batch_size,
    )


def _is_sentence_transformer(encoder: object) -> bool:
    """Recognise an instance without importing its class: nobody has one who did not."""
    library = sys.modules.get("sentence_transformers")
    return library is not None and isinstance(encoder, library.SentenceTransformer)


def _check_window(folder: Path, max_length: int | None) -> int | None:
    """Return the window that applies, or refuse one that the network cannot take."""
    most = _read_integer(folder / "config.json", "max_position_embeddings")
    if max_length is not None and most is not None and max_length > most:
        raise OptionError(
            f"max_length must be between 1 and {most}, the most that this model was built for, "
            f"got {max_length}."
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
        raise OptionError(f"dtype={dtype!r} does not apply to backend='onnx'; leave it out.")
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


def _refuse_options(encoder: str, options: dict[str, tuple[Any, Any]]) -> None:
    """Refuse options that were asked for and that nothing would come of."""
    asked = [f"{name}={value!r}" for name, (value, default) in options.items() if value != default]
    if asked:
        raise OptionError(f"{', '.join(asked)} cannot be used with {encoder}; leave it out.")
