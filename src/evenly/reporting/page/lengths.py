"""How many tokens rows have, if that is known or can be counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenly.errors import EncoderError, OptionError
from evenly.options import NotKept, RuleOptions
from evenly.reporting.page.subject import Subject
from evenly.selection.rules.token_costs import costs_of_rows
from evenly.shapes import Int


def tokens_of(subject: Subject, rows: Int[np.ndarray, " m"]) -> Int[np.ndarray, " n"] | None:
    """Return the tokens of some rows, 0 for the others, as the selection counted them if it did.

    Returns None for vectors, and if the encoder has no tokenizer. They are counted once: later
    calls must be for the same rows or some of them.
    """
    prepared, options = subject.prepared, subject.result.provenance.options
    if prepared.embeddings is None and options.get("costs") is None:
        return None
    counted: dict[str, Any] = {
        name: options[name]
        for name in ("costs", "count", "tokenizer")
        if options.get(name) is not None and not isinstance(options[name], NotKept)
    }
    try:
        return costs_of_rows(prepared, rows, RuleOptions(**counted)).tokens
    except (OptionError, EncoderError):
        return None
