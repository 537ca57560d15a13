from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.embedding import EmbeddingCache, embed_texts, open_cache
from tests.support.encoders import CountingEncoder, loaded, vector_of

TEXTS = [f"text {row:03}" for row in range(30)]
EXPECTED = np.array([vector_of(text) for text in TEXTS], dtype=np.float32)
FINGERPRINT = "sha256:" + "ab" * 32


def filled(folder: Path) -> tuple[EmbeddingCache, Path]:
    """A cache with one shard, and the path of that shard."""
    cache = EmbeddingCache(folder)
    embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache)
    [shard] = folder.rglob("*.safetensors")
    return cache, shard


def assert_redone_and_mended(cache: EmbeddingCache) -> None:
    """Whatever happened to the cache, the vectors are right, and are cached again."""
    result = embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache)
    np.testing.assert_array_equal(result.vectors, EXPECTED)
    again = embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache)
    assert again.reused == len(TEXTS)
    np.testing.assert_array_equal(again.vectors, EXPECTED)


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_flipped_byte_changes_a_vector(tmp_path_factory, place, flip):
    cache, shard = filled(tmp_path_factory.mktemp("cache"))
    content = bytearray(shard.read_bytes())
    content[int(place * len(content))] ^= flip
    shard.write_bytes(content)

    assert_redone_and_mended(cache)


@pytest.mark.parametrize("part", ["keys", "truncated", "checksums", "vectors"])
def test_damage_in_any_part_drops_the_shard_with_a_warning(tmp_path, caplog, part):
    from safetensors import safe_open
    from safetensors.numpy import save

    cache, shard = filled(tmp_path)
    with safe_open(shard, framework="numpy") as opened:
        metadata = opened.metadata()
        tensors = {name: opened.get_tensor(name).copy() for name in opened.keys()}  # noqa: SIM118
    tensors[part].reshape(-1).view(np.uint8)[3] ^= 1
    shard.write_bytes(save(tensors, metadata))

    with caplog.at_level(logging.WARNING, "evenly"):
        result = embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache)

    assert result.computed == len(TEXTS)
    assert not shard.exists()
    assert "dropped a damaged shard" in caplog.text
    assert_redone_and_mended(cache)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_truncated_shard_is_dropped_and_redone(tmp_path, caplog, kept):
    cache, shard = filled(tmp_path)
    shard.write_bytes(shard.read_bytes()[:kept])

    result = embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache)

    assert result.computed == len(TEXTS)
    assert not shard.exists()
    assert "dropped a damaged shard" in caplog.text
    assert_redone_and_mended(cache)


def test_damage_to_one_shard_leaves_the_others(tmp_path):
    cache, shard = filled(tmp_path)
    embed_texts(["another"], loaded(CountingEncoder()), cache=cache)
    shard.write_bytes(b"nothing")
    encoder = CountingEncoder()

    embed_texts([*TEXTS, "another"], loaded(encoder), cache=cache)

    assert encoder.seen == TEXTS


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    from evenly.embedding import EmbeddingCache, embed, embed_texts
    from tests.support.encoders import CountingEncoder, loaded

    embed._SHARD_TEXTS, embed._SHARD_SECONDS = 8, 0.0

    class Dying(CountingEncoder):
        def encode(self, texts):
            if {moment!r} == "embedding" and self.calls == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().encode(texts)

    synced = os.fsync
    writes = 0

    def dying_sync(descriptor):
        global writes
        writes += 1
        # Each shard is synced twice: the file, and then its folder.
        if {moment!r} == "writing" and writes == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        synced(descriptor)

    os.fsync = dying_sync
    texts = [f"text {{row:03}}" for row in range(30)]
    embed_texts(texts, loaded(Dying()), cache=EmbeddingCache({folder!r}))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is not a signal of Windows")
