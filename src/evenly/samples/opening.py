"""`open_samples`: opens data of any supported kind."""

from __future__ import annotations

import difflib
import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np

from evenly.errors import DataError, OptionError
from evenly.paths import expand, has_magic, is_remote, is_url, local_name, names_of
from evenly.samples.arrow import open_table
from evenly.samples.base import Samples
from evenly.samples.binary import open_npy, open_safetensors
from evenly.samples.blocks import BLOCK_SIZES, BlockSizes
from evenly.samples.delimited import Delimited
from evenly.samples.formats import (
    FILE_FORMATS,
    STREAM_FORMATS,
    check_format,
    input_format,
    split_suffix,
)
from evenly.samples.frames import open_pandas, open_polars
from evenly.samples.hub import open_dataset
from evenly.samples.json_array import open_json
from evenly.samples.lines import JsonLines, TextLines
from evenly.samples.lists import ListSamples, check_elements
from evenly.samples.parquet_records import open_parquet_records
from evenly.samples.parquet_vectors import open_parquet_rows
from evenly.samples.shards import join_shards
from evenly.samples.source import Source, is_pipe, open_file, read_stream
from evenly.samples.urls import copy_all, files_at
from evenly.samples.vector_files import BinaryVectorFiles, ParquetVectorFiles
from evenly.samples.vectors import VectorSamples, open_tensor, stack_rows
from evenly.tables import count

_ALLOWED = (
    "a list of strings, of dicts or of vectors; a datasets.Dataset; a pandas or Polars "
    "DataFrame; a pyarrow Table; a path; a NumPy array or a torch tensor of shape (n, d); "
    "or a binary stream"
)

# Longer names are texts.
_LONGEST_NAME = 200


def open_samples(
    data: Any, *, format: str | None = None, blocks: BlockSizes = BLOCK_SIZES
) -> Samples:
    """Open data of any supported kind.

    Args:
        data: a list of strings, dicts or vectors; a `datasets.Dataset`; a pandas or Polars
            frame, or a series of strings; a pyarrow Table; a path, glob pattern or folder of
            .jsonl, .json, .csv, .tsv, .txt (each also with .gz, .bz2, .xz, .zst), .parquet,
            .npy or .safetensors files of one format, in the order of their names; an array,
            memory map or tensor (n, d); a binary stream such as sys.stdin.buffer. Samples are
            returned unchanged. Vectors in files stay there (`Samples.stored`); parquet holds
            vectors if one column has lists of floats and no other column can be a text.
        format: format of a path, regardless of its suffix; format of a stream: "jsonl" (the
            default), "json", "csv", "tsv" or "txt".
        blocks: block sizes for reading and writing files of vectors.

    Raises:
        DataError: there are no data, the format is unknown, or shards differ in format.
        RecordError: the file is malformed; the message names the line. A malformed line of
            JSON Lines raises when columns or records are first read.
        VectorError: vectors have an invalid shape or type, or different dimensions.
        MissingExtraError: the data are parquet, and pyarrow is not installed.
        OptionError: `format` is invalid.
    """
    if isinstance(data, Samples):
        return data
    if isinstance(data, (str, os.PathLike)):
        path = expand(data)
        samples = _open_path(path, format, blocks)
        samples.path = path
        return samples
    if hasattr(data, "read"):
        source = read_stream(data)
        return _open_source(source, check_format(format or "jsonl", STREAM_FORMATS))
    if format is not None:
        raise OptionError(
            f"format={format!r} applies to paths and streams only, but the data are in memory. "
            "Leave it out."
        )
    return _open_memory(data)


def _open_path(path: str, format: str | None, blocks: BlockSizes) -> Samples:
    files, origin = files_of(path)
    copy_all(files)
    if files == [path]:
        return _open_one(path, format, blocks)
    return _open_shards(files, format, origin, blocks)


