"""Subsets that files name, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenly.errors import OptionError


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """Return short names for files: without folder and suffix, if these differ."""
    short = [Path(path).name.removesuffix(".json").removesuffix(".manifest") for path in paths]
    short = [Path(name).stem if name.endswith((".npy", ".txt")) else name for name in short]
    names = short if len(set(short)) == len(short) else paths
    if len(set(names)) < len(names):
        raise OptionError(f"a subset is named twice among {', '.join(paths)}.")
    return dict(zip(names, paths, strict=True))