@pytest.mark.parametrize("moment", ["embedding", "writing"])
def test_killed_at_any_moment_it_goes_on_from_the_last_shard(tmp_path, moment):
    root = str(Path(__file__).parents[2])
    script = textwrap.dedent(KILLED).format(root=root, folder=str(tmp_path), moment=moment)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    encoder = CountingEncoder()

    result = embed_texts(TEXTS, loaded(encoder), cache=EmbeddingCache(tmp_path))

    # Twenty texts were embedded, or twenty-four: two shards of eight were on disk.
    assert encoder.seen == TEXTS[16:]
    assert result.reused == 16
    np.testing.assert_array_equal(result.vectors, EXPECTED)


def test_what_a_killed_process_left_half_written_is_removed_later(tmp_path):
    cache, shard = filled(tmp_path)
    old, new = shard.parent / ".1.safetensors.x.tmp", shard.parent / ".2.safetensors.y.tmp"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)

    cache.get(FINGERPRINT, TEXTS)

    assert not old.exists()
    assert new.exists()


def test_processes_that_share_a_cache_do_not_disturb_each_other(tmp_path):
    def embed_all(_: int) -> np.ndarray:
        cache = EmbeddingCache(tmp_path)
        return embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache).vectors

    with ThreadPoolExecutor(8) as threads:
        for vectors in threads.map(embed_all, range(24)):
            np.testing.assert_array_equal(vectors, EXPECTED)


def test_a_shard_that_vanishes_is_as_if_it_had_not_been_there(tmp_path, monkeypatch, caplog):
    from evenly.embedding import cache as cache_module

    cache, shard = filled(tmp_path)
    listed = cache_module._shards(shard.parent)
    shard.unlink()
    monkeypatch.setattr(cache_module, "_shards", lambda folder: listed)

    assert not cache.get(FINGERPRINT, TEXTS).found.any()
    assert caplog.records == []


def test_the_older_of_two_vectors_for_one_text_is_the_one_found(cache):
    flags = np.zeros(1, dtype=bool)
    for value in (1.0, 2.0, 3.0):
        cache.put(FINGERPRINT, "x", ["text"], np.full((1, 2), value, np.float32), flags)

    assert cache.get(FINGERPRINT, ["text"]).vectors.tolist() == [[1.0, 1.0]]


def test_a_cache_that_cannot_be_written_is_told_once_and_left_out(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way of the folder")
    cache = EmbeddingCache(blocked)

    for _ in range(2):
        result = embed_texts(TEXTS, loaded(CountingEncoder()), cache=cache)
        np.testing.assert_array_equal(result.vectors, EXPECTED)

    [record] = caplog.records
    assert "going on without the embedding cache" in record.getMessage()
    assert blocked.read_text() == "in the way of the folder"


def test_info_counts_what_there_is(tmp_path):
    cache, shard = filled(tmp_path)
    embed_texts(["other"], loaded(CountingEncoder(), "sha256:" + "cd" * 32), cache=cache)

    info = cache.info()

    assert info.folder == tmp_path
    assert [(m.name, m.fingerprint, m.rows, m.shards) for m in info.models] == [
        ("counting", FINGERPRINT, 30, 1),
        ("counting", "sha256:" + "cd" * 32, 1, 1),
    ]
    assert info.models[0].bytes == shard.stat().st_size
    assert info.rows == 31
    assert info.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))


def test_clear_frees_what_info_counted_and_leaves_other_files(tmp_path):
    cache, shard = filled(tmp_path)
    foreign = shard.parent / "notes.txt"
    foreign.write_text("mine")
    size = cache.info().bytes

    assert cache.clear() == size
    assert foreign.read_text() == "mine"
    assert cache.info().models == []
    assert cache.clear() == 0


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "named"))

    assert open_cache(False) is None
    assert open_cache(tmp_path).folder == tmp_path
    assert open_cache(None).folder == tmp_path / "named"
    assert not (tmp_path / "named").exists()

    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.delenv("EVENLY_CACHE_DIR")
    assert open_cache().folder == Path(platformdirs.user_cache_dir("evenly", appauthor=False))
