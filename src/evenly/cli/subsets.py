"""Subsets that files name: what they are called, and the space in which they are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenly.errors import ManifestError, OptionError
from evenly.options import InputOptions

if TYPE_CHECKING:
    from evenly.samples import Samples


def names_of(paths: Sequence[str]) -> dict[str, str]:
    """Return short names for files: without folder and suffix, if these differ."""
    short = [Path(path).name.removesuffix(".json").removesuffix(".manifest") for path in paths]
    short = [Path(name).stem if name.endswith((".npy", ".txt")) else name for name in short]
    names = short if len(set(short)) == len(short) else paths
    if len(set(names)) < len(names):
        raise OptionError(f"a subset is named twice among {', '.join(paths)}.")
    return dict(zip(names, paths, strict=True))


def options_for(
    samples: Samples, rows: Any, given: dict[str, Any], defaults: dict[str, Any]
) -> InputOptions:
    """Return how to make the vectors in which some rows are measured.

    For row numbers, the `defaults` apply; for a selection, its own options, overruled by those
    `given` on the command line.

    Raises:
        ManifestError: a selection was made from other data.
    """
    return InputOptions.of({**defaults, **_of_space(samples, rows, given, defaults)})


def common_options(
    samples: Samples, subsets: Mapping[str, Any], given: dict[str, Any], defaults: dict[str, Any]
) -> InputOptions:
    """Return how to make the vectors for several subsets; selections among them must agree.

    Raises:
        ManifestError: they do not, or a selection was made from other data.
    """
    from evenly.selection.results.selection import SelectionData

    options, source = None, ""
    for name, rows in subsets.items():
        if not isinstance(rows, SelectionData):
            continue
        own = _of_space(samples, rows, given, defaults)
        options, source = (own, name) if options is None else (options, source)
        for option, value in own.items():
            if value != options.get(option):
                raise ManifestError(
                    f"{source} and {name} are of different spaces: {option} is "
                    f"{options.get(option)!r} in the one and {value!r} in the other. Give "
                    f"--{option.replace('_', '-')} to measure both in one."
                )
    return InputOptions.of({**defaults, **(options or {})})


def _of_space(
    samples: Samples, rows: Any, given: dict[str, Any], defaults: dict[str, Any]
) -> dict[str, Any]:
    from evenly.selection.results.provenance import OF_TEXTS, SPACE
    from evenly.selection.results.selection import SelectionData
    from evenly.selection.resume import merge_options, options_of

    earlier = {name: defaults[name] for name in SPACE if name in defaults}
    if isinstance(rows, SelectionData):
        _check_aligned(rows, samples)
        wanted = [name for name in SPACE if not (samples.holds_vectors and name in OF_TEXTS)]
        left_out = {*rows.provenance.options} - {*wanted}
        before = options_of(rows, overruled={*given, *left_out})
        earlier = {name: value for name, value in before.items() if name in wanted}
        if rows.provenance.options.get("engine") == "distances":
            earlier["engine"] = "distances"
    own = {name: value for name, value in given.items() if name in (*SPACE, "engine")}
    return merge_options(earlier, own)


def _check_aligned(earlier: Any, samples: Samples) -> None:
    before = earlier.provenance.input
    if before.rows != len(samples):
        raise ManifestError(
            f"{samples.origin} has {len(samples)} rows, but the manifest's selection was made from "
            f"{before.rows} ({before.origin}). Give the same data."
        )
