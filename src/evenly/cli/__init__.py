"""The command `evenly`: parses, calls, prints; no logic of its own."""

from evenly.cli import inspecting  # noqa: F401  # it adds its commands to `main`
from evenly.cli.commands import main

__all__ = ["main"]
