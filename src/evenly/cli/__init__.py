"""The command `evenly`: parses, calls, prints; no logic of its own."""

# They add their commands to `main`.
from evenly.cli import inspecting, packing, streaming  # noqa: F401
from evenly.cli.commands import main

__all__ = ["main"]
