"""A pool of real texts available on every machine: the docstrings of installed packages."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator
from types import ModuleType

_MODULES = (
    "math statistics random itertools functools collections "
    "numpy numpy.fft numpy.linalg numpy.ma numpy.polynomial.polynomial numpy.polynomial.chebyshev "
    "numpy.polynomial.hermite numpy.polynomial.laguerre numpy.polynomial.legendre numpy.random "
    "scipy.cluster.hierarchy scipy.fft scipy.integrate scipy.interpolate scipy.linalg "
    "scipy.ndimage scipy.optimize scipy.signal scipy.sparse scipy.sparse.csgraph "
    "scipy.sparse.linalg scipy.spatial scipy.spatial.distance scipy.special scipy.stats"
).split()

_MAX_CHARACTERS = 300


def docstring_records() -> list[dict[str, object]]:
    """Return records {"name", "text"}: the first paragraphs of public docstrings.

    A few thousand docstrings of numerical packages, in a fixed order. Some texts occur several
    times, as in real data.
    """
    records: list[dict[str, object]] = []
    for module_name in _MODULES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # accessing deprecated names warns
            for name, member in _members(importlib.import_module(module_name)):
                if text := _opening(inspect.getdoc(member) or ""):
                    records.append({"name": name, "text": text})
    return records


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield the public functions, classes and methods of a module, with their names."""
    for name in sorted(getattr(module, "__all__", None) or dir(module)):
        member = getattr(module, name, None)
        if name.startswith("_") or not callable(member):
            continue
        yield f"{module.__name__}.{name}", member
        if inspect.isclass(member):
            for method in sorted(vars(member)):
                if not method.startswith("_") and callable(getattr(member, method, None)):
                    yield f"{module.__name__}.{name}.{method}", getattr(member, method)


def _opening(docstring: str) -> str:
    """Return the first paragraph of prose on one line, which is not a signature."""
    for paragraph in re.split(r"\n\s*\n", docstring):
        lines = [line for line in paragraph.splitlines() if not re.match(r"^\s*[\w.]+\(.*", line)]
        text = " ".join(" ".join(lines).split())
        if len(text) >= 20:
            return text[:_MAX_CHARACTERS]
    return ""
