"""What the picks of a selection depend on, so that picks are continued only where they belong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from evenly.options.values import encode, in_words
from evenly.selection.results.provenance import Provenance

_SHOWN = 5


@dataclass(frozen=True)
class RunKey:
    """What the picks of a selection depend on, except for the budget: prefixes are the same.

    Attributes:
        inputs: name -> value of everything that decides the picks. An option that changes them
            belongs here.
        labels: name -> words about where the vectors come from. They explain a difference but do
            not make one: the same vectors give the same picks, whatever they came in.
    """

    inputs: dict[str, Any]
    labels: dict[str, str]

    @classmethod
    def of(cls, provenance: Provenance) -> RunKey:
        """Return the key of a selection with this provenance."""
        options, source, encoder = provenance.options, provenance.input, provenance.encoder
        start = options.get("start")
        vectors = source.content_hash if encoder is None else encoder.vectors_hash
        inputs = {
            "vectors": vectors if source.vectors is None else source.vectors.content_hash,
            "dropped rows": sorted(provenance.dropped),
            "normalize": options["normalize"],
            "start": start,
            "seed": options.get("seed") if start == "random" else None,
        }
        if options.get("method") == "coreset":
            inputs["method"] = "coreset"
        if provenance.rules:
            inputs["rules"] = dict(provenance.rules)
        labels = {"input": with_hash(source.origin, source.content_hash)}
        if source.vectors is not None:
            labels = {"vectors of": with_hash(source.vectors.origin, source.vectors.content_hash)}
        if encoder is not None:
            labels["text"] = str(provenance.text)
            labels["encoder"] = with_hash(encoder.name, encoder.fingerprint)
        return cls(encode(inputs), labels)

    def on_vectors(self, vectors_hash: str) -> RunKey:
        """Return the key of the same selection from other vectors."""
        return replace(self, inputs={**self.inputs, "vectors": vectors_hash})

    def differs_from(self, now: RunKey) -> str | None:
        """Describe why the picks of this key are not those of `now`; None if they are."""
        if self.inputs == now.inputs:
            return None
        before, after = {**self.labels, **self.inputs}, {**now.labels, **now.inputs}
        different = [
            f"{name}: {_shown(before.get(name))} then, {_shown(after.get(name))} now"
            for name in {**before, **after}
            if name != "vectors" and before.get(name) != after.get(name)
        ]
        return "; ".join(different) or (
            "the vectors came out differently, though input, text and encoder are the same. "
            "The last bits of a model's vectors depend on the machine and the library: keep the "
            "embedding cache, or the vectors themselves (`evenly embed`)"
        )


NO_KEY = RunKey({}, {})
"""The key of picks that no file keeps."""


def with_hash(name: str, found: str | None) -> str:
    """Return a name with the beginning of a hash, if there is one."""
    return f"{name} ({found[:19]}…)" if found else name


def _shown(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
        return ", ".join(map(str, value[:_SHOWN])) + more or "none"
    return in_words(value) if value is None or isinstance(value, str | bool) else json.dumps(value)
