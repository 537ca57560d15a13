"""Where the subset came from, and the command or the call that makes the same again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from evenly.options import (
    DeduplicationOptions,
    InputOptions,
    NotKept,
    QualityOptions,
    RuleOptions,
    UniformOptions,
    declared,
)
from evenly.reporting.page.subject import Subject
from evenly.reporting.page.texts import shown
from evenly.reporting.provenance import input_line, seconds_line, text_line
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.provenance import Provenance
from evenly.tables import count

_LONGEST_VALUE = 2000


def origin_lines(subject: Subject) -> list[tuple[str, str]]:
    """Return labels and values: the input, the text, the options, the versions, the hashes."""
    provenance, encoder = subject.result.provenance, subject.result.provenance.encoder
    source = provenance.input
    lines = [
        ("input", input_line(provenance)),
        ("path", source.path or ""),
        ("content", source.content_hash or ""),
        ("text", text_line(provenance)),
    ]
    if source.vectors is not None:
        lines.append(("vectors", f"{source.vectors.origin}, {source.vectors.content_hash}"))
    if encoder is not None:
        lines.append(("encoder", encoder.name))
        lines.append(("weights", encoder.weights_hash or ""))
    lines.append(("dropped", _dropped(provenance)))
    lines += [(f"option {name}", _value(value)) for name, value in _changed(provenance)]
    lines.append(("manifest", subject.manifest or ""))
    versions = {"evenly": provenance.evenly, **provenance.versions}
    lines.append(("versions", ", ".join(f"{name} {one}" for name, one in versions.items())))
    lines.append(("made", provenance.created or ""))
    lines.append(("seconds", seconds_line(provenance.seconds)))
    return [(label, shown(value, _LONGEST_VALUE)) for label, value in lines if value]


def command(subject: Subject) -> str:
    """Return what makes the same subset again: a command with a manifest, else a call."""
    result, provenance = subject.result, subject.result.provenance
    if isinstance(result, Deduplication):
        return _call("deduplicate", provenance)
    filled = provenance.filled is not None
    if subject.manifest is not None and not filled:
        return f"evenly select --from-manifest {shlex.quote(subject.manifest)}"
    verb = "select_by_quality" if provenance.by_quality is not None else "select_uniform"
    return _call(verb, provenance) + (".fill(…)" if filled else "")


def _call(verb: str, provenance: Provenance) -> str:
    source = provenance.input
    data = repr(source.path) if source.path else "data"
    options = [f"{name}={_python(value)}" for name, value in _changed(provenance)]
    arguments = ", ".join([data, *options])
    return f"from evenly import {verb}\n\n{verb}({arguments})"


def _changed(provenance: Provenance) -> Iterator[tuple[str, Any]]:
    """Yield the options that differ from their defaults."""
    known = declared(
        *(DeduplicationOptions, QualityOptions, UniformOptions, RuleOptions, InputOptions)
    )
    for name, value in provenance.options.items():
        default = known[name][0].default if name in known else None
        if value not in (None, {}) and not _same(value, default):
            yield name, value


def _same(value: Any, default: Any) -> bool:
    if isinstance(default, tuple) and isinstance(value, list):
        return value == [*default]
    return bool(value == default)


def _value(value: Any) -> str:
    return str(value) if isinstance(value, str | NotKept) else _python(value)


def _python(value: Any) -> str:
    return "…" if isinstance(value, NotKept) else repr(value)


def _dropped(provenance: Provenance) -> str:
    dropped = provenance.dropped
    if not dropped:
        return ""
    row, reason = next(iter(dropped.items()))
    return f"{count(len(dropped), 'row')}; the first is row {row}: {reason}"
