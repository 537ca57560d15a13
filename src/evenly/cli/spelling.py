"""Messages of the library as they are spelled on the command line: flags instead of parameters."""

from __future__ import annotations

import re

from evenly.options import (
    BudgetOptions,
    DeduplicationOptions,
    EncoderOptions,
    FillOptions,
    InputOptions,
    MeasuringOptions,
    QualityOptions,
    RuleOptions,
    StreamOptions,
    UniformOptions,
    declared,
)
from evenly.options.declaration import flags_of

_FLAGS = {
    name: flags_of(name, about)[-1].partition("/")[0]
    for name, (_, about) in declared(
        StreamOptions,
        EncoderOptions,
        InputOptions,
        RuleOptions,
        UniformOptions,
        QualityOptions,
        DeduplicationOptions,
        FillOptions,
        MeasuringOptions,
        BudgetOptions,
    ).items()
    if flags_of(name, about)
} | {"force": "--force", "data": "DATA"}

# A parameter with or without a value: "min_distance=0", 'keep="best"', "costs=…", "budget=".
_PARAMETER = re.compile(
    r"""(?<![\w.(\[?&/\-])(\w+)=(?:["']([^"']*)["']|(True|…|\{[^}]*\})|(?=[\d ,.;:)]|$))"""
)
# An option that is the subject of a message: "include names row 5", "quality: the value at …".
_SUBJECT = re.compile(r"^(\w+)(?=: | (?:must|names|has|is|holds|was) )")
# What Python writes differently, in this order.
_WORDS = [
    (re.compile(r'Refine\(method="(\w+)"\)'), r"--refine \1"),
    (
        re.compile(r"select_uniform\(data, budget, refine=…\)"),
        "evenly select DATA --budget ROWS --refine search",
    ),
    (
        re.compile(r"select_by_quality\(data, budget, …\)"),
        "evenly select-by-quality DATA --budget ROWS",
    ),
    (re.compile(r"\bfill\(\)"), "evenly fill"),
    (re.compile(r"\bRefine\(seconds=\)"), "--refine-seconds"),
    (re.compile(r", or None for no limit"), ""),
    (re.compile(r"(?<=its maximum: )\(([^,]+), ([^)]+)\)"), r"\1..\2"),
    (re.compile(r"\bprefix\((\d+)\)"), r"its first \1 rows"),
    (re.compile(r"\(least, most\)"), "least..most"),
    (re.compile(r"\(0, most\)"), "..most"),
    (re.compile(r"\bis None\b"), "is null"),
]
_AGAIN = re.compile(r" \(on the command line: [^)]*\)")


def as_flags(message: str) -> str:
    """Return a message with flags in place of parameters of Python."""

    def flag(found: re.Match[str]) -> str:
        name, word, _ = found.groups()
        if name not in _FLAGS:
            return found[0]
        value = f" {word}" if word else ""
        number = " " if message[found.end() : found.end() + 1].isdigit() else ""
        return f"{_FLAGS[name]}{value}{number}"

    message = _AGAIN.sub("", message)
    for of_python, ours in _WORDS:
        message = of_python.sub(ours, message)
    return _SUBJECT.sub(lambda found: _FLAGS.get(found[1], found[1]), _PARAMETER.sub(flag, message))
