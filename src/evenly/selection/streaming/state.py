"""The state of a stream: its candidates, their records and what they came from, saved as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import CheckpointError, OutputError
from evenly.geometry import Points, RunningMean, row_lengths
from evenly.options import InputOptions, NotKept, StreamOptions
from evenly.options.values import decode, encode
from evenly.samples import Samples
from evenly.selection.results.codec import Codec
from evenly.selection.results.provenance import SPACE, EncoderRecord
from evenly.selection.streaming.cover import StreamingCover
from evenly.shapes import Int

# The kinds of numbers in the arrays, as NumPy names them.
_KINDS = {"numbers": "i", "reach": "f", "vectors": "f", "sums": "f"}
_CODEC = Codec("evenly stream", 3, "a saved stream", CheckpointError)


@dataclass(eq=False)
class StreamState:
    """Everything that a stream has kept of its rows.

    Attributes:
        cover: the candidates.
        seen: the number of rows that have arrived.
        dropped: the number of rows that could not be used.
        equal: rows that equal a candidate, while all of these are kept.
        records: row number -> record of the candidates and of `equal`.
        encoder: what made the vectors; None if the rows are vectors.
        text: what was embedded of each record.
        beside: whether the rows are records with vectors beside them.
        last_arrival: the hash of the rows that the command line took in last.
    """

    cover: StreamingCover
    seen: int = 0
    dropped: int = 0
    equal: list[int] = field(default_factory=list)
    records: dict[int, Any] = field(default_factory=dict)
    encoder: EncoderRecord | None = None
    text: str | None = None
    beside: bool = False
    last_arrival: str | None = None

    @property
    def of_records(self) -> bool:
        """Whether the rows are records or texts; else they are vectors."""
        return self.beside or self.encoder is not None

    def wanted(self) -> set[int]:
        """Return the rows whose records are kept; the candidates hold vectors themselves."""
        rows = set(self.equal)
        if self.of_records:
            rows.update(self.cover.numbers.tolist())
        return rows

    def keep_records(self, samples: Samples, first: int) -> None:
        """Keep the records of the candidates only; row `first` is the first of the new samples."""
        wanted = self.wanted()
        self.records = {row: record for row, record in self.records.items() if row in wanted}
        new = sorted(wanted - set(self.records))
        found = samples.records([row - first for row in new])
        self.records.update(zip(new, found, strict=True))

    def records_of(self, indices: Int[np.ndarray, " k"]) -> Any:
        """Return the records of some rows: a list, or an array if the rows are vectors."""
        rows = indices.tolist()
        if self.of_records:
            return [self.records[row] for row in rows]
        stored, numbers = self.cover.points.stored, self.cover.numbers
        positions = dict(zip(numbers.tolist(), range(len(numbers)), strict=True))
        return np.array(
            [stored[positions[row]] if row in positions else self.records[row] for row in rows]
        )


def save_state(
    path: str | PathLike[str], settings: Mapping[str, Any], state: StreamState, *, force: bool
) -> None:
    """Write a stream to a file; see `UniformStream.save`."""
    cover = state.cover
    document = {
        "settings": encode(dict(settings)),
        "seen": state.seen,
        "dropped": state.dropped,
        "equal": state.equal,
        "encoder": None if state.encoder is None else asdict(state.encoder),
        "text": state.text,
        "beside": state.beside,
        "last_arrival": state.last_arrival,
        "threshold": cover.threshold,
        "records": [
            (row, record.tolist() if isinstance(record, np.ndarray) else record)
            for row, record in state.records.items()
        ],
    }
    arrays: dict[str, Any] = {"numbers": cover.numbers, "reach": cover.reach}
    if cover.mean is not None:
        mean = cover.mean
        arrays["vectors"] = cover.points.stored
        arrays["sums"] = np.array([mean.origin, mean.finished, mean.current])
        document["mean"] = {"block": mean.block, "count": mean.count}
    try:
        json.dumps(document["records"])
        content = _CODEC.to_archive(document, arrays)
    except (TypeError, ValueError, RecursionError) as error:
        raise OutputError(
            "a stream is saved with its records as JSON, and one of them cannot be written as "
            f"JSON: {error}."
        ) from error
    with atomic_write(path, force=force) as stream:
        stream.write(content)


def load_state(path: str | PathLike[str]) -> tuple[dict[str, Any], StreamState]:
    """Read the settings and the state of a stream; see `UniformStream.load`."""
    document, arrays = _CODEC.read_archive(path)
    with _CODEC.reading(fspath(path)):
        settings = decode(document["settings"])
        _check_settings(settings)
        for name, kind in _KINDS.items():
            if name in arrays and arrays[name].dtype.kind != kind:
                raise ValueError(f"its {name} are of type {arrays[name].dtype}")
        return settings, _restored(settings, document, arrays)


def _check_settings(settings: Mapping[str, Any]) -> None:
    """Raise KeyError, TypeError or EvenlyError unless all options are there, with right values."""
    own = {name: settings[name] for name in SPACE}
    dict(own["encoder_options"])
    kept = {name: None if isinstance(one, NotKept) else one for name, one in own.items()}
    InputOptions.of({**kept, "encoder": kept["encoder"] or "static"})
    StreamOptions.of(settings)


def _restored(
    settings: Mapping[str, Any], document: Mapping[str, Any], arrays: Mapping[str, Any]
) -> StreamState:
    budget, keep = _count(settings["budget"]), _count(settings["keep"])
    _count(budget * keep)
    encoder = document["encoder"]
    state = StreamState(
        StreamingCover(budget, keep * budget),
        seen=_count(document["seen"]),
        dropped=_count(document["dropped"]),
        equal=[_count(row) for row in document["equal"]],
        encoder=None if encoder is None else EncoderRecord(**encoder),
        text=document["text"],
        beside=bool(document["beside"]),
        last_arrival=document["last_arrival"],
    )
    numbers, reach = arrays["numbers"], arrays["reach"]
    if not len(numbers) == len(reach) <= keep * budget:
        raise ValueError("its arrays have different lengths")
    if not len(numbers):
        return state
    vectors = arrays["vectors"]
    records = {int(row): record for row, record in document["records"]}
    if not state.of_records:
        records = {row: np.array(record, vectors.dtype) for row, record in records.items()}
    everyone = np.ones(len(vectors), bool)
    points = Points.of(
        vectors, row_lengths(vectors), everyone, normalize=bool(settings["normalize"])
    )
    if arrays["sums"].shape != (3, points.dimension):
        raise ValueError("its arrays have different dimensions")
    block, count = _count(document["mean"]["block"]), _count(document["mean"]["count"])
    mean = RunningMean(arrays["sums"][0], block=block, count=count)
    mean.finished, mean.current = arrays["sums"][1:]
    state.cover.restore(points, numbers, reach, float(document["threshold"]), mean)
    state.records = records
    if len(vectors) != len(numbers) or set(records) != state.wanted():
        raise ValueError("its arrays and records belong to different rows")
    return state


def _count(value: Any) -> int:
    """Return a number of rows, or raise ValueError."""
    if not 0 <= int(value) < 1 << 62:
        raise ValueError(f"{value} is not a number of rows")
    return int(value)
