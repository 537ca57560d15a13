"""Every deliberate failure of `evenly`, one tree.

    EvenlyError
    ├── OptionError (ValueError)            an option has a value it cannot have
    │   ├── BudgetError                     the budget does not fit the pool
    │   └── QuotaError                      quotas that cannot be met
    ├── DataError (ValueError)              the input cannot be used as it is
    │   ├── EmptyPoolError                  there is nothing to choose from
    │   ├── RecordError                     one record of a file cannot be read
    │   ├── ColumnError (also KeyError)     a column is missing, or none is the obvious one
    │   ├── TextError                       rows without a usable text
    │   ├── VectorError                     vectors that are ragged, not numbers, zero or not finite
    │   └── RowError (also IndexError)      a row number that is not in the pool
    ├── EncoderError (RuntimeError)         the encoder failed, or returned what it must not
    │   └── ModelNotFoundError              the encoder's weights are not to be had
    ├── MissingExtraError (ImportError)     an optional dependency is not installed
    ├── ManifestError (ValueError)          a saved selection or manifest cannot be used
    ├── CheckpointError (ValueError)        a checkpoint cannot be continued from
    └── OutputError (OSError)               the output cannot be written
        └── OutputExistsError (also FileExistsError)

Messages say what was wrong, the value, what is allowed and what to do next.
"""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "CheckpointError",
    "ColumnError",
    "DataError",
    "DuplicateRowsWarning",
    "EmptyPoolError",
    "EncoderError",
    "EvenlyError",
    "EvenlyWarning",
    "IsolatedRowsWarning",
    "ManifestError",
    "MissingExtraError",
    "ModelNotFoundError",
    "OptionError",
    "OutputError",
    "OutputExistsError",
    "QuotaError",
    "RecordError",
    "RowError",
    "TextError",
    "VectorError",
]


class EvenlyError(Exception):
    """Base of every error that `evenly` raises on purpose."""


class OptionError(EvenlyError, ValueError):
    """An option has a value it cannot have."""


class BudgetError(OptionError):
    """The budget does not fit the pool."""


class QuotaError(OptionError):
    """Quotas that no choice of rows meets; the message says which group has how many rows."""


class DataError(EvenlyError, ValueError):
    """The input cannot be used as it is."""


class EmptyPoolError(DataError):
    """There is nothing to choose from."""


class RecordError(DataError):
    """One record of a file cannot be read; the message names the file and the line."""


class ColumnError(DataError, KeyError):
    """A column is missing, or no column is the obvious one."""

    # KeyError prints the repr of its argument; a message should print as it is.
    __str__ = Exception.__str__


class TextError(DataError):
    """Rows whose text is None, not a string, empty or only white space."""


class VectorError(DataError):
    """Vectors that are ragged, not numbers, of zero length or not finite."""


class RowError(DataError, IndexError):
    """A row number that is not in the pool, or is named twice."""


class EncoderError(EvenlyError, RuntimeError):
    """The encoder failed, or returned something other than one vector a text."""


class ModelNotFoundError(EncoderError):
    """The encoder's weights are not to be had; the message says every way out."""


class MissingExtraError(EvenlyError, ImportError):
    """An optional dependency is not installed; the message names the pip command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'evenly[{extra}]'"
        )


class ManifestError(EvenlyError, ValueError):
    """A saved selection or manifest is damaged, or does not belong to this input."""


class CheckpointError(EvenlyError, ValueError):
    """A checkpoint is damaged, is something else, or is of another selection."""


class OutputError(EvenlyError, OSError):
    """The output cannot be written; nothing was left half-written."""


class OutputExistsError(OutputError, FileExistsError):
    """The output is already there, and overwriting was not asked for."""


class EvenlyWarning(UserWarning):
    """Base of every warning that `evenly` gives."""


class DuplicateRowsWarning(EvenlyWarning):
    """More rows were asked for than there are distinct rows, so h_min is 0."""


class IsolatedRowsWarning(EvenlyWarning):
    """Some of the first picks are far from all other rows, as broken rows are."""
