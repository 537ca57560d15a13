"""The command `evenly`: parses, calls the library, and prints."""

from evenly.cli import commands  # noqa: F401  (each module adds its command to `main`)
from evenly.cli.main import main

__all__ = ["main"]
