"""The command line's jobs: several calls of the library that make one command."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from evenly.atomic import atomic_write, refuse_existing
from evenly.embedding import Embeddings, open_cache
from evenly.errors import DataError, ManifestError, OutputError
from evenly.intake import embed
from evenly.metrics import Measures
from evenly.metrics.measure import measure_intake
from evenly.report.table import two_columns
from evenly.selection.select import select_and_keep
from evenly.selection.selection import Order, Selection

__all__ = [
    "cache_table",
    "manifest_path",
    "read_row_numbers",
    "run_embedding",
    "run_selection",
]


def manifest_path(output: str | PathLike[str]) -> Path:
    """subset.jsonl.gz -> subset.manifest.json, in the same folder."""
    path = Path(output)
    return path.with_name(path.name.split(".")[0] + ".manifest.json")


def run_selection(
    data: Any,
    arguments: dict[str, Any],
    *,
    manifest: str | None,
    output: str | BinaryIO | None,
    order: Order,
    force: bool,
    random_subsets: int,
    progress: bool | None,
) -> tuple[Selection, Measures]:
    """Select, measure, and write the records with their manifest beside them.

    With a manifest, its options (overridden by `arguments`) and its input are taken again,
    and the rows that come out must be the same.
    """
    beside = manifest_path(output) if isinstance(output, str) else None
    if isinstance(output, str) and beside is not None:
        refuse_existing(output, force=force)
        refuse_existing(beside, force=force)
    earlier = None if manifest is None else Selection.load(manifest)
    if earlier is not None:
        data, arguments = _as_before(earlier, data, arguments)
    selection, intake = select_and_keep(data, **arguments, progress=progress)
    if earlier is not None:
        _check_reproduced(earlier, selection, str(manifest))
    measures = measure_intake(
        intake,
        selection.indices,
        random_subsets=random_subsets,
        seed=arguments.get("seed", 0),
        progress=progress,
    )
    if output is not None:
        selection.write(output, order=order, force=force)
    if beside is not None:
        selection.save(beside, force=force)
    return selection, measures


def _as_before(
    earlier: Selection, data: Any, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The input and the options of an earlier selection."""
    options = earlier.provenance["options"]
    opaque = [name for name, value in options.items() if str(value).startswith("<")]
    if opaque:
        raise ManifestError(
            f"the manifest cannot be repeated: {', '.join(opaque)} was a Python object "
            f"({options[opaque[0]]}) then. Repeat the selection in Python."
        )
    source = earlier.provenance["input"]
    if data is None:
        data = source["path"]
        if data is None:
            raise ManifestError(
                f"the manifest's input was {source['origin']}, which cannot be opened again. "
                "Give the data: evenly select DATA --from-manifest …"
            )
    return data, {**options, **arguments}


def _check_reproduced(earlier: Selection, selection: Selection, name: str) -> None:
    before, now = earlier.provenance["input"], selection.provenance["input"]
    if before["content_hash"] != now["content_hash"]:
        raise ManifestError(
            f"{now['origin']} is not the input of {name}: its content has changed since "
            f"({before['content_hash'][:19]}… then, {now['content_hash'][:19]}… now)."
        )
    if not np.array_equal(earlier.indices, selection.indices):
        first = int(
            np.argmin(earlier.indices[: len(selection)] == selection.indices[: len(earlier)])
        )
        raise ManifestError(
            f"other rows came out than {name} says, from pick {first} on. "
            f"Then: {_circumstances(earlier)}. Now: {_circumstances(selection)}."
        )


def _circumstances(selection: Selection) -> str:
    told = {"evenly": selection.provenance["evenly"], **selection.provenance["versions"]}
    encoder = selection.provenance["encoder"] or {}
    if encoder.get("fingerprint"):
        told["encoder"] = encoder["fingerprint"][:19]
    return ", ".join(f"{name} {value}" for name, value in told.items())


def run_embedding(data: Any, output: str, *, force: bool, **arguments: Any) -> Embeddings:
    """Embed and write the vectors as .npy."""
    if Path(output).suffix != ".npy":
        raise OutputError(f"vectors are written as .npy, got {output!r}.")
    refuse_existing(output, force=force)
    embeddings = embed(data, **arguments)
    with atomic_write(output, force=force) as stream:
        np.save(stream, embeddings.vectors, allow_pickle=False)
    return embeddings


def read_row_numbers(path: str) -> Any:
    """Row numbers from a manifest, a .npy array, or a text file with one a line.

    Raises:
        DataError: a line is not a row number, or the array cannot be read.
        ManifestError: the manifest is damaged.
    """
    if path.endswith(".json"):
        return Selection.load(path).indices
    if path.endswith(".npy"):
        try:
            return np.load(path, allow_pickle=False)
        except ValueError as error:
            raise DataError(f"{path} is not an array of row numbers: {error}.") from None
    rows = []
    for number, line in enumerate(Path(path).read_text("utf-8", "replace").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(int(line))
            except ValueError:
                raise DataError(f"{path}, line {number}: {line!r} is not a row number.") from None
    return rows


def cache_table(cache_dir: str | None, *, as_json: bool) -> str:
    """What the embedding cache holds, to read or as JSON."""
    opened = open_cache(cache_dir)
    assert opened is not None  # only cache_dir=False means none
    info = opened.info()
    if as_json:
        models = [model.__dict__ for model in info.models]
        return json.dumps({"folder": str(info.folder), "models": models}, indent=1)
    rows = [
        ("folder", str(info.folder)),
        ("in all", f"{info.rows:,} vectors, {info.bytes / 1e6:.1f} MB"),
    ]
    for model in info.models:
        held = f"{model.rows:,} vectors, {model.bytes / 1e6:.1f} MB, {model.shards} shards"
        rows.append((model.name, f"{held}, {model.fingerprint[:19]}…"))
    return two_columns(rows)
