"""The command `evenly`: parses, calls, prints; no logic of its own."""

from evenly.cli.commands import main

__all__ = ["main"]
