"""Checks that numba, which compiles the loops over rows, can be imported.

`evenly.geometry` imports this module first, so that a missing numba is one clear error.
"""

from evenly.errors import InstallationError

try:
    import numba  # noqa: F401
except ImportError as error:
    raise InstallationError(f"numba cannot be imported ({error})") from error
