"""The command line's jobs: several calls of the library that make one command."""

from __future__ import annotations

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from evenly.atomic import atomic_write, refuse_existing
from evenly.embedding import Embeddings, open_cache
from evenly.errors import (
    BudgetError,
    CheckpointError,
    DataError,
    ManifestError,
    OptionError,
    OutputError,
)
from evenly.inputs.embed import embed
from evenly.inputs.prepare import PreparedData
from evenly.metrics import Measures
from evenly.metrics.curve import Curve
from evenly.metrics.measure import Certificate, measure_prepared
from evenly.report.table import two_columns
from evenly.samples import check_table_path, open_samples
from evenly.samples.formats import output_format, split_suffix
from evenly.selection.assign import Assignments
from evenly.selection.by_quality import by_quality_and_keep
from evenly.selection.results.deduplication import Deduplication
from evenly.selection.results.selection import Order, Selection
from evenly.selection.results.stream import StreamSelection
from evenly.selection.resume import merge_options, options_of
from evenly.selection.stream import UniformStream, select_stream
from evenly.selection.uniform import select_and_keep

__all__ = [
    "OF_SPACE",
    "OF_TEXTS",
    "cache_table",
    "column_or_array",
    "data_or_rows",
    "is_plain",
    "manifest_path",
    "measure_and_write",
    "read_row_numbers",
    "rows_or_ids",
    "run_again",
    "run_assignments",
    "run_embedding",
    "run_selection",
    "run_stream",
    "write_output",
]


OF_TEXTS = ("text", "roles", "encoder", "encoder_options")


OF_SPACE = (*OF_TEXTS, "normalize", "on_invalid")


_OF_PLAIN_SELECTIONS = {"budget", "start", "engine", "memory", "seed", *OF_SPACE}


def manifest_path(output: str | PathLike[str]) -> Path:
    """subset.jsonl.gz -> subset.manifest.json, in the same folder."""
    path = Path(output)
    _, compressed = split_suffix(path)
    name = path.with_suffix("") if compressed else path
    return name.with_suffix(".manifest.json")


def run_selection(
    data: Any,
    arguments: dict[str, Any],
    *,
    manifest: str | None,
    checkpoint: str | None,
    progress: bool | None,
    output: str | BinaryIO | None,
    force: bool,
    **after: Any,
) -> tuple[Selection, Measures]:
    """Select, measure, and write the records with their manifest beside them.

    With a manifest, its options (overridden by `arguments`) and its input are taken again,
    and the rows that come out must be the same.
    """
    check_output(output, force=force, checkpoint=checkpoint)
    earlier = None if manifest is None else Selection.load(manifest)
    if earlier is not None:
        data, arguments = _as_before(earlier, data, arguments)
    if earlier is not None and "by_quality" in earlier.provenance:
        if checkpoint is not None:
            raise OptionError(f"{manifest} is of rows chosen by quality, which keep no checkpoint.")
        selection, prepared = by_quality_and_keep(data, **arguments, progress=progress)
    else:
        selection, prepared = select_and_keep(
            data, **arguments, checkpoint=checkpoint, progress=progress
        )
    if earlier is not None:
        _check_reproduced(earlier, selection, str(manifest))
    measures = measure_and_write(
        selection, prepared, output=output, force=force, progress=progress, **after
    )
    return selection, measures


def run_again(
    again: Callable[..., tuple[Selection, PreparedData]],
    manifest: str,
    data: Any,
    arguments: dict[str, Any],
    *,
    progress: bool | None,
    output: str | BinaryIO | None,
    force: bool,
    checkpoint: str | None = None,
    **after: Any,
) -> tuple[Selection, Measures]:
    """Make another selection of that of a manifest, measure, and write as `run_selection` does.

    Args:
        again: `extend_and_keep` or `fill_and_keep`, which keeps no checkpoint.
        manifest, data, arguments: what it is called with.
    """
    check_output(output, force=force, checkpoint=checkpoint)
    if checkpoint is not None:
        arguments = {**arguments, "checkpoint": checkpoint}
    selection, prepared = again(Selection.load(manifest), data=data, **arguments, progress=progress)
    measures = measure_and_write(
        selection, prepared, output=output, force=force, progress=progress, **after
    )
    return selection, measures


