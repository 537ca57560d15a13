"""Files at URLs: they are copied once, and read like other files under their own names."""

import gzip
import json
import zipfile
from importlib import import_module
from itertools import count
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from fsspec.implementations.memory import MemoryFileSystem
from safetensors.numpy import save_file
from tests.support.cluster import LocalCluster, assert_same, select_on
from tests.support.encoders import TopicEncoder, texts_of

from evenly import Selection, measure, select_uniform
from evenly.cli.main import main
from evenly.distributed.parts import open_part, split_files
from evenly.embedding import open_cache
from evenly.errors import DataError, OutputError, RowError
from evenly.samples import open_samples
from evenly.samples.opening import files_of

urls = import_module("evenly.samples.urls")
BUCKETS = count()
RECORDS = [{"id": f"r{row}", "text": text} for row, text in enumerate(texts_of(60))]


def vectors(rows=300):
    return np.random.default_rng(0).standard_normal((rows, 8)).astype(np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def bucket():
    """The URL of a folder in memory."""
    name = f"bucket{next(BUCKETS)}"
    yield f"memory://{name}"
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def upload(name, url):
    with fsspec.open(url, "wb") as file:
        file.write(Path(name).read_bytes())


def copies(folder):
    return sorted((folder / "cache" / "files").glob("*"))


def write_jsonl(name):
    with Path(name).open("w") as file:
        file.writelines(json.dumps(record) + "\n" for record in RECORDS)


def write_gzip(name):
    with gzip.open(name, "wt") as file:
        file.writelines(json.dumps(record) + "\n" for record in RECORDS)


def write_csv(name):
    with Path(name).open("w") as file:
        file.write("id,text\n")
        file.writelines(f'{record["id"]},"{record["text"]}"\n' for record in RECORDS)


def write_lines(name):
    with Path(name).open("w") as file:
        file.writelines(record["text"] + "\n" for record in RECORDS)


def write_json(name):
    with Path(name).open("w") as file:
        json.dump(RECORDS, file)


FORMATS = {
    "a.npy": lambda name: np.save(name, vectors()),
    "a.safetensors": lambda name: save_file({"vectors": vectors()}, name),
    "vectors.parquet": lambda name: pq.write_table(pa.table({"v": vectors().tolist()}), name),
    "a.parquet": lambda name: pq.write_table(pa.Table.from_pylist(RECORDS), name),
    "a.jsonl": write_jsonl,
    "a.jsonl.gz": write_gzip,
    "a.json": write_json,
    "a.csv": write_csv,
    "a.txt": write_lines,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_every_format_gives_the_rows_and_the_manifest_of_a_local_file(name, bucket, folder):
    FORMATS[name](name)
    upload(name, f"{bucket}/{name}")
    options = {"encoder": TopicEncoder()}
    local = select_uniform(name, 12, **options)

    for url in (f"{bucket}/{name}", f"file://{folder}/{name}"):
        chosen = select_uniform(url, 12, **options)

        assert chosen.indices.tolist() == local.indices.tolist()
        assert chosen.radii.tobytes() == local.radii.tobytes()
        source = chosen.provenance.input
        assert (source.path, source.origin) == (url, url)
        assert source.content_hash == local.provenance.input.content_hash
        chosen.write(f"of-url-{name}", force=True)
        local.write(f"local-{name}", force=True)
        assert (folder / f"of-url-{name}").read_bytes() == (folder / f"local-{name}").read_bytes()
        measured = measure(url, chosen, **options)
        assert measured.h_min == measure(name, local, **options).h_min
    assert len(copies(folder)) == 1  # file:// is read where it is


@pytest.fixture
def shards(bucket):
    for number, rows in enumerate(np.array_split(vectors(), 3)):
        np.save("shard.npy", rows)
        upload("shard.npy", f"{bucket}/{number}.npy")
    fsspec.filesystem("memory").pipe(f"{bucket}/README.txt", b"not a shard")
    return bucket


@pytest.mark.parametrize("path", ["", "/", "/*.npy", "/[0-9].npy"])
def test_folders_and_patterns(shards, path):
    chosen = select_uniform(shards + path, 10)

    assert chosen.indices.tolist() == select_uniform(vectors(), 10).indices.tolist()
    assert chosen.provenance.input.path == shards + path
    assert chosen.provenance.input.origin.startswith("3 files ")


def test_files_are_copied_once_and_again_if_they_changed(shards, folder, caplog):
    select_uniform(shards, 10)
    before = copies(folder)
    first = open_samples(shards)
    assert copies(folder) == before
    assert len(before) == 3

    np.save("shard.npy", -vectors()[100:200])
    upload("shard.npy", f"{shards}/1.npy")
    chosen = select_uniform(shards, 10)

    assert len(set(copies(folder)) - set(before)) == 1
    changed = np.concatenate([vectors()[:100], -vectors()[100:200], vectors()[200:]])
    assert chosen.indices.tolist() == select_uniform(changed, 10).indices.tolist()
    with pytest.raises(DataError, match=r"1\.npy changed after it was opened"):
        first.check_unchanged()


def test_a_copy_that_was_removed_is_made_again(shards, folder):
    samples = open_samples(shards)
    for path in copies(folder):
        path.unlink()

    assert np.array_equal(samples.vectors, vectors())


def test_the_cache_counts_copies_and_removes_them_only(shards, folder):
    select_uniform(shards, 10)
    size = sum(path.stat().st_size for path in copies(folder))
    (folder / "cache" / "files" / "mine.npy").write_bytes(b"mine")
    assert open_cache().info().copied_bytes == size
    assert "files of URLs" in CliRunner().invoke(main, ["cache", "info"]).output

    assert open_cache().clear() == size

    assert [path.name for path in copies(folder)] == ["mine.npy"]


def test_a_manifest_leads_to_its_url(shards):
    chosen = select_uniform(shards, 10)
    chosen.save("manifest.json")

    loaded = Selection.load("manifest.json")

    assert np.array_equal(loaded.samples_again().take(loaded.indices), vectors()[chosen.indices])


def test_the_command_line(shards, folder):
    run = CliRunner()
    selected = run.invoke(main, ["select", f"{shards}/*.npy", "-b", "10", "-o", "chosen.npy"])
    measured = run.invoke(main, ["measure", shards, "chosen.npy"])
    refused = run.invoke(main, ["select", shards, "-b", "10", "-o", "s3://bucket/chosen.npy"])

    assert selected.exit_code == 0, selected.output
    assert measured.exit_code == 0, measured.output
    chosen = select_uniform(vectors(), 10)
    assert np.array_equal(np.load("chosen.npy"), vectors()[chosen.indices])
    assert refused.exit_code != 0
    assert "URLs (s3://…) are read, and not written" in refused.output


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://nowhere/a.npy", "there is no file memory://nowhere/a.npy"),
        ("memory://nowhere/*.npy", r"no file matches memory://nowhere/\*\.npy"),
        ("nothing://bucket/a.npy", "cannot read nothing://bucket/a.npy: Protocol not known"),
        ("reference://a.npy", "takes instructions from files"),
        ("zip://a.npy::filecache::memory://b.zip", "takes instructions from files"),
        ("file:///nowhere/a.npy", "there is no file /nowhere/a.npy"),
    ],
)
@pytest.mark.parametrize("cluster", [None, "auto"])
def test_what_cannot_be_read(url, message, cluster, monkeypatch):
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: 1 / 0)
    with pytest.raises(DataError, match=message):
        select_uniform(url, 2, cluster=cluster)


