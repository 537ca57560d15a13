"""Content hashes of models: encoders share cached vectors only if their vectors are equal.

A fingerprint covers everything that changes the vectors (weights, tokenizer, pooling, window,
prompts, options) and nothing else: neither the path, nor unrelated files of a download, nor the
device. A model has the same fingerprint whether it comes from a package, from the hub or from a
copied folder.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evenly.atomic import file_sha256

_SETTINGS_PATTERNS = (
    "modules.json",
    "config.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "router_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "*processor_config.json",
)
# Read only if there is no tokenizer.json, which holds their content in one file.
_SLOW_TOKENIZER_PATTERNS = (
    "vocab.*",
    "merges.txt",
    "*.model",
    "added_tokens.json",
    "special_tokens_map.json",
)
# Origin and version of a file, which do not change the vectors.
_ORIGIN_KEYS = frozenset({"_name_or_path", "name_or_path", "transformers_version", "__version__"})
_DOCUMENT_SUFFIXES = frozenset({".md", ".txt", ".png"})


def hash_mapping(content: dict[str, Any]) -> str:
    """Return "sha256:..." of a JSON-serialisable mapping, regardless of the order of its keys."""
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def module_folders(folder: Path) -> list[Path]:
    """Return the subfolders from which sentence-transformers loads modules."""
    try:
        modules = json.loads((folder / "modules.json").read_bytes())
        names = [str(module["path"]) for module in modules]
    except FileNotFoundError:
        names = []
    if (folder / "router_config.json").is_file():
        # A router lists its parts in a file with its own layout, so take every folder.
        names += [child.name for child in folder.iterdir() if child.is_dir()]
    return [folder / name for name in sorted(set(names)) if name and (folder / name).is_dir()]


def weight_files(folder: Path, *, backend: str = "torch") -> list[Path]:
    """Return the files that hold the model's parameters, sorted by path."""
    files: list[Path] = list(_parameters(folder.glob("*")))
    for module in module_folders(folder):
        files += _parameters(module.rglob("*"))
    if backend == "onnx":
        files += [path for path in folder.rglob("*.onnx*") if path.is_file()]
    return sorted(set(files))


def _parameters(paths: Iterable[Path]) -> list[Path]:
    """Keep the safetensors files, or the older .bin files if there are none."""
    files = [path for path in paths if path.is_file()]
    safe = [path for path in files if path.suffix == ".safetensors"]
    return safe or [path for path in files if path.match("pytorch_model*.bin")]


def hash_weights(folder: Path, files: list[Path]) -> str:
    """Return "sha256:..." of the weights; a single file gives the sha256 of that file."""
    if len(files) == 1:
        return "sha256:" + file_sha256(files[0])
    return hash_mapping({path.relative_to(folder).as_posix(): file_sha256(path) for path in files})


def fingerprint_folder(
    folder: Path, weights_hash: str, options: dict[str, str | int | bool | None]
) -> str | None:
    """Return the fingerprint of a model folder and the options with which it is loaded.

    Returns None if the model runs code from another repository, which may change at any time.
    """
    trusted = bool(options.get("trust_remote_code"))
    configs = [path for path in (folder / "config.json", folder / "modules.json") if path.is_file()]
    # "--" separates the name of another repository from the code in it.
    if trusted and any(b"--" in path.read_bytes() for path in configs):
        return None
    files = {path for path in _setting_files(folder) if path.is_file()}
    if trusted:
        files |= set(folder.rglob("*.py"))
    settings = {path.relative_to(folder).as_posix(): _setting(path) for path in files}
    return hash_mapping({"weights": weights_hash, "settings": settings, "options": options})


def _setting_files(folder: Path) -> set[Path]:
    patterns: tuple[str, ...] = _SETTINGS_PATTERNS
    if not (folder / "tokenizer.json").is_file():
        patterns += _SLOW_TOKENIZER_PATTERNS
    files = {path for pattern in patterns for path in folder.glob(pattern)}
    weights = set(weight_files(folder))
    for module in module_folders(folder):
        files |= {
            p for p in module.rglob("*") if p.suffix not in _DOCUMENT_SUFFIXES and p not in weights
        }
    return files


def _setting(path: Path) -> Any:
    """Return the content of a settings file without the keys that record its origin."""
    if path.suffix != ".json" or path.name == "tokenizer.json":
        return file_sha256(path)
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return file_sha256(path)
    if isinstance(content, dict):
        return {key: value for key, value in content.items() if key not in _ORIGIN_KEYS}
    return content


def fingerprint_instance(model: Any, prompt: str | None) -> tuple[str | None, str | None]:
    """Return the fingerprint and the weights hash of a SentenceTransformer in memory.

    The fingerprint is None for a model with adapters or with modules from outside
    sentence-transformers, because neither weights nor settings describe them completely.
    """
    import torch

    weights = hashlib.sha256()
    for key, tensor in model.state_dict().items():
        weights.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        weights.update(flat.view(torch.uint8).numpy().tobytes())
    weights_hash = "sha256:" + weights.hexdigest()

    modules = list(model)
    adapted = any(hasattr(part, "peft_config") for part in model.modules())
    packages = {type(module).__module__.split(".")[0] for module in modules}
    if adapted or packages - {"sentence_transformers"}:
        return None, weights_hash
    settings = {
        "weights": weights_hash,
        "modules": [_module_settings(module) for module in modules],
        "window": str(getattr(model, "max_seq_length", None)),
        "truncate_dim": getattr(model, "truncate_dim", None),
        "prompts": getattr(model, "prompts", None),
        "default_prompt": getattr(model, "default_prompt_name", None),
        "prompt": prompt,
    }
    return hash_mapping(settings), weights_hash


def _module_settings(module: Any) -> dict[str, str]:
    """Return the class, settings, network and tokenizer of a module as strings."""
    read_settings = getattr(module, "get_config_dict", None)
    settings = {
        "class": type(module).__name__,
        "settings": repr(read_settings() if read_settings else None),
    }
    config = getattr(getattr(module, "auto_model", None), "config", None)
    if config is not None:
        kept = {k: repr(v) for k, v in config.to_dict().items() if k not in _ORIGIN_KEYS}
        settings["network"] = hash_mapping(kept)
    tokenizer = getattr(module, "tokenizer", None)
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
    serialise = getattr(tokenizer, "to_str", None)
    if serialise is not None:
        # Each call sets padding and truncation again.
        ignored = ("padding", "truncation")
        content = json.loads(serialise())
        kept = {key: value for key, value in content.items() if key not in ignored}
        settings["tokenizer"] = hash_mapping(kept)
    return settings
