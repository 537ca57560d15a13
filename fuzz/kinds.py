"""The kinds of files that evenly reads: a small right one of each, and a reading of all of it."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from evenly import Deduplication, Selection, UniformStream, deduplicate, select_uniform
from evenly.cli.arguments import data_or_rows
from evenly.embedding import KeptDensities
from evenly.embedding.shard import CorruptShardError, read_index, read_rows, write_shard
from evenly.errors import EvenlyError
from evenly.samples import open_samples
from evenly.selection.greedy.checkpoint import read_checkpoint
from evenly.selection.results.codec import _checksum
from evenly.selection.results.row_files import rows_in_file
from fuzz.mutations import damaged, damaged_json

_RECORDS = [
    {"text": "one", "id": 1, "more": ["é", None], "at": 1.5},
    {"text": 'tw"o\n', "id": 2, "more": [], "at": None},
    {"text": "three 𝄞", "id": 3, "more": ["x"], "at": -2.0},
]
_FLAT = [{"text": record["text"], "id": str(record["id"])} for record in _RECORDS]
_VECTORS = np.arange(24, dtype=np.float32).reshape(6, 4) ** 1.5

Damage = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: the name of the file.
        make: returns the content of a right one.
        read: reads a file, and uses what it holds; returns what must not change unnoticed.
        damage: returns a damaged file.
        verified: whether the format has a checksum, so that a damaged file is refused or holds
            the same.
        refusals: the errors that refuse a file.
    """

    name: str
    make: Callable[[], bytes]
    read: Callable[[Path], Any]
    damage: Damage = damaged
    verified: bool = False
    refusals: tuple[type[Exception], ...] = (EvenlyError,)


def outcome(kind: Kind, content: bytes, folder: Path) -> str | Exception:
    """Read a damaged file; return "read", "refused", or the fault: any other exception."""
    path = folder / kind.name
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = kind.read(path)
            if kind.verified and found != right_answer(kind):
                raise AssertionError("a damaged file was read as if it were right")
        except kind.refusals:
            return "refused"
        except Exception as error:
            return error
    return "read"


@cache
def right_file(kind: Kind) -> bytes:
    """Return the content of the right file of a kind."""
    return kind.make()


