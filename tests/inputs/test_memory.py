"""Texts and vectors larger than `memory=` are read and kept in pieces, for the same answer."""

import gc
import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from evenly import deduplicate, select_uniform
from evenly.atomic import scratch_file
from evenly.errors import DataError, EncoderError, OptionError, OutputError
from evenly.inputs import first_pass, vector_file
from evenly.inputs.prepare import prepare
from evenly.options import InputOptions
from evenly.samples import StoredVectors
from evenly.selection.results.provenance import hash_of_array
from tests.support.encoders import TopicEncoder, texts_of

# Too little for the vectors of `records` beside all else, and enough to choose from them.
LITTLE = "2MB"


def records():
    some = texts_of(12)
    texts = [f"{some[row % 12]} Number {row}, please." for row in range(3000)]
    texts[7] = texts[2900] = texts[3]
    return [{"text": text, "row": row} for row, text in enumerate(texts)]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "pool.jsonl"
    file.write_text("\n".join(json.dumps(record) for record in [*records(), {"text": ""}]))
    return file


def scratch(folder):
    return list((folder / "scratch").glob(".*"))


def test_vectors_on_disk_give_the_same_rows_and_are_removed_afterwards(path, tmp_path):
    options = {"encoder": TopicEncoder(), "on_invalid": "drop"}
    expected = select_uniform(path, 40, **options)
    cache = tmp_path / "cache"
    cache.mkdir()

    prepared = prepare(
        path, InputOptions(**options, memory=LITTLE, cache_dir=cache), check=lambda _: None
    )

    assert isinstance(prepared.points.stored, StoredVectors)
    assert not prepared.pool_texts.kept.complete
    in_memory = prepare(path, InputOptions(**options)).points.stored
    np.testing.assert_array_equal(prepared.points.stored[:], in_memory)
    before = prepared.points.stored.bytes_read
    assert hash_of_array(prepared.points.stored) == hash_of_array(in_memory)
    assert prepared.points.stored.bytes_read == before  # it was hashed when it was read before
    assert len(scratch(cache)) == 1
    del prepared
    gc.collect()
    assert scratch(cache) == []
    chosen = select_uniform(path, 40, **options, memory=LITTLE, cache_dir=cache)
    assert chosen.indices.tolist() == expected.indices.tolist()
    assert chosen.radii.tolist() == expected.radii.tolist()
    assert chosen.provenance.encoder == expected.provenance.encoder


@pytest.mark.parametrize(
    ("memory", "repeats", "reads"), [(LITTLE, 1, 1), (LITTLE, 9, 2), (None, 9, 1)]
)
def test_texts_are_read_once_if_there_is_room_to_keep_them(path, memory, repeats, reads):
    calls = 0

    def text(record):
        nonlocal calls
        calls += 1
        return " ".join([record["text"]] * repeats)

    options = {"encoder": TopicEncoder(), "text": text, "on_invalid": "drop"}

    prepared = prepare(path, InputOptions(**options, memory=memory, cache_dir=False))

    assert calls == reads * 3001
    assert not prepared.pool_texts.kept.complete
    texts = [" ".join([record["text"]] * repeats) for record in records()]
    expected = TopicEncoder().encode(texts).astype(np.float32)
    np.testing.assert_array_equal(prepared.points.stored[:3000], expected)


def test_texts_are_not_kept_if_they_are_not_embedded(path):
    assert prepare(path, InputOptions(on_invalid="drop"), embedding=False).pool_texts.kept is None


@pytest.mark.parametrize("budget", [40, 0.1])
def test_too_little_memory_is_an_error_that_names_the_least(path, tmp_path, budget):
    options = {"encoder": TopicEncoder(64), "on_invalid": "drop", "cache_dir": tmp_path}

    with pytest.raises(OptionError, match=r"at least (\d)MB are needed, got '700kB'") as found:
        select_uniform(path, budget, **options, memory="700kB")

    assert options["encoder"].calls == 1  # the first tells the length of vectors
    assert scratch(tmp_path) == []
    [least] = re.findall(r"(\d)MB are needed", str(found.value))
    same = select_uniform(path, budget, **options, memory=f"{least}MB")
    expected = select_uniform(path, budget, **options)
    assert same.indices.tolist() == expected.indices.tolist()


@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_on_disk_are_read_once_before_the_first_pick(tmp_path, normalize, monkeypatch):
    vectors = np.random.default_rng(3).standard_normal((20_000, 30)).astype(np.float16)
    vectors[[0, 5000]] = 0.0
    np.save(tmp_path / "pool.npy", vectors)
    options = InputOptions(engine="mapped", normalize=normalize, on_invalid="drop")
    monkeypatch.setattr(first_pass, "_BYTES_AT_ONCE", 1)
    expected = prepare(vectors, InputOptions(normalize=normalize, on_invalid="drop"))

    prepared = prepare(tmp_path / "pool.npy", options)
    hashed = prepared.samples.content_hash()

    assert prepared.points.stored.bytes_read < 1.01 * prepared.points.stored.nbytes
    assert prepared.dropped == expected.dropped
    digest = hashlib.sha256((tmp_path / "pool.npy").read_bytes()).hexdigest()
    assert hashed == f"sha256:{digest}"
    for rows in ([], [1, 12_000], range(4000, 9000)):  # the first usable row is among them
        own, others = (
            one.without(dict.fromkeys(rows, "left out")).points for one in (prepared, expected)
        )
        np.testing.assert_array_equal(
            own.squared_distances_to_mean(), others.squared_distances_to_mean()
        )


