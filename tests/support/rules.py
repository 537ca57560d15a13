"""A small data set with columns for every rule, and its resolved rules."""

from __future__ import annotations

import numpy as np

from evenly.options import InputOptions, RuleOptions
from evenly.selection.rules.resolve import check_rules, resolve_rules
from evenly.selection.rules.rules import Rules
from tests.support.encoders import TopicEncoder

WORDS = ["abba", "bcd", "cafe", "dig", "egg", "face", "gag", "hid", "ice", "jab"]
RECORDS = [
    {
        "text": word,
        "id": f"w{row}",
        "number": 100 + row,
        "twice": row // 2,
        "kind": "even" if row % 2 == 0 else "odd",
        "tokens": row + 1,
        "quality": row / 10,
    }
    for row, word in enumerate(WORDS)
]
OPTIONS = {"encoder": TopicEncoder(), "cache_dir": False, "progress": False}
INPUTS = InputOptions(**OPTIONS)
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(10, 4)).astype(np.float32)


def rules(prepared, *, budget=4, **options) -> Rules:
    options = RuleOptions(budget=budget, **options)
    check_rules(options)
    return resolve_rules(prepared, options)


def mask(*rows) -> np.ndarray:
    return np.isin(np.arange(10), rows)
