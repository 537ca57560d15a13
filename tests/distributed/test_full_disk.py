"""A disk that is full: one error that helps, nothing half written, and nothing done twice."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

from evenly import select_uniform
from evenly.errors import OutputError
from tests.support.cluster import CALM, LocalCluster, select_on
from tests.support.encoders import CachedTopicEncoder, TopicEncoder, texts_of
from tests.support.full_disk import small_disk

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")


class WideEncoder(CachedTopicEncoder):
    """Returns vectors of 4 kB, and counts texts, those of its copies included."""

    texts_seen = 0

    def encode(self, texts):
        WideEncoder.texts_seen += len(texts)
        return np.tile(super().encode(texts), (1, 100))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(WideEncoder, "texts_seen", 0)
    (tmp_path / "s").mkdir()
    texts = texts_of(600)
    for shard in range(3):
        lines = [json.dumps({"text": text, "note": "x" * 3000}) for text in texts[shard::3]]
        Path(f"s/{shard}.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def fill(folder):
    """Write until nothing more fits."""
    with (folder / "other").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1000))


def assert_same_rows(one, other):
    assert one.indices.tolist() == other.indices.tolist()
    assert one.radii.tobytes() == other.radii.tobytes()


WIDE = {"budget": 60, "text": "text", "encoder": WideEncoder()}
NARROW = {"budget": 400, "text": "text", "encoder": TopicEncoder(), "cache_dir": False}


def test_the_cache_of_a_worker(folder):
    with small_disk(folder / "small", 1) as grow:
        with pytest.raises(OutputError) as raised:
            select_on(LocalCluster(3), "s", cache_dir="small", **WIDE)

        message = str(raised.value)
        assert "cannot write small/embeddings/" in message
        assert "No space left on device. Nothing was changed. 200 vectors need 0.9 MB" in message
        kept = [path.suffix for path in Path("small").rglob("*.*")]
        assert kept == [".safetensors"]  # what one worker embedded, and nothing half written
        assert WideEncoder.texts_seen == 600
        grow()

        together = select_on(LocalCluster(3), "s", cache_dir="small", **WIDE)

        assert WideEncoder.texts_seen == 600 + 400
        assert together.provenance.encoder.reused == 200
    assert_same_rows(together, select_uniform("s", cache_dir=False, **WIDE))


def test_nothing_is_embedded_twice_without_a_cache():
    select_on(LocalCluster(3), "s", cache_dir=False, **WIDE)

    assert WideEncoder.texts_seen == 600


def test_temporary_vectors_of_a_worker(folder):
    options = {**WIDE, "cache_dir": "small", "engine": "mapped"}
    with small_disk(folder / "small", 2) as grow:
        with pytest.raises(OutputError, match=r"in small/scratch, .* Free some space, name"):
            select_on(LocalCluster(3), "s", **options)

        assert not list(Path("small/scratch").iterdir())
        grow()

        together = select_on(LocalCluster(3), "s", **options)

        assert WideEncoder.texts_seen < 1200
    assert_same_rows(together, select_uniform("s", cache_dir=False, **WIDE))


def test_the_checkpoint_of_the_driver(folder, caplog):
    def fills(worker, generation, request):
        if request.call == "frontier" and not (folder / "small" / "other").exists():
            fill(folder / "small")
        return CALM

    with small_disk(folder / "small", 1) as grow:
        fill(folder / "small")
        with pytest.raises(OutputError, match=r"cannot write small/c: No space left"):
            select_on(LocalCluster(3), "s", checkpoint="small/c", **NARROW)
        (folder / "small" / "other").unlink()

        chosen = select_on(LocalCluster(3, fills), "s", checkpoint="small/c", **NARROW)

        assert "no checkpoint was written, the selection continues: cannot write" in caplog.text
        assert_same_rows(chosen, select_uniform("s", **NARROW))
        assert sorted(path.name for path in Path("small").iterdir()) == ["c", "other"]
        grow()
        again = select_on(LocalCluster(3), "s", checkpoint="small/c", **NARROW)
        assert_same_rows(again, chosen)


def test_the_output(folder):
    chosen = select_on(LocalCluster(3), "s", **NARROW)
    with small_disk(folder / "small", 1) as grow:
        with pytest.raises(OutputError, match=r"cannot write small/o\.jsonl: No space left"):
            chosen.write("small/o.jsonl")

        assert not list(Path("small").iterdir())
        grow()
        chosen.write("small/o.jsonl")
        select_uniform("s", **NARROW).write("alone.jsonl")
        assert Path("small/o.jsonl").read_bytes() == Path("alone.jsonl").read_bytes()
