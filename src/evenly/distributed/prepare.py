"""Prepare a data set on one machine, or on the workers of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from evenly.distributed.crew import Crew
from evenly.distributed.messages import Opened, Transport, versions
from evenly.distributed.parts import FilePart, split_files, split_references
from evenly.distributed.references import check_cluster, is_in_ray, references_of
from evenly.distributed.samples import ClusterSamples
from evenly.distributed.vectors import ClusterPoints, ClusterVectors, Ranges
from evenly.distributed.worker import Embedded
from evenly.embedding import Embeddings
from evenly.errors import (
    EmptyPoolError,
    OptionError,
    TextError,
    VectorError,
)
from evenly.geometry import Points
from evenly.inputs.checks import DroppedRows
from evenly.inputs.pool_texts import PoolTexts
from evenly.inputs.prepare import PreparedData, before_embedding
from evenly.inputs.prepare import prepare as prepare_on_one_machine
from evenly.options import InputOptions
from evenly.paths import CACHE_VARIABLE, expand
from evenly.samples import Samples, open_texts
from evenly.samples.opening import files_of
from evenly.samples.spans import Span

Check = Callable[[PreparedData], object]


def prepare(
    data: Any,
    options: InputOptions,
    *,
    embedding: bool = True,
    check: Check | None = None,
    budget: int | float | None = None,
    transport: Transport | None = None,
) -> PreparedData:
    """Read, embed and check a data set, where `options.cluster` says.

    Files, and data that are in Ray, are opened by workers, and their rows stay there. Other data
    are in memory here: they are prepared as on one machine, and workers receive ranges of their
    vectors.

    Args:
        data, options, embedding, check, budget: as in `inputs.prepare.prepare`.
        transport: how workers are reached; by default through Ray.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: there is no cluster, or workers are lost again and again.
        EvenlyError: as in `inputs.prepare.prepare`.
    """
    check_cluster(data, options.cluster)
    if options.cluster is None:
        return prepare_on_one_machine(
            data, options, embedding=embedding, check=check, budget=budget
        )
    check_options(options)
    if isinstance(data, OnWorkers):
        return _prepare_opened(data, options, check, budget, embedding=embedding)
    if stay_on_workers(data, options):
        opened = open_on_workers(data, options.cluster, transport=transport)
        return _prepare_opened(opened, options, check, budget, embedding=embedding)
    transport = transport or _connected(options.cluster)
    prepared = prepare_on_one_machine(
        data, options, embedding=embedding, check=check, budget=budget
    )
    return _with_workers(prepared, transport)


@dataclass(frozen=True, eq=False)
class OnWorkers:
    """Data that workers have opened, to be prepared once.

    Attributes:
        samples: the records.
        ranges: where they are.
        found: what each worker found in its files.
        seconds: how long opening took.
    """

    samples: ClusterSamples
    ranges: Ranges
    found: list[Opened]
    seconds: float


def open_on_workers(data: Any, cluster: str, *, transport: Transport | None = None) -> OnWorkers:
    """Let the workers of a cluster open data that `stay_on_workers`; raises like `prepare`."""
    began, path = perf_counter(), None
    if is_in_ray(data):
        transport = transport or _connected(cluster)
        references, origin = references_of(data)
        parts = split_references(references, transport.places())
    else:
        path = str(data.path) if isinstance(data, Samples) else expand(data)
        paths, origin = files_of(path)
        transport = transport or _connected(cluster)
        parts = split_files(paths, transport.places())
    crew = _new_crew(transport, [str(part) for part in parts])
    if len(parts) > 1 and parts[0].span is not None:
        parts = _numbered(crew, parts)
    opened = crew.ask("open", {worker: (part,) for worker, part in enumerate(parts)}, keep=True)
    found: list[Opened] = [opened[worker] for worker in range(len(crew))]
    _check_alike(found, origin)
    ranges = Ranges(crew, [one.rows for one in found])
    samples = ClusterSamples(ranges, found[0], origin, path)
    return OnWorkers(samples, ranges, found, perf_counter() - began)


def _numbered(crew: Crew, parts: list[FilePart]) -> list[FilePart]:
    """Let workers count the lines of their parts of one file, so that all know their numbers."""
    counts = crew.ask(
        "try_task", {worker: (_lines_of, part.span) for worker, part in enumerate(parts)}
    )
    before = np.cumsum([0, *(counts[worker] for worker in range(len(crew)))]).tolist()
    return [
        replace(part, span=replace(part.span, before=before[worker]))
        for worker, part in enumerate(parts)
        if part.span is not None
    ]


def _lines_of(_: Samples | None, span: Span) -> int:
    return span.count_lines()


def _connected(cluster: str) -> Transport:
    from evenly.distributed.rays import connect

    return connect(cluster)


def stay_on_workers(data: Any, options: InputOptions) -> bool:
    """Return whether the rows of a data set are opened by workers, and not here."""
    elsewhere = (
        is_in_ray(data)
        or isinstance(data, str | os.PathLike)
        or (isinstance(data, Samples) and data.path is not None and data.beside is None)
    )
    return options.cluster is not None and elsewhere


def check_options(options: InputOptions) -> None:
    """Raise OptionError if an option cannot be used with `cluster=`."""
    if options.engine == "distances":
        raise OptionError('engine="distances" cannot be used with cluster=.')
    if options.vectors is not None:
        raise OptionError(
            "vectors= cannot be used with cluster=, where each row comes from one file. Pass a "
            "folder of .npy files as the data, or omit cluster=."
        )


def _with_workers(prepared: PreparedData, transport: Transport) -> PreparedData:
    """Give workers ranges of the vectors of data that are in the driver's memory."""
    points = prepared.points
    assert isinstance(points, Points)
    ranges = _divided(len(points), transport)
    factors = points.factors
    ranges.crew.ask(
        "hold",
        {
            worker: (points.stored[rows], None if factors is None else factors[rows])
            for worker, rows in enumerate(ranges.slices())
        },
        keep=True,
    )
    return replace(prepared, points=_on_cluster(points, ranges))


