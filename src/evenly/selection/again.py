"""The options of an earlier selection, to use them again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from evenly.errors import ManifestError
from evenly.selection.selection import Selection

__all__ = ["merge_options", "options_of"]


def options_of(earlier: Selection, *, overruled: Collection[str]) -> dict[str, Any]:
    """The options of an earlier selection, as arguments.

    Trust in a model's code is not among them: a file must not grant it.

    Raises:
        ManifestError: one that is not overruled was a Python object, of which a name is left.
    """
    options = dict(earlier.provenance["options"])
    opaque = [
        name
        for name, value in options.items()
        if name not in overruled and str(value).startswith("<")
    ]
    if opaque:
        raise ManifestError(
            f"the selection cannot be taken up again as it is: {', '.join(opaque)} was a Python "
            f"object ({options[opaque[0]]}) then. Pass it again, in Python: {opaque[0]}=…"
        )
    if options.get("encoder_options"):
        told = options["encoder_options"].items()
        trusted = "trust_remote_code"
        options["encoder_options"] = {name: value for name, value in told if name != trusted}
    return options


def merge_options(earlier: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The earlier options, overruled by the arguments, those of the encoder one by one."""
    both = {**earlier, **arguments}
    if "encoder" not in arguments:
        own = arguments.get("encoder_options", {})
        both["encoder_options"] = {**earlier.get("encoder_options", {}), **own}
    return both