def test_a_missing_package_is_named(monkeypatch):
    registry = pytest.importorskip("fsspec.registry")
    monkeypatch.setitem(
        registry.known_implementations,
        "far",
        {"class": "far_away.FarFileSystem", "err": "Install far_away to access Far"},
    )
    with pytest.raises(
        DataError, match=r"Install far_away to access Far\. Run: pip install far_away"
    ):
        select_uniform("far://bucket/a.npy", 2)


SECRETS = [
    "s3://KEY:SECRET@bucket/a.npy",
    "s3://KEY:SEC/SECRET@bucket/*.npy",
    "https://host/a.npy?sig=SECRET",
    "https://SECRET@host/a.npy",
    "zip://a.npy::https://host/a.zip?sig=SECRET",
    "zip://a.npy::https://SECRET@host/a.zip",
]


@pytest.mark.parametrize("url", SECRETS)
def test_passwords_are_refused_and_not_repeated(url):
    output = CliRunner().invoke(main, ["select", url, "-b", "2", "-o", "chosen.npy"]).output
    asked = [
        lambda: select_uniform(url, 2),
        lambda: select_uniform(url, 2, cluster="auto"),
        lambda: select_uniform(["a", "b"], 2, vectors=url),
        lambda: measure(vectors(), url),
        lambda: select_uniform(vectors(), 2).write(url),
        lambda: select_uniform(vectors(), 2).save(url),
        lambda: select_uniform(vectors(), 2, checkpoint=url),
        lambda: select_uniform(vectors(), 2, away_from=url),
    ]
    for ask in asked:
        with pytest.raises((DataError, OutputError, RowError, ValueError)) as error:
            ask()
        assert "SECRET" not in str(error.value)
    assert "SECRET" not in output
    assert "settings" in output or "secret" in output


