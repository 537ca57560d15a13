"""The commands, one file each."""

from evenly.cli.commands import (
    assign,
    cache,
    compare,
    deduplicate,
    demo,
    embed,
    estimate,
    explain,
    extend,
    fill,
    measure,
    select,
    select_by_quality,
    stream,
)

__all__ = [
    "assign",
    "cache",
    "compare",
    "deduplicate",
    "demo",
    "embed",
    "estimate",
    "explain",
    "extend",
    "fill",
    "measure",
    "select",
    "select_by_quality",
    "stream",
]