def files_of(path: str) -> tuple[list[str], str]:
    """Return the files of a path, folder or pattern, and words for all of them.

    Raises:
        DataError: there are none, or there is no such file.
    """
    names = [expand(name) for name in names_of(path)]
    files = [file for name in names for file in _files_of(name)]
    if files == [path]:
        return files, path
    is_pattern = has_magic(path) if is_remote(path) else not os.path.isdir(local_name(path))  # noqa: PTH112
    found = "matching" if is_pattern else "in"
    which = f"files {found} {path}" if len(names) == 1 else f"files from {names[0]} to {names[-1]}"
    return files, files[0] if len(files) == 1 else f"{len(files)} {which}"


def _files_of(name: str) -> list[str]:
    """Return the files of a folder or a pattern; any other name is that of a file."""
    if is_url(name):
        return _files_at(name)
    # The functions of os.path, unlike those of Path, take names of any length.
    if os.path.isdir(name):  # noqa: PTH112
        return _files_in(name)
    if os.path.exists(name):  # noqa: PTH110
        return [name]
    if not glob.has_magic(name):
        raise _missing_file(name)
    found = [file for file in glob.glob(name, recursive=True) if Path(file).is_file()]  # noqa: PTH207
    if not found:
        raise DataError(f"no file matches {name}. Pass a file, a folder or another pattern.")
    return sorted(found)


def _files_at(url: str) -> list[str]:
    if not is_remote(url):
        protocol, path = url.partition("://")[0], local_name(url)
        return [f"{protocol}://{file}" for file in _files_of(path)]
    found = files_at(url)
    if found == [url] or has_magic(url):
        return found
    return _known_files(url, {file.partition("::")[0].rpartition("/")[2]: file for file in found})


def _files_in(folder: str) -> list[str]:
    names = sorted(entry.name for entry in Path(folder).iterdir() if entry.is_file())
    return _known_files(folder, {name: os.path.join(folder, name) for name in names})  # noqa: PTH118


def _known_files(folder: str, names: Mapping[str, str]) -> list[str]:
    """Return the files of a folder, given by their names, that hold data."""
    if "dataset_dict.json" in names:
        raise DataError(
            f"{folder} is a DatasetDict saved with save_to_disk. Pass one of its splits: "
            "datasets.load_from_disk(folder)['train']."
        )
    if {"state.json", "dataset_info.json"} <= set(names):
        raise DataError(
            f"{folder} is a Dataset saved with save_to_disk. "
            "Pass datasets.load_from_disk(folder) instead."
        )
    formats = {name: split_suffix(name)[0] for name in names if not name.startswith(".")}
    known = [name for name, found in formats.items() if found]
    if not known:
        # A folder in an archive: zip://data::s3://bucket/all.zip
        first, *archive = folder.split("::", 1) if is_url(folder) else [folder]
        pattern = "::".join([f"{first}/**/*.jsonl", *archive])
        raise DataError(
            f"{folder} holds no file of a known format ({', '.join(FILE_FORMATS)}). Pass a file or "
            f"a pattern; for the files of folders in it, such as '{pattern}'."
        )
    # A README.txt beside records is not one of them.
    known = [name for name in known if formats[name] != "txt"] or known
    return [names[name] for name in known]


def _open_shards(
    paths: Sequence[str], format: str | None, origin: str, blocks: BlockSizes
) -> Samples:
    first_of: dict[str, str] = {}
    for path in paths:
        first_of.setdefault(input_format(path, format)[0], path)
    if len(first_of) > 1:
        examples = ", ".join(f"{path} is {kind}" for kind, path in first_of.items())
        raise DataError(
            f"{origin} have different formats: {examples}. "
            "Select those of one format with a pattern such as 'folder/*.jsonl'."
        )
    if "parquet" in first_of and all(open_parquet_rows(path, blocks) is None for path in paths):
        return open_parquet_records(paths, origin, blocks)
    parts = [_open_one(path, format, blocks) for path in paths]
    return parts[0] if len(parts) == 1 else join_shards(parts, origin)


def _open_one(path: str, format: str | None, blocks: BlockSizes) -> Samples:
    if split_suffix(path)[0] is None and is_pipe(path):
        format = format or "jsonl"  # as for standard input
    kind, compression = input_format(path, format)
    if kind == "parquet":
        parquet = open_parquet_rows(path, blocks)
        if parquet is None:
            return open_parquet_records([path], path, blocks)
        return ParquetVectorFiles([parquet], origin=path, blocks=blocks)
    if kind in ("npy", "safetensors"):
        rows = open_npy(path, blocks) if kind == "npy" else open_safetensors(path, blocks)
        return BinaryVectorFiles([rows], origin=path, format=kind, blocks=blocks)
    return _open_source(open_file(path, compression=compression), kind)


