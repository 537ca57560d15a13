"""Colours: on terminals only, and never if NO_COLOR is set (https://no-color.org)."""

from __future__ import annotations

import contextlib
import os
from typing import Literal

import click

_COLOURS = {"error": "red", "warning": "yellow"}


def in_colour() -> bool | None:
    """Return the `color` of click: None lets it see whether the stream is a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def report(message: str, kind: Literal["error", "warning"] | None = None) -> None:
    """Write a message of the program to stderr, in the one style that all of them have.

    If nobody can read it, because stderr is closed or full, the work goes on.
    """
    said = click.style(f"{kind}:", fg=_COLOURS[kind], bold=True) + " " if kind else ""
    with contextlib.suppress(OSError, ValueError):
        click.echo(f"evenly: {said}{message}", err=True, color=in_colour())
