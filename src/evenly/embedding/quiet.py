"""Silences the libraries that load models."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

_VERBOSE_LOGGERS = ("huggingface_hub", "sentence_transformers", "transformers")


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence the model libraries inside the block, and restore their settings afterwards.

    Hides their progress bars, deprecation warnings and advice, on which a user of this library
    cannot act. Errors are still logged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Imported first, because importing transformers sets the level of its logger.
        import sentence_transformers  # noqa: F401
        from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
        from transformers.utils import logging as transformers_logging

        levels = {name: logging.getLogger(name).level for name in _VERBOSE_LOGGERS}
        shown = transformers_logging.is_progress_bar_enabled()
        hub_hidden = are_progress_bars_disabled()
        try:
            for name in levels:
                logging.getLogger(name).setLevel(logging.ERROR)
            transformers_logging.disable_progress_bar()
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if shown:
                transformers_logging.enable_progress_bar()
                if hub_hidden:
                    disable_progress_bars()
