"""Reproduce an earlier selection from its manifest, and check that the same rows come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenly.errors import ManifestError, OptionError

if TYPE_CHECKING:
    from evenly.selection import Selection


def options_as_before(
    earlier: Selection, data: Any, arguments: dict[str, Any], name: str
) -> tuple[Any, dict[str, Any]]:
    """Return the input and the options of an earlier selection, from the manifest `name`.

    `data` is another input, or None for the earlier one; `arguments` overrule the earlier options.
    """
    from evenly.selection.resume import merge_options, options_of

    if earlier.provenance.filled is not None:
        raise ManifestError(
            "the manifest belongs to a selection that was filled: reproduce the one before it, "
            "and fill that."
        )
    if earlier.provenance.by_quality is not None and arguments.get("checkpoint") is not None:
        raise OptionError(f"{name} belongs to rows chosen by quality, which have no checkpoint.")
    options = options_of(earlier, overruled=arguments)
    source = earlier.provenance.input
    if data is None:
        data = source.path
        if data is None:
            raise ManifestError(
                f"the manifest's input was {source.origin}, which cannot be opened again. "
                "Give the data: evenly select DATA --from-manifest …"
            )
    return data, merge_options(options, arguments)


def check_reproduced(earlier: Selection, selection: Selection, name: str) -> None:
    """Raise ManifestError if other rows were chosen than the manifest `name` lists."""
    import numpy as np

    before, now = earlier.provenance.input, selection.provenance.input
    # Data in memory have another hash than a file; then only the rows must agree.
    if before.path is not None and before.content_hash != now.content_hash:
        raise ManifestError(
            f"{now.origin} is not the input of {name}: its content has changed since "
            f"({str(before.content_hash)[:19]}… then, {str(now.content_hash)[:19]}… now)."
        )
    then, vectors = before.vectors, now.vectors
    if then is not None and (vectors is None or vectors.content_hash != then.content_hash):
        given = "the rows" if vectors is None else vectors.origin
        raise ManifestError(
            f"{given} does not hold the vectors of {name}, which were {then.origin} "
            f"({then.content_hash[:19]}…)."
        )
    if np.array_equal(earlier.indices, selection.indices):
        return
    both = min(len(earlier), len(selection))
    differ = np.flatnonzero(earlier.indices[:both] != selection.indices[:both])
    first = differ[0] if len(differ) else both
    more = "" if len(differ) or both < len(earlier) else " For more rows: evenly extend."
    raise ManifestError(
        f"the chosen rows differ from those of {name}, from pick {first} on.{more} "
        f"Then: {_circumstances(earlier)}. Now: {_circumstances(selection)}."
    )


def _circumstances(selection: Selection) -> str:
    provenance = selection.provenance
    known = {"evenly": provenance.evenly, **provenance.versions}
    if provenance.encoder is not None and provenance.encoder.fingerprint:
        known["encoder"] = provenance.encoder.fingerprint[:19]
    return ", ".join(f"{name} {value}" for name, value in known.items())
