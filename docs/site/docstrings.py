"""The docstrings of evenly as `help()` shows them: options are added when it is imported."""

from __future__ import annotations

import inspect
from typing import Any

import griffe


class RuntimeDocstrings(griffe.Extension):
    """Replaces the docstrings of functions in the source by those of the imported functions."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:
        """Take the docstring of a function from the function itself."""
        if func.docstring is None or not func.is_public:
            return
        try:
            found = griffe.dynamic_import(func.path)
        except ImportError:
            return
        func.docstring.value = inspect.getdoc(found) or func.docstring.value
