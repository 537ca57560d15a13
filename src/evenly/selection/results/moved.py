"""Find the inputs of a manifest that was moved together with them."""

from __future__ import annotations

import glob
import os
from itertools import product
from pathlib import Path
from typing import Any

from evenly.paths import is_url

_OPTIONS = ("away_from", "include", "exclude", "vectors")
_LEVELS = 4


def find_moved_inputs(provenance: dict[str, Any], folder: Path) -> None:
    """Change the paths in a provenance whose files are at the same place relative to `folder`.

    Only files that are gone are looked for. Whether they have the right content is checked by
    their hash, as for files that were not moved.
    """
    source, options = provenance["input"], provenance["options"]
    for holder, name in ((source, "path"), *((options, name) for name in _OPTIONS)):
        value = holder.get(name)
        if isinstance(value, str):
            holder[name] = _found(value, folder)


def _found(path: str, folder: Path) -> str:
    """Return where a path leads from the folder of the manifest, or from those above it."""
    if is_url(path) or _exists(Path(os.path.expanduser(path))):  # noqa: PTH111 - unknown users stay
        return path
    parts = Path(path).parts
    above = [folder, *folder.parents][:_LEVELS]
    for first, base in product(range(len(parts)), above):  # as many folders of the path as can be
        candidate = base.joinpath(*parts[first:])
        if parts[first] not in ("/", "..") and _exists(candidate):
            return str(candidate)
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists() or (glob.has_magic(str(path)) and any(glob.iglob(str(path))))  # noqa: PTH207
    except (OSError, ValueError):  # too long a name, or a null byte
        return False
