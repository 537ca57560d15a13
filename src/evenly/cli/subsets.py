"""Subsets that files name, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evenly.errors import OptionError


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """Return short names for files: without folder and suffix, if these differ."""
    short = [_short(Path(path).name) for path in paths]
    names = short if len(set(short)) == len(short) else paths
    if len(set(names)) < len(names):
        raise OptionError(f"a subset is named twice among {', '.join(paths)}.")
    return dict(zip(names, paths, strict=True))


def _short(name: str) -> str:
    from evenly.samples.formats import split_suffix

    format, compression = split_suffix(name)
    name = Path(name).stem if compression else name
    return Path(name).stem.removesuffix(".manifest") if format else name
