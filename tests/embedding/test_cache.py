from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.atomic import atomic_write
from evenly.embedding import EmbeddingCache, HashedTexts, embed_texts, open_cache
from evenly.errors import OptionError
from tests.support.encoders import FINGERPRINT, TopicEncoder, loaded, vector_of

TEXTS = [f"text {row:03}" for row in range(30)]
EXPECTED = np.array([vector_of(text) for text in TEXTS], dtype=np.float32)
OTHER_FINGERPRINT = "sha256:" + "cd" * 32


def filled(folder: Path) -> tuple[EmbeddingCache, Path]:
    """Return a cache with one shard, and the path of that shard."""
    cache = EmbeddingCache(folder)
    embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)
    [shard] = folder.rglob("*.safetensors")
    return cache, shard


def assert_recovers(cache: EmbeddingCache) -> None:
    """The vectors are computed again correctly, and are cached again."""
    result = embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)
    np.testing.assert_array_equal(result.vectors, EXPECTED)
    again = embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)
    assert again.reused == len(TEXTS)
    np.testing.assert_array_equal(again.vectors, EXPECTED)


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_flipped_byte_never_changes_a_vector(tmp_path_factory, place, flip):
    cache, shard = filled(tmp_path_factory.mktemp("cache"))
    content = bytearray(shard.read_bytes())
    content[int(place * len(content))] ^= flip
    shard.write_bytes(content)

    assert_recovers(cache)


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
        result = embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)

    assert result.computed == len(TEXTS)
    assert not shard.exists()
    assert "dropped a damaged shard" in caplog.text
    assert_recovers(cache)


@pytest.mark.parametrize("kept", [0, 7, 100, -1])
def test_a_truncated_shard_is_dropped_and_computed_again(tmp_path, caplog, kept):
    cache, shard = filled(tmp_path)
    shard.write_bytes(shard.read_bytes()[:kept])

    result = embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)

    assert result.computed == len(TEXTS)
    assert not shard.exists()
    assert "dropped a damaged shard" in caplog.text
    assert_recovers(cache)


def test_damage_to_one_shard_leaves_the_others(tmp_path):
    cache, shard = filled(tmp_path)
    embed_texts(["another"], loaded(TopicEncoder(4)), cache=cache)
    shard.write_bytes(b"nothing")
    encoder = TopicEncoder(4)

    embed_texts([*TEXTS, "another"], loaded(encoder), cache=cache)

    assert encoder.seen == TEXTS


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    from evenly.embedding import EmbeddingCache, embed_texts
    from evenly.embedding.embed import ShardLimits
    from tests.support.encoders import TopicEncoder, loaded

    class Dying(TopicEncoder):
        def encode(self, texts):
            if {moment!r} == "embedding" and self.calls == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().encode(texts)

    synced = os.fsync
    writes = 0

    def dying_sync(descriptor):
        global writes
        writes += 1
        # Each shard is synced twice: first the file, then its folder.
        if {moment!r} == "writing" and writes == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        synced(descriptor)

    os.fsync = dying_sync
    texts = [f"text {{row:03}}" for row in range(30)]
    limits = ShardLimits(min_texts=8, min_seconds=0.0)
    embed_texts(texts, loaded(Dying(4)), cache=EmbeddingCache({folder!r}), shard_limits=limits)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("moment", ["embedding", "writing"])
def test_a_killed_run_resumes_from_the_last_shard(tmp_path, moment):
    root = str(Path(__file__).parents[2])
    script = textwrap.dedent(KILLED).format(root=root, folder=str(tmp_path), moment=moment)
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    encoder = TopicEncoder(4)

    result = embed_texts(TEXTS, loaded(encoder), cache=EmbeddingCache(tmp_path))

    # 20 or 24 texts were embedded, of which two shards of 8 were on disk.
    assert encoder.seen == TEXTS[16:]
    assert result.reused == 16
    np.testing.assert_array_equal(result.vectors, EXPECTED)


def test_partial_files_of_killed_processes_are_removed_later(tmp_path):
    cache, shard = filled(tmp_path)
    old = shard.parent / f".1.safetensors.{16 * '0'}.evenly.tmp"
    old.write_bytes(b"half")

    with atomic_write(shard.parent / "2.safetensors"):
        [new] = {*shard.parent.glob(".*.tmp")} - {old}
        list(cache.find(FINGERPRINT, HashedTexts.of(TEXTS).keys))
        assert new.exists()

    assert not old.exists()