@cache
def right_answer(kind: Kind) -> Any:
    """Return what the right file of a kind holds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / kind.name
        path.write_bytes(right_file(kind))
        return kind.read(path)


def _read_samples(path: Path) -> Any:
    samples = open_samples(path)
    records = list(samples.records())
    assert len(records) == len(samples)
    samples.read_columns(samples.columns)
    samples.content_hash()
    rows = range(len(samples) - 1, -1, -2)
    suffix = "npy" if samples.holds_vectors else "jsonl"
    samples.write(path.with_name(f"written.{suffix}"), rows, force=True)
    with contextlib.suppress(EvenlyError):  # some formats cannot hold all records
        samples.write(path.with_name("written.parquet"), rows, force=True)
    if samples.holds_vectors:
        assert len(samples.vectors) == len(samples)
        select_uniform(samples, 1)
    return json.dumps([_plain(record) for record in records], default=str)


def _plain(record: Any) -> Any:
    return record.tolist() if isinstance(record, np.ndarray) else record


def _samples(name: str, data: Any, *, verified: bool = False) -> Kind:
    def make() -> bytes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            open_samples(data).write(path, range(len(data)))
            return path.read_bytes()

    return Kind(name, make, _read_samples, verified=verified)


def _lines() -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in _RECORDS)


def _npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _parquet_of_vectors() -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pa.table({"id": range(6), "vector": _VECTORS.tolist()}), stream)
    return stream.getvalue()


def _bfloat16() -> bytes:
    header = b'{"embeddings":{"dtype":"BF16","shape":[6,4],"data_offsets":[0,48]}}'
    return len(header).to_bytes(8, "little") + header + _VECTORS.astype("<f4").tobytes()[::2]


def _selection() -> Selection:
    return select_uniform(_VECTORS, 3, exclude=[5], quotas={"a": 2, "b": 1}, groups=list("aababb"))


def _saved(result: Any) -> bytes:
    stream = io.BytesIO()
    result.save(stream)
    return stream.getvalue()


def _read_selection(path: Path) -> Any:
    return _used(Selection.load(path))


def _read_deduplication(path: Path) -> Any:
    return _used(Deduplication.load(path))


def _used(result: Any) -> Any:
    repr(result)
    for use in (
        lambda: result.prefix(1),
        lambda: result.take(_VECTORS),
        lambda: result.extend(4, data=_VECTORS, groups=list("aababb")),
        lambda: result.write(io.BytesIO()),
    ):
        with contextlib.suppress(EvenlyError, AttributeError if _has_none(result) else EvenlyError):
            use()
    return result.as_dict()


def _has_none(result: Any) -> bool:
    return isinstance(result, Deduplication)  # it has neither prefixes nor extensions


def _stream() -> bytes:
    with TemporaryDirectory() as folder:
        stream = UniformStream(2)
        stream.update(_VECTORS)
        stream.save(Path(folder) / "s")
        return (Path(folder) / "s").read_bytes()


def _read_stream(path: Path) -> Any:
    stream = UniformStream.load(path)
    stream.update(_VECTORS[::-1])
    found = stream.result()
    return found.indices.tolist(), found.radii.tolist()


def _checkpoint() -> bytes:
    with TemporaryDirectory() as folder:
        select_uniform(_VECTORS, 3, checkpoint=Path(folder) / "c")
        return (Path(folder) / "c").read_bytes()


def _read_checkpoint(path: Path) -> Any:
    saved = read_checkpoint(path)
    assert saved is not None
    select_uniform(_VECTORS, 4, checkpoint=path)
    return saved.key, saved.picks.rows.tolist(), saved.picks.radii.tolist(), saved.coverage_radius


def _sealed(content: bytes, random: Random) -> bytes:
    """Return a saved file with damaged values and a checksum that is right again."""
    line, newline, rest = content.partition(b"\n{" if content.startswith(b"{\n") else b"\n")
    whole, rest = (content, b"") if content.startswith(b"{\n") else (line, rest)
    document = json.loads(whole)
    title = {name: document.pop(name) for name in ("format", "version")}
    del document["checksum"]
    document = damaged_json(document, random)
    if not isinstance(document, dict):
        document = {"value": document}
    document = {**title, **document}
    document = {"checksum": _checksum(document, [rest]), **document}
    return json.dumps(document).encode() + newline + rest


def _shard() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "shard"
        keys = [bytes([row]) * 32 for row in range(6)]
        write_shard(path, "encoder", keys, _VECTORS, np.zeros(6, bool))
        return path.read_bytes()


def _read_shard(path: Path) -> Any:
    index = read_index(path)
    blocks = read_rows(path, lambda index: np.arange(len(index.checksums)))
    vectors = [vector for _, _, block in blocks for vector in block.tolist()]
    return index.name, index.keys.tolist(), index.truncated.tolist(), vectors


def _densities() -> bytes:
    with TemporaryDirectory() as folder:
        kept = KeptDensities(Path(folder))
        kept.put("densities", np.arange(1.0, 7.0))
        return kept.files()[0].read_bytes()


def _read_densities(path: Path) -> Any:
    found = KeptDensities(path.parent).find(path.stem, 6)
    if found is None:
        raise CorruptShardError("its densities are not used")
    return found.tolist()


def _read_rows(path: Path) -> Any:
    for read in (str, _rows, _ids, _away):
        with contextlib.suppress(EvenlyError):
            rows = read(str(path))
            select_uniform(_VECTORS, 1, exclude=rows)
    return None


def _rows(path: str) -> Any:
    return rows_in_file(path, by_id=False)


def _ids(path: str) -> Any:
    return rows_in_file(path, by_id=True)


def _away(path: str) -> Any:
    return data_or_rows(path, by_id=False)


def _compressed(name: str, compress: Callable[[bytes], bytes], *, verified: bool = True) -> Kind:
    return Kind(name, lambda: compress(_lines()), _read_samples, verified=verified)


KINDS = {
    kind.name: kind
    for kind in (
        Kind("a.jsonl", _lines, _read_samples),
        _samples("a.json", _RECORDS),
        Kind("key.json", lambda: json.dumps({"n": 3, "data": _RECORDS}).encode(), _read_samples),
        _samples("a.csv", _FLAT),
        _samples("a.tsv", _FLAT),
        Kind("a.txt", lambda: b"one\ntwo\r\n\n\xc3\xa9\n", _read_samples),
        _compressed("a.jsonl.gz", gzip.compress),
        _compressed("a.jsonl.bz2", bz2.compress),
        _compressed("a.jsonl.xz", lzma.compress),
        _samples("a.jsonl.zst", _RECORDS),
        _samples("a.parquet", _RECORDS),
        Kind("vectors.parquet", _parquet_of_vectors, _read_samples),
        Kind("a.npy", lambda: _npy(_VECTORS), _read_samples),
        Kind("by column.npy", lambda: _npy(np.asfortranarray(_VECTORS)), _read_samples),
        Kind("integers.npy", lambda: _npy(_VECTORS.astype(np.int64)), _read_samples),
        _samples("a.safetensors", _VECTORS),
        Kind("bfloat16.safetensors", _bfloat16, _read_samples),
        Kind("selection.json", lambda: _saved(_selection()), _read_selection, verified=True),
        Kind("sealed selection.json", lambda: _saved(_selection()), _read_selection, _sealed),
        Kind(
            "sealed deduplication.json",
            lambda: _saved(deduplicate(_VECTORS, min_distance=0.1)),
            _read_deduplication,
            _sealed,
        ),
        Kind("stream", _stream, _read_stream, verified=True),
        Kind("sealed stream", _stream, _read_stream, _sealed),
        Kind("checkpoint", _checkpoint, _read_checkpoint, verified=True),
        Kind("sealed checkpoint", _checkpoint, _read_checkpoint, _sealed),
        Kind("shard", _shard, _read_shard, verified=True, refusals=(CorruptShardError, OSError)),
        Kind(
            "densities.bin",
            _densities,
            _read_densities,
            verified=True,
            refusals=(CorruptShardError,),
        ),
        Kind("rows.txt", lambda: b"1\n2\n\n4\n", _read_rows),
        Kind("wide rows.txt", lambda: "1\n2\n4\n".encode("utf-16"), _read_rows),
        Kind("rows.npy", lambda: _npy(np.array([1, 2, 4])), _read_rows),
    )
}
