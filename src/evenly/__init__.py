"""Choose training data that is spread evenly."""

from evenly._version import __version__

__all__ = ["__version__"]
