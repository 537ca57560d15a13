"""Find the line of user code that called into this package, for warnings."""

from __future__ import annotations

import sys


def level_of_the_caller() -> int:
    """Return the stack level, seen from the function that calls this, of the first line outside."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("evenly."):
        level, frame = level + 1, frame.f_back
    return level