@pytest.mark.parametrize("url", SECRETS)
@pytest.mark.parametrize("cluster", [None, "auto"])
def test_passwords_are_refused_in_each_of_several_names(url, cluster):
    np.save("a.npy", vectors())
    with pytest.raises(DataError, match=r"settings|secret") as error:
        select_uniform(f"a.npy\n{url}", 2, cluster=cluster)
    assert "SECRET" not in str(error.value)


def test_a_url_that_a_server_signed_is_not_repeated(monkeypatch):
    def refuse(url):
        raise OSError("403, message='Forbidden', url='https://far/a.npy?sig=SECRET&for=me'")

    monkeypatch.setattr(urls, "_open", refuse)
    with pytest.raises(DataError, match=r"url='https://far/a\.npy\?…'") as error:
        open_samples("hf://datasets/a.npy")
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("write", ["write", "save"])
def test_nothing_is_written_to_urls(write, folder):
    chosen = select_uniform(vectors(), 2)
    with pytest.raises(OutputError, match=r"URLs \(s3://…\) are read, and not written"):
        getattr(chosen, write)("s3://bucket/chosen.npy")
    assert not (folder / "s3:").exists()


def test_a_subset_at_a_url_is_refused(shards):
    with pytest.raises(RowError, match=r"memory://.*is a URL\. Copy the file"):
        measure(shards, f"{shards}/0.npy")


def test_a_file_that_does_not_come_as_a_whole(bucket, monkeypatch, folder):
    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    info = urls._info
    monkeypatch.setattr(urls, "_info", lambda url, **how: {**info(url), "size": 10_000})

    with pytest.raises(DataError, match=r"a\.npy has 10,000 bytes, of which 9,728 came"):
        open_samples(f"{bucket}/a.npy")
    assert copies(folder) == []


def test_a_connection_that_breaks_is_an_error_of_the_url(bucket, monkeypatch, folder):
    def break_off(*of, **how):
        raise ConnectionResetError(104, "Connection reset by peer")

    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    monkeypatch.setattr(MemoryFileSystem, "open", break_off)

    with pytest.raises(DataError, match=r"cannot read memory://.*a\.npy: Connection reset by peer"):
        open_samples(f"{bucket}/a.npy")
    assert copies(folder) == []


def test_a_file_that_changes_while_it_is_copied(bucket, monkeypatch, folder):
    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    info, times = urls._info, count()
    monkeypatch.setattr(urls, "_info", lambda url, **how: {**info(url), "ETag": next(times)})

    with pytest.raises(DataError, match=r"a\.npy changed while it was copied"):
        open_samples(f"{bucket}/a.npy")
    assert copies(folder) == []


