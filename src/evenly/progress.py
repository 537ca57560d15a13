"""Whether progress bars are drawn."""

from __future__ import annotations


def hide(progress: bool | None) -> bool | None:
    """Return what tqdm takes as `disable`: None hides a bar unless stderr is a terminal."""
    return None if progress is None else not progress