def measure_and_write(
    selection: Selection,
    prepared: PreparedData,
    *,
    output: str | BinaryIO | None,
    order: Order,
    force: bool,
    random_subsets: int,
    certificate: Certificate,
    progress: bool | None,
) -> Measures:
    """Measure a selection, and write it where there is an output."""
    curve = None
    if is_plain(selection):
        curve = Curve(selection.radii, int(np.count_nonzero(prepared.points.eligible)))
    measures = measure_prepared(
        prepared,
        selection.indices,
        random_subsets=random_subsets,
        certificate=certificate,
        seed=selection.provenance["options"].get("seed", 0),
        curve=curve,
        known=_proven(selection),
        progress=progress,
    )
    write_output(selection, output, order=order, force=force)
    return measures


def _proven(selection: Selection) -> dict[str, float]:
    """The bound that a refinement has proven; with rules it is one on other rows."""
    bound = selection.provenance.get("refined", {}).get("upper_bound")
    return {} if bound is None or "rules" in selection.provenance else {"proof": bound}


def is_plain(selection: Selection) -> bool:
    """Whether nothing but farthest-first chose the rows, so that radii are covering radii."""
    provenance = selection.provenance
    options = {name for name, value in provenance["options"].items() if value not in (None, False)}
    return "rules" not in provenance and options <= _OF_PLAIN_SELECTIONS


def check_output(
    output: str | PathLike[str] | BinaryIO | None,
    *,
    force: bool,
    checkpoint: str | PathLike[str] | None = None,
) -> None:
    """Refuse before any work an output that could not be written after it.

    Raises:
        OutputError: the suffix is unknown, or the checkpoint would be written over.
        OutputExistsError: it, or the manifest beside it, exists and `force` is not set.
    """
    if not isinstance(output, str | PathLike):
        return
    output_format(output)
    if checkpoint is not None and Path(checkpoint) in (Path(output), manifest_path(output)):
        raise OutputError(f"{checkpoint} cannot be both output and checkpoint. Name another file.")
    refuse_existing(output, force=force)
    refuse_existing(manifest_path(output), force=force)


def write_output(
    chosen: Selection | Deduplication | StreamSelection,
    output: str | PathLike[str] | BinaryIO | None,
    *,
    force: bool,
    **how: Any,
) -> None:
    """Write the records, to a file with the manifest beside them: both or neither."""
    if output is None:
        return
    if not isinstance(output, str | PathLike):
        chosen.write(output, **how)
        output.flush()
        return
    with atomic_write(manifest_path(output), force=force) as stream:
        chosen.save(stream)
        stream.flush()
        chosen.write(output, force=force, **how)


