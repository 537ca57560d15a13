"""Standard streams, which may be closed or full: daemons and cron have none."""

from __future__ import annotations

import os
import sys
from typing import Any, BinaryIO

from evenly.errors import DataError, OutputError


def standard_input() -> BinaryIO:
    """Return standard input, or raise DataError if it is closed."""
    if sys.stdin is None:
        raise DataError("the data are - for standard input, which is closed. Give a file.")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Return standard output, or raise OutputError if it is closed."""
    if sys.stdout is None:
        raise OutputError("the output is - for standard output, which is closed. Give a file.")
    return sys.stdout.buffer


def replace_closed_streams() -> None:
    """Open the null device in place of closed standard streams.

    Otherwise the next file that is opened, such as the output, takes the place of stderr, and
    messages are written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        null: Any = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - kept open
        sys.stderr = null
