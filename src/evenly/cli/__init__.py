"""The command `evenly`: parses, calls, prints; no logic of its own."""

# They add their commands to `main`.
from evenly.cli.commands import inspect, pack, select, stream
from evenly.cli.main import main

__all__ = ["inspect", "main", "pack", "select", "stream"]