def test_threads_can_share_a_cache_folder(tmp_path):
    def embed_all(_: int) -> np.ndarray:
        cache = EmbeddingCache(tmp_path)
        return embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache).vectors

    with ThreadPoolExecutor(8) as threads:
        for vectors in threads.map(embed_all, range(24)):
            np.testing.assert_array_equal(vectors, EXPECTED)


def test_a_shard_that_vanishes_is_treated_as_absent(tmp_path, caplog):
    cache, shard = filled(tmp_path)
    shard.unlink()
    shard.symlink_to("vanished")  # is listed in the folder, and cannot be opened

    assert not list(cache.find(FINGERPRINT, HashedTexts.of(TEXTS).keys))
    assert caplog.records == []


def test_the_oldest_of_several_vectors_for_a_text_is_used(cache):
    flags = np.zeros(1, dtype=bool)
    for value in (1.0, 2.0, 3.0):
        cache.put(FINGERPRINT, "x", ["text"], np.full((1, 2), value, np.float32), flags)

    [found] = cache.find(FINGERPRINT, HashedTexts.of(["text"]).keys)
    assert found.vectors.tolist() == [[1.0, 1.0]]


def test_an_unwritable_cache_is_reported_once_and_not_used(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way of the folder")
    cache = EmbeddingCache(blocked)

    for _ in range(2):
        result = embed_texts(TEXTS, loaded(TopicEncoder(4)), cache=cache)
        np.testing.assert_array_equal(result.vectors, EXPECTED)

    [record] = caplog.records
    assert "continuing without the embedding cache" in record.getMessage()
    assert blocked.read_text() == "in the way of the folder"


def test_info_counts_the_cached_vectors(tmp_path):
    cache, shard = filled(tmp_path)
    embed_texts(["other"], loaded(TopicEncoder(4), OTHER_FINGERPRINT), cache=cache)

    info = cache.info()

    assert info.folder == tmp_path
    assert [(m.name, m.fingerprint, m.rows, m.shards) for m in info.models] == [
        ("fake", FINGERPRINT, 30, 1),
        ("fake", OTHER_FINGERPRINT, 1, 1),
    ]
    assert info.models[0].bytes == shard.stat().st_size
    assert info.rows == 31
    assert info.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))


def test_clear_removes_all_shards_and_no_other_file(tmp_path):
    cache, shard = filled(tmp_path)
    foreign = shard.parent / "notes.txt"
    foreign.write_text("mine")
    size = cache.info().bytes

    assert cache.clear() == size
    assert foreign.read_text() == "mine"
    assert cache.info().models == []
    assert cache.clear() == 0


def test_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "named"))

    assert open_cache(False) is None
    assert open_cache(tmp_path).folder == tmp_path
    assert open_cache(None).folder == tmp_path / "named"
    assert not (tmp_path / "named").exists()

    platformdirs = pytest.importorskip("platformdirs")
    monkeypatch.delenv("EVENLY_CACHE_DIR")
    assert open_cache().folder == Path(platformdirs.user_cache_dir("evenly", appauthor=False))


@pytest.mark.parametrize("named", [True, False])
def test_the_home_folder_of_nobody_is_one_error(monkeypatch, named):
    monkeypatch.setenv("EVENLY_CACHE_DIR", "~nosuchuser")
    said = (
        f"{'cache_dir' if named else 'EVENLY_CACHE_DIR'}=~nosuchuser: the home folder of the user"
    )

    with pytest.raises(OptionError, match=said):
        open_cache("~nosuchuser" if named else None)


@pytest.mark.parametrize("named", [True, False])
def test_a_url_is_no_cache_folder(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", "s3://bucket/cache")
    noun = "cache_dir" if named else "EVENLY_CACHE_DIR"
    with pytest.raises(OptionError, match=f"{noun}=s3://bucket/cache is a URL"):
        open_cache("s3://bucket/cache" if named else None)
    assert open_cache(f"file://{tmp_path}").folder == tmp_path
