"""Messages of the library as they are spelled on the command line: flags instead of parameters."""

from __future__ import annotations

import re

from evenly.options import (
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
    ).items()
    if flags_of(name, about)
} | {"force": "--force", "data": "DATA"}

# A parameter with or without a value: "min_distance=0", 'keep="best"', "costs=…", "budget=".
_PARAMETER = re.compile(
    r"""(?<![\w.(\[?&/\-])(\w+)=(?:["']([^"']*)["']|(True|…|\{[^}]*\})|(?=[\d ,.;:)]|$))"""
)
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

    return _PARAMETER.sub(flag, _AGAIN.sub("", message))