def _as_before(
    earlier: Selection, data: Any, arguments: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The input and the options of an earlier selection."""
    if "filled" in earlier.provenance:
        raise ManifestError(
            "the manifest is of a selection that was filled: do again the one before, and fill it."
        )
    options = options_of(earlier, overruled=arguments)
    source = earlier.provenance["input"]
    if data is None:
        data = source["path"]
        if data is None:
            raise ManifestError(
                f"the manifest's input was {source['origin']}, which cannot be opened again. "
                "Give the data: evenly select DATA --from-manifest …"
            )
    return data, merge_options(options, arguments)


def _check_reproduced(earlier: Selection, selection: Selection, name: str) -> None:
    before, now = earlier.provenance["input"], selection.provenance["input"]
    # What was in memory has another hash as a file; then the rows alone must agree.
    if before["path"] is not None and before["content_hash"] != now["content_hash"]:
        raise ManifestError(
            f"{now['origin']} is not the input of {name}: its content has changed since "
            f"({before['content_hash'][:19]}… then, {now['content_hash'][:19]}… now)."
        )
    if not np.array_equal(earlier.indices, selection.indices):
        both = min(len(earlier), len(selection))
        differ = np.flatnonzero(earlier.indices[:both] != selection.indices[:both])
        first = differ[0] if len(differ) else both
        more = "" if len(differ) or both < len(earlier) else " For more rows: evenly extend."
        raise ManifestError(
            f"other rows came out than {name} says, from pick {first} on.{more} "
            f"Then: {_circumstances(earlier)}. Now: {_circumstances(selection)}."
        )


def _circumstances(selection: Selection) -> str:
    told = {"evenly": selection.provenance["evenly"], **selection.provenance["versions"]}
    encoder = selection.provenance["encoder"] or {}
    if encoder.get("fingerprint"):
        told["encoder"] = encoder["fingerprint"][:19]
    return ", ".join(f"{name} {value}" for name, value in told.items())


def run_embedding(data: Any, output: str, *, force: bool, **arguments: Any) -> Embeddings:
    """Embed and write the vectors as .npy or .safetensors."""
    if split_suffix(output)[0] not in ("npy", "safetensors"):
        raise OutputError(f"vectors are written as .npy or .safetensors, got {output!r}.")
    refuse_existing(output, force=force)
    embeddings = embed(data, **arguments)
    open_samples(embeddings.vectors).write(output, range(len(embeddings)), force=force)
    return embeddings


def run_assignments(
    manifest: str, data: Any, output: str, *, force: bool, **arguments: Any
) -> Assignments:
    """Write who stands for whom in the selection of a manifest."""
    check_table_path(output)
    refuse_existing(output, force=force)
    found = Selection.load(manifest).assignments(data, **arguments)
    found.write(output, force=force)
    return found


def run_stream(
    batches: Any,
    arguments: dict[str, Any],
    *,
    state: str | None,
    second_pass: bool,
    batch_size: int,
    output: str | BinaryIO | None,
    order: Order,
    force: bool,
    progress: bool | None,
) -> StreamSelection:
    """Choose from a stream in one pass, and write the records with their manifest beside them.

    With a state, a file, go on from where it was, and leave there where it is now.
    """
    check_output(output, force=force, checkpoint=state)
    if state is None:
        found = select_stream(
            batches, **arguments, batch_size=batch_size, second_pass=second_pass, progress=progress
        )
    else:
        if second_pass:
            raise OptionError(
                "a second pass needs all of the data, and a state has not: leave one out."
            )
        found = _go_on(state, batches, arguments, batch_size)
    write_output(found, output, order=order, force=force)
    return found


def _go_on(state: str, batches: Any, arguments: dict[str, Any], batch_size: int) -> StreamSelection:
    stream = UniformStream(**arguments)
    if Path(state).exists():
        cached = {name: arguments[name] for name in ("device", "cache_dir") if name in arguments}
        before = UniformStream.load(state, **cached)
        for name, value in before.settings.items():
            if value != stream.settings[name]:
                raise CheckpointError(
                    f"{state} was begun with other options: {name} was {value!r} then, and is "
                    f"{stream.settings[name]!r} now. Give the same, or name another file."
                )
        stream = before
    for batch in batches:
        stream.update(batch, batch_size=batch_size)
    stream.save(state, force=True)
    try:
        return stream.result()
    except BudgetError as error:
        raise BudgetError(f"{error} They are kept in {state}: go on with more.") from None


def read_row_numbers(path: str) -> Any:
    """A selection from a manifest, or row numbers from .npy or from text with one a line.

    Raises:
        DataError: a line is not a row number, or the array cannot be read.
        ManifestError: the manifest is damaged.
    """
    if path.endswith(".json"):
        return Selection.load(path)
    if path.endswith(".npy"):
        try:
            return np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise DataError(f"{path} is not an array of row numbers: {error}.") from None
    rows = []
    for number, line in enumerate(Path(path).read_text("utf-8", "replace").splitlines(), start=1):
        if line.strip():
            try:
                rows.append(int(line))
            except ValueError:
                raise DataError(f"{path}, line {number}: {line!r} is not a row number.") from None
    return rows


def rows_or_ids(given: str | None, *, by_id: bool) -> Any:
    """What a word of the command line says about rows: those of a file, or those it lists.

    Args:
        given: a file (a manifest, a .npy array, or text with one a line), or names with commas.
        by_id: whether they are ids, to be left as they are.

    Raises:
        DataError, ManifestError: the file is damaged.
    """
    if given is None:
        return None
    if Path(given).is_file() and given.endswith((".json", ".npy")):
        return read_row_numbers(given)
    is_file = Path(given).is_file()
    names = Path(given).read_text("utf-8").splitlines() if is_file else given.split(",")
    named = [name.strip() for name in names if name.strip()]
    # Without ids, what is no number is for the library to refuse, which says what ids need.
    whole = not by_id and all(name.removeprefix("-").isdecimal() for name in named)
    return [int(name) for name in named] if whole else named


def data_or_rows(given: str | None, *, by_id: bool) -> Any:
    """What a word of the command line says to keep away from: a path, or rows of the data."""
    if given is None:
        return None
    if given.endswith(".npy") and Path(given).is_file():
        rows = _array(given)
        return rows if rows.ndim == 1 else given
    if Path(given).is_file():
        return rows_or_ids(given, by_id=by_id) if given.endswith(".txt") else given
    listed = all(name.strip().isdecimal() for name in given.split(","))
    return rows_or_ids(given, by_id=by_id) if listed or (by_id and "," in given) else given


def column_or_array(given: str | None) -> Any:
    """The column of that name, or the values of a .npy file, one a row."""
    if given is None or not (given.endswith(".npy") and Path(given).is_file()):
        return given
    return _array(given)


def _array(path: str) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is not an array that can be read: {error}.") from None


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
