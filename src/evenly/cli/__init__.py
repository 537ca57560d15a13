"""The command `evenly`: parses, calls, prints; no logic of its own."""

from evenly.cli import inspecting, streaming  # noqa: F401  # they add their commands to `main`
from evenly.cli.commands import main

__all__ = ["main"]
