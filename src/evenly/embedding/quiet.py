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

        with _only_errors_logged(), _no_progress_bars():
            yield


@contextlib.contextmanager
def _only_errors_logged() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _VERBOSE_LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    hub_hidden = are_progress_bars_disabled()
    try:
        transformers_logging.disable_progress_bar()
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
            if hub_hidden:
                disable_progress_bars()