def test_a_file_with_other_tensors_is_hashed_as_a_whole(tmp_path):
    save_file({"vectors": np.eye(9, dtype=np.float32), "z": np.ones(5)}, tmp_path / "a.safetensors")

    prepared = prepare(tmp_path / "a.safetensors", InputOptions(engine="mapped"))

    digest = hashlib.sha256((tmp_path / "a.safetensors").read_bytes()).digest()
    assert prepared.points.stored.file_digest == digest


def test_a_file_that_changed_after_it_was_hashed_is_reported(tmp_path):
    np.save(tmp_path / "pool.npy", np.eye(30, dtype=np.float32))
    prepared = prepare(tmp_path / "pool.npy", InputOptions(engine="mapped"))
    np.save(tmp_path / "pool.npy", np.eye(31, dtype=np.float32))

    with pytest.raises(DataError, match="changed after it was opened"):
        prepared.samples.content_hash()


def test_equal_texts_are_found_without_keeping_them(path):
    options = {"encoder": TopicEncoder(), "on_invalid": "drop"}
    for distance in (0.0, 0.3):
        expected = deduplicate(path, distance, keep="longest", **options)
        found = deduplicate(path, distance, keep="longest", memory=LITTLE, **options)
        assert found.indices.tolist() == expected.indices.tolist()
        assert found.duplicates == expected.duplicates


def test_a_failed_or_interrupted_run_leaves_no_vectors(path, tmp_path):
    class Failing(TopicEncoder):
        def __init__(self, error):
            super().__init__(100)
            self.error = error

        def encode(self, texts):
            if self.calls == 5:
                raise self.error
            return super().encode(texts)

    for error in (ValueError("no"), KeyboardInterrupt()):
        with pytest.raises((EncoderError, KeyboardInterrupt)):
            select_uniform(
                path,
                40,
                encoder=Failing(error),
                memory=LITTLE,
                cache_dir=tmp_path,
                on_invalid="drop",
            )
        assert scratch(tmp_path) == []


def test_vectors_that_a_killed_run_left_are_removed_by_the_next(path, tmp_path):
    code = (
        "import os, signal\nfrom evenly.atomic import scratch_file\nfrom pathlib import Path\n"
        f"with scratch_file(Path({str(tmp_path / 'scratch')!r})):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    [left] = scratch(tmp_path)

    with scratch_file(tmp_path / "scratch") as (_, own):
        assert not left.exists()
        with scratch_file(tmp_path / "scratch"):
            assert own.exists()  # its process lives


def test_a_disk_without_space_is_reported_before_the_work(path, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(vector_file.shutil, "disk_usage", lambda _: usage)

    with pytest.raises(OutputError, match=r"3,001 vectors of 11 .*0.0 GB are free"):
        select_uniform(
            path, 40, encoder=TopicEncoder(), memory=LITTLE, cache_dir=tmp_path, on_invalid="drop"
        )

    assert scratch(tmp_path) == []


def test_a_file_that_changes_before_it_is_embedded_is_reported(path):
    class Changing(TopicEncoder):
        def encode(self, texts):
            path.write_text("{}")
            return super().encode(texts)

    with pytest.raises(DataError, match="changed after it was opened"):
        select_uniform(path, 40, encoder=Changing(), memory=LITTLE, on_invalid="drop")


# The process begins with all libraries loaded, and reports how much its peak grows.
MEASURED = """
import json, sys
import numpy as np
from evenly import measure, select_uniform

def peak():
    # ru_maxrss would also cover the process that started this one.
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])

class Encoder:
    fingerprint = "sha256:" + "ab" * 32
    texts_per_call = 512
    def encode(self, texts):
        seeds = [np.frombuffer(text[:8].encode(), np.uint32) for text in texts]
        return np.stack([np.random.default_rng(seed).standard_normal(512) for seed in seeds])

def run(path, **options):
    encoder = Encoder()
    chosen = select_uniform(path, 200, encoder=encoder, **options)
    return chosen.indices.tolist()

texts = [f"{row:08}" for row in range(300)]
run(texts)
before = peak()
options = {"memory": sys.argv[2]} if len(sys.argv) > 2 else {}
rows = run(sys.argv[1], cache_dir=sys.argv[1] + ".cache", **options)
grown = peak() - before
print(json.dumps([rows, grown * 1024]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is there on Linux only")
def test_the_process_stays_within_the_memory_that_it_was_given(tmp_path):
    path = tmp_path / "pool.jsonl"
    with path.open("w") as file:
        for row in range(80_000):  # 80 MB of texts, 164 MB of vectors
            file.write(json.dumps({"text": f"{row:08}" + "x" * 1000}) + "\n")

    def measured(*options):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, path, *options],
            capture_output=True,
            check=True,
            timeout=300,
        )
        return json.loads(done.stdout)

    rows, unlimited = measured()
    same, limited = measured("80MB")

    assert rows == same
    # Beside the limit, there are what libraries keep and what is freed and not reused.
    assert limited < 80e6 + 130e6
    assert unlimited > 250e6
