"""Where bytes come from: compressed files, pipes, devices, and files that shrink."""

import bz2
import gzip
import logging
import lzma
import os
import threading

import numpy as np
import pytest

from evenly.errors import DataError, MissingExtraError
from evenly.samples import open_samples, read_batches
from evenly.samples.source import FileContent, FileStamp, guarded

LINES = b'{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n'


def zstd(content):
    pyarrow = pytest.importorskip("pyarrow")
    target = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(target, "zstd") as stream:
        stream.write(content)
    return target.getvalue().to_pybytes()


COMPRESSORS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_compressed_file_is_read_and_written(tmp_path, suffix):
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(COMPRESSORS[suffix](LINES))
    samples = open_samples(path)
    assert samples.column("text") == ["a", "b", "c"]

    for name in ("b", "c"):
        samples.write(tmp_path / f"{name}.jsonl{suffix}", [2, 0])
    written = (tmp_path / f"b.jsonl{suffix}").read_bytes()
    assert open_samples(tmp_path / f"b.jsonl{suffix}").column("text") == ["c", "a"]
    assert written == (tmp_path / f"c.jsonl{suffix}").read_bytes()
    assert not written.startswith(b"{")


@pytest.mark.parametrize("suffix", COMPRESSORS)
@pytest.mark.parametrize("damage", [lambda packed: packed[:-5], lambda packed: b"plain text"])
def test_a_damaged_compressed_file_is_an_error(tmp_path, suffix, damage):
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(damage(COMPRESSORS[suffix](LINES * 100)))
    with pytest.raises(DataError, match=rf"a\.csv\{suffix} is not a complete \w+ file: "):
        open_samples(path)


def test_the_error_of_zstd_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstd(LINES))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'evenly\[zstd\]'"):
        open_samples(path)


def test_what_does_not_fit_in_memory_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("evenly.samples.source.free_memory", lambda: 3e6)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(DataError, match=r"a\.jsonl\.gz does not fit in memory: 2,097,152 bytes"):
        open_samples(path)


class Endless:
    def read(self, size=-1):
        return b"x" * size

    def readline(self, size=-1):
        return b"x" * size


def test_an_endless_stream_is_an_error(monkeypatch):
    monkeypatch.setattr("evenly.samples.source.free_memory", lambda: 3e7)
    with pytest.raises(DataError, match="the stream does not fit in memory"):
        open_samples(Endless())
    monkeypatch.setattr("evenly.samples.batches._LONGEST_LINE", 1000)
    with pytest.raises(DataError, match="has a line of more than 1,000 bytes"):
        next(read_batches(Endless(), 10))


def test_records_under_a_key_and_json_lines_are_read_from_json(tmp_path, caplog):
    (tmp_path / "key.json").write_text(
        '{"version": 1, "tags": ["x"], "data": [{"a": 1}, {"a": 2}]}'
    )
    (tmp_path / "lines.json").write_text('\n{"a": 1}\n\n{"a": 2}\n')
    caplog.set_level(logging.WARNING)
    assert open_samples(tmp_path / "key.json").column("a") == [1, 2]
    assert caplog.messages == [f"{tmp_path}/key.json holds its records under the key 'data'."]
    caplog.clear()
    samples = open_samples(tmp_path / "lines.json")
    assert samples.column("a") == [1, 2]
    assert samples.locate(1) == f"{tmp_path}/lines.json, line 4"
    assert caplog.messages == [f"{tmp_path}/lines.json holds JSON Lines, and is read as such."]


@pytest.mark.parametrize("name", ["pipe", "pipe.jsonl"])
def test_a_named_pipe_is_read(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[LINES])
    writer.start()
    assert open_samples(path).column("text") == ["a", "b", "c"]
    writer.join()


def test_a_pipe_without_a_writer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("evenly.samples.source._SECONDS_FOR_A_WRITER", 0.01)
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(DataError, match="is a pipe to which no program has written"):
        open_samples(tmp_path / "pipe.jsonl")


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "npy", "safetensors", "parquet"])
def test_a_device_is_an_error(tmp_path, suffix):
    link = tmp_path / f"endless.{suffix}"
    link.symlink_to("/dev/zero")
    with pytest.raises(DataError, match=rf"endless\.{suffix} is a device, not a regular file"):
        open_samples(link)


def test_content_is_what_the_file_holds(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(256)) * 8000)
    content, expected = FileContent(FileStamp.of(str(path))), path.read_bytes()
    random = np.random.default_rng(0)
    places = [0, 0, 10, 300_000, 299_990, 5, *random.integers(0, len(expected), 200).tolist()]
    for begin in places:
        for size in (0, 1, 1000, 600_000):
            assert content[begin : begin + size] == expected[begin : begin + size]
    assert content[:] == expected
    assert len(content) == len(expected)


def shrink(path):
    """Shorten a file so that its stamp stays the same, except for the size."""
    found = path.stat()
    with path.open("r+b") as file:
        file.truncate(max(1, found.st_size // 3))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_lines_of_a_file_that_was_truncated_are_an_error_and_not_a_signal(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINES * 100_000)
    content = FileContent(FileStamp.of(str(path)))
    reading = iter(open_samples(path).records())
    next(reading)
    shrink(path)
    with pytest.raises(DataError, match=r"a\.jsonl became shorter while it was read"):
        list(reading)
    with pytest.raises(DataError, match="became shorter"):
        content[len(content) - 10 : len(content)]


@pytest.mark.parametrize("order", ["C", "F"])
def test_vectors_in_a_file_that_was_truncated_are_an_error_and_not_a_signal(tmp_path, order):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((50_000, 8), order=order))
    samples = open_samples(path)
    shrink(path)
    with pytest.raises(DataError, match=r"a\.npy changed after it was opened"):
        _ = samples.vectors


def test_a_memory_map_of_a_file_that_was_truncated_is_an_error_and_not_a_signal(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((50_000, 8)))
    mapped = np.load(path, mmap_mode="r")
    samples = open_samples(mapped[10:])
    samples.check_unchanged()
    shrink(path)
    for read in (lambda: open_samples(mapped[10:]), lambda: samples.write(tmp_path / "o.npy", [9])):
        with pytest.raises(DataError, match="is mapped from a file that has become shorter"):
            read()


@pytest.mark.parametrize(
    "raised", [SyntaxError("no"), MemoryError(), RecursionError(), OverflowError("a\nb"), OSError()]
)
def test_an_error_of_a_library_becomes_one_with_file_and_reason(raised):
    with pytest.raises(DataError) as found, guarded("a.bin", "file of numbers"):
        raise raised
    reason = {"": type(raised).__name__, "a\nb": "a b"}.get(str(raised), str(raised))
    assert str(found.value).startswith(f"a.bin is not a complete file of numbers: {reason}. ")