def test_a_change_shows_though_storage_remembers_its_lists(bucket, monkeypatch, folder):
    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    info, download, listed = MemoryFileSystem.info, MemoryFileSystem.open, {}

    def remembered(self, path, **how):
        return listed.setdefault(path, info(self, path, **how))

    def change_and_open(self, path, mode="rb", **how):
        if mode == "rb":
            upload("a.npy", f"{bucket}/a.npy")
        return download(self, path, mode, **how)

    monkeypatch.setattr(MemoryFileSystem, "info", remembered)
    monkeypatch.setattr(MemoryFileSystem, "open", change_and_open)
    monkeypatch.setattr(MemoryFileSystem, "invalidate_cache", lambda *of: listed.clear())

    with pytest.raises(DataError, match=r"a\.npy changed while it was copied"):
        open_samples(f"{bucket}/a.npy")
    assert copies(folder) == []


def write_archive(path, vectors):
    """Write an archive whose times do not tell versions apart, as reproducible builds do."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.npy", "b.npy"):
            with archive.open(zipfile.ZipInfo(f"data/{name}"), "w") as file:
                np.save(file, vectors)


@pytest.mark.parametrize("inside", ["data/a.npy", "data", "data/*.npy"])
def test_files_of_an_archive_that_was_replaced_are_copied_again(inside, bucket):
    for archive in ("a.zip", f"{bucket}/a.zip"):
        for content in (vectors(), -vectors()):
            write_archive("a.zip", content)
            upload("a.zip", f"{bucket}/a.zip")

            found = open_samples(f"zip://{inside}::{archive}").vectors

            assert np.array_equal(found[:300], content)
            assert len(found) == (300 if inside.endswith("a.npy") else 600)


def test_the_advice_for_a_folder_of_folders_names_a_pattern_in_the_archive():
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("data/README", "nothing")
    with pytest.raises(DataError, match=r"such as 'zip://data/\*\*/\*\.jsonl::a\.zip'\."):
        open_samples("zip://data::a.zip")


def test_two_processes_copy_a_file_whose_version_is_not_known(bucket, monkeypatch, folder):
    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    monkeypatch.setattr(urls, "_version", lambda *of: None)
    download = urls._download

    def download_as_others_do(*of):
        download(*of)
        monkeypatch.setattr(urls, "_download", download)
        urls._copy(f"{bucket}/a.npy")

    monkeypatch.setattr(urls, "_download", download_as_others_do)

    assert np.array_equal(open_samples(f"{bucket}/a.npy").vectors, vectors())
    assert len(copies(folder)) == 1


def test_storage_that_knows_no_versions_is_asked_each_time(bucket, monkeypatch, folder):
    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    monkeypatch.setattr(urls, "_version", lambda *of: None)
    first = open_samples(f"{bucket}/a.npy")
    open_samples(f"{bucket}/a.npy")
    first.check_unchanged()

    np.save("a.npy", -vectors())
    upload("a.npy", f"{bucket}/a.npy")

    assert np.array_equal(open_samples(f"{bucket}/a.npy").vectors, -vectors())
    with pytest.raises(DataError, match="changed after it was opened"):
        first.check_unchanged()


def test_a_full_disk(bucket, monkeypatch, folder):
    np.save("a.npy", vectors())
    upload("a.npy", f"{bucket}/a.npy")
    monkeypatch.setattr(urls.shutil, "disk_usage", lambda path: type("", (), {"free": 100}))
    with pytest.raises(DataError, match=r"are free in .*files, where it is copied"):
        open_samples(f"{bucket}/a.npy")


def test_workers_copy_their_own_files(shards, folder):
    paths, _ = files_of(shards)
    parts = split_files(paths, 2)
    assert copies(folder) == []

    open_part(parts[0])

    assert len(copies(folder)) == len(parts[0].paths) < 3


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_a_cluster_gives_the_same_answer(shards, workers):
    alone = select_uniform(f"{shards}/*.npy", 30)

    assert_same(select_on(LocalCluster(workers), f"{shards}/*.npy", budget=30), alone)
