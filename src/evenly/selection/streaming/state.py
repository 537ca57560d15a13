"""A stream on disk: the candidates, their records, and what they came from."""

from __future__ import annotations

import json
import zipfile
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import CheckpointError, OutputError
from evenly.geometry import Points, row_lengths

if TYPE_CHECKING:
    from evenly.selection.stream import UniformStream
    from evenly.selection.streaming.cover import StreamingCover

__all__ = ["load_state", "save_state"]


_FORMAT = "evenly stream"


_VERSION = 1


def save_state(
    path: str | PathLike[str],
    document: dict[str, Any],
    candidates: StreamingCover,
    records: dict[int, Any],
    *,
    force: bool,
) -> None:
    """Write a stream; see `UniformStream.save`."""
    told = {"format": _FORMAT, "version": _VERSION, **document}
    told["records"] = [
        (row, record.tolist() if isinstance(record, np.ndarray) else record)
        for row, record in records.items()
    ]
    try:
        content = json.dumps(told).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(
            f"a stream is saved with the records it keeps, as JSON, and one is none: {error}."
        ) from error
    arrays: dict[str, Any] = {
        "document": np.frombuffer(content, np.uint8),
        "numbers": candidates.numbers,
        "reach": candidates.reach,
        "threshold": np.array(candidates.threshold),
    }
    if len(candidates):
        arrays["vectors"] = candidates.points.stored
    with atomic_write(path, force=force) as stream:
        np.savez(stream, **arrays)


def load_state(
    kind: type[UniformStream], path: str | PathLike[str], *, text: Any, encoder: Any, **others: Any
) -> UniformStream:
    """Read a stream; see `UniformStream.load`."""
    name = fspath(path)
    arrays = _arrays(name)
    try:
        told = json.loads(arrays["document"].tobytes())
        if told["format"] != _FORMAT:
            raise ValueError(f'it lacks "format": "{_FORMAT}"')
        if told["version"] != _VERSION:
            raise ValueError(f"it has version {told['version']}, this release reads {_VERSION}")
        options = dict(told["settings"])
        for option, value in (("text", text), ("encoder", encoder)):
            if value is not None:
                options[option] = value
            elif str(options[option]).startswith("<") and told["made_by"] is not None:
                raise ValueError(
                    f"{option} was a Python object ({options[option]}) then; pass it again: "
                    f"{option}=…"
                )
        stream = kind(**options, **others)
        _restore(stream, told, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(f"{name} cannot be gone on with: {error}.") from None
    return stream


def _arrays(name: str) -> dict[str, Any]:
    if not Path(name).exists():
        raise CheckpointError(f"{name} does not exist.")
    try:
        with Path(name).open("rb") as file, np.load(file, allow_pickle=False) as opened:
            return {part: opened[part] for part in opened.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{name} is not a saved stream: {error}.") from None


def _restore(stream: UniformStream, told: dict[str, Any], arrays: dict[str, Any]) -> None:
    numbers, reach = arrays["numbers"], arrays["reach"]
    stream.seen, stream.dropped = int(told["seen"]), int(told["dropped"])
    stream._made_by, stream._text = told["made_by"], told["text"]
    stream._equal = [int(row) for row in told["equal"]]
    if not len(numbers) == len(reach) <= stream.keep * stream.budget:
        raise ValueError("its arrays are of different lengths")
    if not len(numbers):
        return
    vectors = arrays["vectors"]
    records = {int(row): record for row, record in told["records"]}
    wanted = set(stream._equal)
    if stream._made_by is None:
        records = {row: np.array(record, vectors.dtype) for row, record in records.items()}
    else:
        wanted.update(numbers.tolist())
    if len(vectors) != len(numbers) or set(records) != wanted:
        raise ValueError("its arrays and records are of different rows")
    stream._records = records
    points = Points.of(
        vectors,
        row_lengths(vectors),
        np.ones(len(vectors), bool),
        normalize=stream._options["normalize"],
    )
    stream._candidates.restore(points, numbers, reach, float(arrays["threshold"]))
