"""Where a selection comes from: versions, options, input, encoder, and the hashes of them."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy.typing as npt

from evenly._version import __version__
from evenly.geometry import Points, in_background, usable_threads
from evenly.inputs.prepare import PreparedData
from evenly.options import as_json_value
from evenly.samples.base import feed_array

__all__ = ["begin_provenance_of", "hash_of_array", "provenance_of", "when_done"]


# Numbers that take longer to hash than it takes to ask another thread to.
_LARGE = 200_000


def provenance_of(
    prepared: PreparedData, options: dict[str, Any], rules: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What is known before the selection, as JSON values.

    Args:
        prepared: the data set.
        options: those of the selection; those of the intake are added.
        rules: what the rules came to, from `Rules.describe`.

    Cost: hashes the input, and the vectors where they were made from texts.
    """
    embeddings = prepared.embeddings
    return {
        "evenly": __version__,
        "versions": dict(_versions(embedded=embeddings is not None)),
        "options": as_json_value({**prepared.options, **options}),
        "input": {
            "origin": prepared.samples.origin,
            "path": prepared.path,
            "rows": len(prepared),
            "dimension": prepared.points.dimension,
            "content_hash": prepared.samples.content_hash(),
        },
        "text": prepared.text,
        "encoder": None
        if embeddings is None
        else {
            "name": embeddings.encoder,
            "weights_hash": embeddings.weights_hash,
            "fingerprint": embeddings.fingerprint,
            "vectors_hash": hash_of_array(embeddings.vectors),
            "truncated": embeddings.truncated,
            "reused": embeddings.reused,
            "computed": embeddings.computed,
        },
        "dropped": {str(row): reason for row, reason in prepared.dropped.items()},
        **({"rules": rules} if rules else {}),
    }


def begin_provenance_of(
    prepared: PreparedData, options: dict[str, Any], rules: dict[str, Any] | None = None
) -> Callable[[], dict[str, Any]]:
    """Begin with `provenance_of`; what is returned waits for it.

    Large arrays are hashed by one of the threads that rows are chosen with, beside the others.
    """
    points = prepared.points
    large = (
        isinstance(points, Points) and points.in_memory and len(points) * points.dimension > _LARGE
    )
    threads = usable_threads() if large else 1
    return in_background(lambda: provenance_of(prepared, options, rules), threads=threads).result


def when_done(
    provenance: dict[str, Any], seconds: dict[str, float], taken_over: int
) -> dict[str, Any]:
    """The provenance of the result: when it was made, in what time, and after how many picks."""
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        **provenance,
        "created": now.isoformat(timespec="seconds"),
        "seconds": {step: round(value, 4) for step, value in seconds.items()},
        "taken_over": taken_over,
    }


def hash_of_array(array: npt.NDArray[Any]) -> str:
    """The sha256 of dtype, shape and bytes: the content hash of an array in memory."""
    digest = hashlib.sha256()
    feed_array(digest, array)
    return f"sha256:{digest.hexdigest()}"


@cache  # reading them takes as long as a small selection
def _versions(*, embedded: bool) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    names = ["numpy"] + (["torch", "sentence-transformers"] if embedded else [])
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
