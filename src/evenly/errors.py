"""The errors and warnings of `evenly`, in one tree.

    EvenlyError
    ├── OptionError (ValueError)            an option has an invalid value
    │   ├── BudgetError                     the budget does not fit the pool
    │   └── QuotaError                      no selection can satisfy the quotas
    ├── DataError (ValueError)              the input cannot be used
    │   ├── EmptyPoolError                  the pool has no usable rows
    │   ├── RecordError                     a record of a file cannot be read
    │   ├── ColumnError (also KeyError)     a column is missing or ambiguous
    │   ├── TextError                       some rows have no usable text
    │   ├── VectorError                     the vectors are ragged, non-numeric, zero or not finite
    │   └── RowError (also IndexError)      a row number is out of range or repeated
    ├── EncoderError (RuntimeError)         the encoder failed or returned something invalid
    │   └── ModelNotFoundError              the model could not be found or downloaded
    ├── MissingExtraError (ImportError)     an optional dependency is not installed
    ├── InstallationError (ImportError)     a required package cannot be imported
    ├── ManifestError (ValueError)          a saved selection or manifest cannot be used
    ├── CheckpointError (ValueError)        a checkpoint cannot be resumed
    ├── ClusterError (RuntimeError)         a cluster cannot be reached, or loses its workers
    └── OutputError (OSError)               the output cannot be written
        └── OutputExistsError (also FileExistsError)

    EvenlyWarning (UserWarning)
    ├── DuplicateRowsWarning                more rows requested than there are distinct rows
    ├── ChangedOutputWarning                records are not those of the manifest beside them
    └── IsolatedRowsWarning                 some early picks are far from all other rows

Each message states what is wrong, the value received, what is allowed, and what to do next.
"""

from __future__ import annotations

import sys


class EvenlyError(Exception):
    """Base class of every error that `evenly` raises deliberately."""


class OptionError(EvenlyError, ValueError):
    """An option has an invalid value."""


class BudgetError(OptionError):
    """The budget does not fit the pool."""


class QuotaError(OptionError):
    """No selection can satisfy the quotas; the message counts the rows of each group."""


class DataError(EvenlyError, ValueError):
    """The input cannot be used."""


class EmptyPoolError(DataError):
    """The pool has no usable rows."""


class RecordError(DataError):
    """A record of a file cannot be read; the message names the file and the line."""


class ColumnError(DataError, KeyError):
    """A column is missing, or several columns could be meant."""

    # KeyError would print the message in quotation marks.
    __str__ = Exception.__str__


class TextError(DataError):
    """Some rows have a text that is None, not a string, empty or only white space."""


class VectorError(DataError):
    """The vectors are ragged, not numeric, of length zero or not finite."""


class RowError(DataError, IndexError):
    """A row number is out of range or repeated."""


class EncoderError(EvenlyError, RuntimeError):
    """The encoder failed, or did not return one vector per text."""


class ModelNotFoundError(EncoderError):
    """The model could not be found or downloaded; the message lists the remedies."""


class MissingExtraError(EvenlyError, ImportError):
    """An optional dependency is not installed; the message gives the pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'evenly[{extra}]'"
        )


class InstallationError(EvenlyError, ImportError):
    """A package that every selection needs cannot be imported; the message gives the remedies."""

    def __init__(self, problem: str) -> None:
        running = ".".join(map(str, sys.version_info[:2]))
        super().__init__(
            f"{problem}. This is Python {running}; numba 0.68 supports Python 3.10 to 3.15 and "
            "NumPy up to 2.5. Run: pip install --upgrade numba 'numpy<2.6'. If pip finds no numba "
            f"for Python {running}, create the environment with another one: "
            "python3.13 -m venv .venv"
        )


class ManifestError(EvenlyError, ValueError):
    """A saved selection or manifest is damaged, or belongs to other data."""


class CheckpointError(EvenlyError, ValueError):
    """A checkpoint is damaged, is not a checkpoint, or belongs to another run."""


class ClusterError(EvenlyError, RuntimeError):
    """A cluster cannot be reached, does not fit this installation, or loses its workers."""


class OutputError(EvenlyError, OSError):
    """The output cannot be written; no partial file is left behind."""


class OutputExistsError(OutputError, FileExistsError):
    """The output exists already, and overwriting was not requested."""


class EvenlyWarning(UserWarning):
    """Base class of every warning that `evenly` issues."""


class DuplicateRowsWarning(EvenlyWarning):
    """More rows were requested than there are distinct rows, so h_min is 0."""


class ChangedOutputWarning(EvenlyWarning):
    """The records beside a manifest are not those that it was written with."""


class IsolatedRowsWarning(EvenlyWarning):
    """Some early picks are far from all other rows, as broken rows tend to be."""
