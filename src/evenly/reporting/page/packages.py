"""The packages that a page needs, which are extras."""

from __future__ import annotations

from importlib.util import find_spec

from evenly.errors import MissingExtraError

_NEEDED = ("bokeh", "jinja2", "sklearn")
_INSTALLED_AS = {"sklearn": "scikit-learn", "umap": "umap-learn"}


def check_packages(projection: str = "pca") -> None:
    """Raise MissingExtraError unless the packages that a page with this map needs are installed."""
    for package in _NEEDED:
        _check(package, "report", "a page of a selection")
    if projection == "umap":
        _check("umap", "umap", "a map by UMAP")


def has_packages() -> bool:
    """Return whether a page can be made."""
    return all(find_spec(package) is not None for package in _NEEDED)


def _check(package: str, extra: str, purpose: str) -> None:
    if find_spec(package) is None:
        raise MissingExtraError(_INSTALLED_AS.get(package, package), extra, purpose)
