"""Progress bars: on a terminal, in a notebook, or none."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def new_bar(*of: Any, shown: bool | None, **drawn: Any) -> tqdm[Any]:
    """Return a progress bar: the notebook's in a notebook, else one of text on stderr.

    Args:
        of: what it iterates over, if anything.
        shown: None to draw it only in a notebook, or if stderr is a terminal.
        drawn: other arguments for tqdm.
    """
    in_notebook = _in_notebook()
    if shown is None and in_notebook:
        shown = True  # a notebook's stderr is no terminal
    bar: Any = _notebook_bar() if in_notebook and shown else tqdm
    made: tqdm[Any] = bar(*of, disable=None if shown is None else not shown, **drawn)
    return made


def _in_notebook() -> bool:
    """Return whether this is the process of a Jupyter notebook."""
    if "IPython" not in sys.modules:
        return False
    shell = getattr(sys.modules["IPython"], "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config


def _notebook_bar() -> Any:
    """Return the class of the notebook's bar; that of text without ipywidgets, which draw it."""
    from tqdm import notebook

    return tqdm if getattr(notebook, "IProgress", None) is None else notebook.tqdm
