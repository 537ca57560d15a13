"""The command `evenly`: parses, calls the library, and prints."""

from evenly.cli import commands  # noqa: F401
from evenly.cli.main import main

__all__ = ["main"]
