"""The command line's jobs that measure: subsets that files name, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evenly.cli.jobs import OF_SPACE, OF_TEXTS, read_row_numbers
from evenly.errors import ManifestError, OptionError
from evenly.metrics import Measures, measure
from evenly.report import Comparison, compare
from evenly.samples import Samples, open_samples
from evenly.selection.results.selection import Selection
from evenly.selection.resume import merge_options, options_of

__all__ = ["run_compare", "run_measure"]


def run_measure(
    data: Any, subset: str, arguments: dict[str, Any], defaults: dict[str, Any], **measuring: Any
) -> tuple[Measures, bool]:
    """Measure the rows that a file names, and say whether rows were normalised.

    A manifest brings the options it was made with, so that distances are of the same space;
    `arguments` overrule it, and `defaults` stand where there is no manifest.
    """
    samples = open_samples(data)
    rows = read_row_numbers(subset)
    options = _options_for(samples, rows, arguments, defaults)
    return measure(samples, rows, **options, **measuring), options["normalize"]


def run_compare(
    data: Any,
    subsets: Sequence[str],
    arguments: dict[str, Any],
    defaults: dict[str, Any],
    **measuring: Any,
) -> Comparison:
    """Compare the rows that files name, called as the files are.

    Options are found as for `run_measure`; those of several manifests must agree.

    Raises:
        ManifestError: they do not, or a manifest is of other data.
    """
    samples = open_samples(data)
    found = {name: read_row_numbers(path) for name, path in _names_of(subsets).items()}
    options, told_by = None, ""
    for name, rows in found.items():
        if not isinstance(rows, Selection):
            continue
        own = _options_for(samples, rows, arguments, defaults)
        options, told_by = (own, name) if options is None else (options, told_by)
        for option, value in own.items():
            if value != options.get(option):
                raise ManifestError(
                    f"{told_by} and {name} are of different spaces: {option} is "
                    f"{options.get(option)!r} in the one and {value!r} in the other. Give "
                    f"--{option.replace('_', '-')} to measure both in one."
                )
    if options is None:
        options = merge_options(defaults, arguments)
    return compare(found, samples, **options, **measuring)


def _names_of(paths: Sequence[str]) -> dict[str, str]:
    """Short names for files: without folder and suffix, where these differ."""
    short = [Path(path).name.removesuffix(".json").removesuffix(".manifest") for path in paths]
    short = [Path(name).stem if name.endswith((".npy", ".txt")) else name for name in short]
    names = short if len(set(short)) == len(short) else paths
    if len(set(names)) < len(names):
        raise OptionError(f"a subset is named twice among {', '.join(paths)}.")
    return dict(zip(names, paths, strict=True))


def _options_for(
    samples: Samples, rows: Any, arguments: dict[str, Any], defaults: dict[str, Any]
) -> dict[str, Any]:
    """The options that make the vectors: of a manifest, or the defaults; overruled by arguments."""
    if isinstance(rows, Selection):
        _check_aligned(rows, len(samples), samples.origin)
        wanted = [name for name in OF_SPACE if not (samples.holds_vectors and name in OF_TEXTS)]
        left_out = {*rows.provenance["options"]} - {*wanted}
        earlier = options_of(rows, overruled={*arguments, *left_out})
        defaults = {name: value for name, value in earlier.items() if name in wanted}
        if rows.provenance["options"].get("engine") == "distances":
            defaults["engine"] = "distances"
    return merge_options(defaults, arguments)


def _check_aligned(earlier: Selection, rows: int, origin: str) -> None:
    before = earlier.provenance["input"]
    if before["rows"] != rows:
        raise ManifestError(
            f"{origin} has {rows} rows, but the manifest's selection was made from "
            f"{before['rows']} ({before['origin']}). Give the same data."
        )
