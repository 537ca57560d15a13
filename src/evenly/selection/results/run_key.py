"""What an answer follows from, so that picks are only continued where they belong."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["RunKey"]


_SHOWN = 5


@dataclass(frozen=True)
class RunKey:
    """What the picks of a selection depend on, the budget aside: its prefixes are the same.

    Attributes:
        inputs: name -> value of all that the picks follow from. An option that changes them
            belongs here.
        labels: name -> words on where the vectors come from. They explain a difference and do
            not make one: the same vectors give the same picks, whatever they came in.
    """

    inputs: dict[str, Any]
    labels: dict[str, str]

    @classmethod
    def none(cls) -> RunKey:
        """That of picks which are not kept, so that nobody asks what they are of."""
        return cls({}, {})

    @classmethod
    def of(cls, provenance: dict[str, Any]) -> RunKey:
        """The job that a selection with this provenance does."""
        options, source = provenance["options"], provenance["input"]
        encoder = provenance.get("encoder")
        start = options.get("start")
        inputs = {
            "vectors": encoder.get("vectors_hash") if encoder else source["content_hash"],
            "dropped rows": sorted(int(row) for row in provenance["dropped"]),
            "normalize": options["normalize"],
            "start": start,
            "seed": options.get("seed") if start == "random" else None,
        }
        if provenance.get("rules"):
            inputs["rules"] = provenance["rules"]
        labels = {"input": _with_hash(source["origin"], source["content_hash"])}
        if encoder:
            labels["text"] = str(provenance["text"])
            labels["encoder"] = _with_hash(encoder["name"], encoder["fingerprint"])
        return cls(inputs, labels)

    def on_vectors(self, vectors_hash: str) -> RunKey:
        """The same job on other vectors."""
        return replace(self, inputs={**self.inputs, "vectors": vectors_hash})

    def differs_from(self, now: RunKey) -> str | None:
        """What makes the picks of this job others than those of one `now`; None if nothing."""
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
            "The last bits of a model's vectors follow the machine and the library: keep the "
            "embedding cache, or the vectors themselves (`evenly embed`)"
        )


def _with_hash(name: str, found: str | None) -> str:
    return f"{name} ({found[:19]}…)" if found else name


def _shown(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - _SHOWN} more" if len(value) > _SHOWN else ""
        return ", ".join(map(str, value[:_SHOWN])) + more or "none"
    return value if isinstance(value, str) else json.dumps(value)