def divide_here(rows: int, cluster: str) -> Ranges:
    """Divide rows that are in the driver's memory among new workers of a cluster."""
    return _divided(rows, _connected(cluster))


def _divided(rows: int, transport: Transport) -> Ranges:
    workers = min(transport.places(), rows)
    bounds = np.linspace(0, rows, workers + 1).astype(int)
    names = [f"rows {bounds[i]} to {bounds[i + 1] - 1}" for i in range(workers)]
    return Ranges(_new_crew(transport, names), np.diff(bounds).tolist())


def _prepare_opened(
    opened: OnWorkers,
    options: InputOptions,
    check: Check | None,
    budget: int | float | None,
    *,
    embedding: bool,
) -> PreparedData:
    """Let workers read, embed and check their parts."""
    began = perf_counter() - opened.seconds
    samples, ranges, found = opened.samples, opened.ranges, opened.found
    crew, origin = ranges.crew, samples.origin
    own = replace(options, on_invalid="drop", cluster=None, progress=False)
    if len(samples) == 0:
        raise EmptyPoolError(f"{origin} holds no rows; there is nothing to choose from.")
    rows = DroppedRows(samples, options.on_invalid)
    chosen = round(budget * len(samples)) if isinstance(budget, float) else budget
    texts, embeddings, known = None, None, dict[str, Any]()
    dimension = max(one.dimension for one in found)
    dtype, file_dtype = _types(found)
    seconds = {"reading": perf_counter() - began}
    if not samples.holds_vectors:
        texts = _read_texts(samples, ranges, rows, own)
        seconds = {"reading": perf_counter() - began}
        if check is not None or not embedding:
            of_texts = before_embedding(samples, texts, rows, options, known)
        if not embedding:
            return replace(of_texts, seconds=seconds, path=samples.path)
        if check is not None:
            check(of_texts)
        began = perf_counter()
        made = _embed(crew, chosen, cached=options.cache_dir is not False)
        seconds["embedding"] = perf_counter() - began
        dimension, dtype = max(one.dimension for one in made), np.dtype(np.float32)
        stored = ClusterVectors(ranges, dimension, dtype)
        embeddings = _embeddings(made, stored, seconds["embedding"])
    elif options.text is not None and not samples.holds_records:
        raise OptionError(
            f"text={options.text!r} was given, but {origin} holds vectors, not texts. "
            "Leave text out, or pass the texts, with these as their vectors."
        )
    stored = ClusterVectors(ranges, dimension, dtype)
    scaled = options.normalize and dimension > 0
    lengths = np.concatenate(
        crew.ask_all("measure", own, dimension, dtype.str, file_dtype, chosen, keep=True)
    )
    unusable = crew.ask_all("settle", scaled, float(lengths.max(initial=0.0)), keep=True)
    rows.drop(_joined(unusable, ranges), VectorError, "vector")
    points = Points.of(stored, lengths, rows.eligible, normalize=scaled)  # type: ignore[arg-type]
    return PreparedData(
        samples=samples,
        points=_on_cluster(points, ranges),
        dropped=rows.dropped,
        embeddings=embeddings,
        text=None if texts is None else texts.source.description,
        seconds=seconds,
        path=samples.path,
        options=options,
        pool_texts=texts,
        known=known,
    )


