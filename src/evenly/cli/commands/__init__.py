"""The commands, one file each, which adds them to `main` when it is imported."""

from evenly.cli.commands import (  # noqa: F401
    assign,
    budget,
    cache,
    compare,
    deduplicate,
    demo,
    embed,
    estimate,
    explain,
    extend,
    fill,
    help,
    measure,
    report,
    select,
    select_by_quality,
    stream,
)