def _open_source(source: Source, format: str) -> Samples:
    if format in ("jsonl", "txt"):
        return JsonLines(source) if format == "jsonl" else TextLines(source)
    return open_json(source) if format == "json" else Delimited(source, format)


def _missing_file(path: str) -> DataError:
    if len(path) > _LONGEST_NAME:
        return DataError(f"there is no file {path[:_LONGEST_NAME]!r}…. Pass texts in a list.")
    folder = Path(path).parent
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    close = difflib.get_close_matches(Path(path).name, names, n=1)
    hint = f" Did you mean {folder / close[0]}?" if close else ""
    return DataError(f"there is no file {path}.{hint}")


def _open_memory(data: Any) -> Samples:
    for name, (types, opener) in _OPENERS.items():
        if is_of(data, name, types):
            return opener(data)
    if isinstance(data, np.ndarray) and data.ndim == 1 and data.dtype.kind in "UTO":
        return _open_items(data.tolist(), "array", partial(getitem, data))
    if is_of(data, "pyarrow", {"Array", "ChunkedArray"}):
        return _open_items(data.to_pylist(), "array", partial(pick_of_arrow, data))
    if isinstance(data, np.ndarray):
        return VectorSamples(data, origin=f"an array of shape {data.shape}")
    if isinstance(data, (Mapping, set, frozenset, bytes, bytearray)) or not (
        isinstance(data, Iterable) and hasattr(data, "__len__")
    ):
        hint = ""
        if hasattr(data, "__next__"):
            hint = " A generator has no length: pass list(...), or pass it to select_stream."
        raise DataError(f"cannot read data from a {type(data).__name__}.{hint} Pass {_ALLOWED}.")
    return _open_list(data)


def _open_list(data: Any) -> Samples:
    items: Sequence[Any] = data if isinstance(data, (list, tuple)) else list(data)
    kind = "tuple" if isinstance(data, tuple) else "list"
    return _open_items(items, kind, partial(pick_items, items))


def _open_items(items: Sequence[Any], kind: str, pick: Callable[[Any], Any]) -> Samples:
    name = f"an {kind}" if kind == "array" else f"a {kind}"
    format = "list" if kind == "tuple" else kind
    first = items[0] if len(items) else None
    if isinstance(first, (list, tuple, np.ndarray)) or is_of(first, "torch", {"Tensor"}):
        origin = f"{name} of {count(len(items), 'vector')}"
        return VectorSamples(stack_rows(items), origin=origin, format=format, pick=pick)
    check_elements(items)
    noun = "record" if isinstance(first, Mapping) else "string"
    origin = f"{name} of {count(len(items), noun)}"
    return ListSamples(items, origin=origin, format=format, pick=pick)


def pick_of_arrow(data: Any, rows: Any) -> Any:
    """Return rows of an Arrow table or array."""
    import pyarrow as pa

    return data.take(pa.array(rows))


def pick_items(items: Sequence[Any], rows: Any) -> Any:
    """Return items of a sequence: a tuple of a tuple, else a list."""
    picked = [items[row] for row in rows.tolist()]
    return tuple(picked) if isinstance(items, tuple) else picked


def is_of(data: Any, package: str, types: set[str]) -> bool:
    """Return whether `data` has one of the types of a package, without importing it."""
    return any(
        base.__module__.partition(".")[0] == package and base.__name__ in types
        for base in type(data).__mro__
    )


_OPENERS: dict[str, tuple[set[str], Callable[[Any], Samples]]] = {
    "torch": ({"Tensor"}, open_tensor),
    "pandas": ({"DataFrame", "Series"}, open_pandas),
    "polars": ({"DataFrame", "Series", "LazyFrame"}, open_polars),
    "pyarrow": ({"Table", "RecordBatch"}, open_table),
    "datasets": (
        {"Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict"},
        open_dataset,
    ),
}