def _new_crew(transport: Transport, names: list[str]) -> Crew:
    crew = Crew(transport, names)
    cache = os.environ.get(CACHE_VARIABLE)
    crew.ask_all("hello", versions(), str(Path.cwd()), cache, keep=True)
    return crew


def _on_cluster(points: Points, ranges: Ranges) -> ClusterPoints:
    return ClusterPoints(
        points.stored, points.factors, points.eligible, points.longest, points.room, ranges=ranges
    )


def _check_alike(opened: list[Opened], origin: str) -> None:
    """Raise VectorError unless all parts hold records, or all vectors of one dimension."""
    if len({one.holds_vectors for one in opened}) > 1:
        raise VectorError(
            f"some of {origin} hold vectors, and others records. Select files of one kind with a "
            "pattern such as 'folder/vectors-*.parquet'."
        )
    dimensions = sorted({one.dimension for one in opened if one.dimension})
    if len(dimensions) > 1:
        raise VectorError(
            f"the vectors of {origin} have different lengths, such as {dimensions[0]} and "
            f"{dimensions[1]}. All files must agree."
        )


def _types(opened: list[Opened]) -> tuple[np.dtype[Any], str | None]:
    """Return the types of all vectors together: to compute with, and to write."""
    types = [np.dtype(one.dtype) for one in opened if one.dtype is not None]
    files = {one.file_dtype for one in opened if one.file_dtype is not None}
    dtype = np.result_type(*types) if types else np.dtype(np.float32)
    return dtype, files.pop() if len(files) == 1 else (dtype.str if files else None)


def _read_texts(
    samples: ClusterSamples, ranges: Ranges, rows: DroppedRows, options: InputOptions
) -> PoolTexts:
    """Let workers read the texts, which stay there."""
    source = open_texts(samples, options.text, options.roles)
    text = source.function if source.function is not None else (source.names or None)
    for name in source.names:
        if name not in samples.columns:
            samples.read_columns([name])  # raises that there is no such column
    found = ranges.crew.ask_all("read_texts", replace(options, text=text), keep=True)
    invalid = _joined([one for one, _ in found], ranges)
    rows.drop(invalid, TextError, "text")
    lengths = np.concatenate([own for _, own in found])
    return PoolTexts(source, None, np.empty((0, 2), np.uint64), lengths, invalid)


def _joined(found: list[dict[int, str]], ranges: Ranges) -> dict[int, str]:
    """Return what workers say of their rows, under the row numbers of the data."""
    return {
        int(first) + row: reason
        for first, own in zip(ranges.bounds, found, strict=False)
        for row, reason in own.items()
    }


def _embed(crew: Crew, chosen: int | None, *, cached: bool) -> list[Embedded]:
    """Let workers embed their texts.

    The last bits of a vector may depend on the other texts of its batch, and two workers may embed
    equal texts. So all take their vectors from the cache afterwards, where the oldest counts.
    """
    made: list[Embedded] = crew.ask_all("embed", chosen, keep=True)
    if cached and any(one.computed for one in made) and made[0].fingerprint is not None:
        crew.ask_all("embed", chosen, keep=True)
    return made


def _embeddings(made: list[Embedded], stored: ClusterVectors, seconds: float) -> Embeddings:
    return Embeddings(
        vectors=stored,
        encoder=made[0].encoder,
        fingerprint=made[0].fingerprint,
        weights_hash=made[0].weights_hash,
        truncated=sum(one.truncated for one in made),
        reused=sum(one.reused for one in made),
        computed=sum(one.computed for one in made),
        seconds=seconds,
    )
