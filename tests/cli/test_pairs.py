"""Records and manifest are one thing: killed between the two, nothing misleads or is in the way."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from benchmarks import soak

from evenly import Deduplication, Selection, StreamSelection, UniformStream
from evenly.errors import ChangedOutputWarning
from tests.support.command_line import LETTERS, RECORDS, fail, ids_of, run_evenly, succeed
from tests.support.command_line import write_lines as write


def killed(point, moment, number, *arguments):
    """Run `evenly` until it gets a signal at a rename or fsync, counted from 1."""
    kill = soak.Kill(number, point, after=moment == "after")
    code, _ = soak.run(tuple(map(str, arguments)), kill)
    expected = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    assert code == expected, Path("log").read_text()


def leftovers():
    return [*Path().glob(".*.evenly.tmp")]


# Without the cache, both files are synced, then renamed, then their folder is synced.
MANIFEST, SUBSET = 3, 4
SELECT = ("select", "train.jsonl", *LETTERS, "--no-cache", "-o", "subset.jsonl")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("rename", [MANIFEST, SUBSET])
def test_after_a_kill_the_same_command_works(rename, moment):
    killed(rename, moment, signal.SIGKILL, *SELECT, "-b", 5)
    complete = (rename, moment) == (SUBSET, "after")
    assert Path("subset.jsonl").exists() == complete
    assert Path("subset.manifest.json").exists() == ((rename, moment) != (MANIFEST, "before"))

    if complete:
        assert "subset.jsonl already exists" in fail(*SELECT, "-b", 5)
    else:
        succeed(*SELECT, "-b", 5)

    assert ids_of("subset.jsonl") == Selection.load("subset.manifest.json").indices.tolist()
    assert leftovers() == []


def test_a_manifest_whose_records_were_moved_is_kept():
    succeed(*SELECT, "-b", 5)
    Path("subset.jsonl").rename("elsewhere.jsonl")

    assert "subset.manifest.json already exists" in fail(*SELECT, "-b", 4)
    assert len(Selection.load("subset.manifest.json")) == 5


@pytest.mark.parametrize(("rename", "moment"), [(MANIFEST, "after"), (SUBSET, "before")])
def test_old_records_beside_a_new_manifest_are_noticed(rename, moment):
    succeed(*SELECT, "-b", 4)
    killed(rename, moment, signal.SIGKILL, *SELECT, "-b", 5, "--force")
    assert len(ids_of("subset.jsonl")) == 4

    with pytest.warns(ChangedOutputWarning, match=r"subset\.jsonl does not hold the records"):
        assert len(Selection.load("subset.manifest.json")) == 5
    assert (
        "does not hold the records"
        in run_evenly("measure", "train.jsonl", "subset.manifest.json").stderr
    )

    succeed(*SELECT, "-b", 5, "--force")
    assert ids_of("subset.jsonl") == Selection.load("subset.manifest.json").indices.tolist()
    assert leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("rename", "moment", "left"),
    [(MANIFEST, "before", 4), (MANIFEST, "after", 5), (SUBSET, "before", 5)],
)
def test_an_interruption_leaves_both_old_or_both_new(number, rename, moment, left):
    succeed(*SELECT, "-b", 4)

    killed(rename, moment, number, *SELECT, "-b", 5, "--force")

    assert ids_of("subset.jsonl") == Selection.load("subset.manifest.json").indices.tolist()
    assert len(ids_of("subset.jsonl")) == left
    assert leftovers() == []


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (("deduplicate", "train.jsonl", *LETTERS, "--to", "9"), Deduplication),
        (("stream", "train.jsonl", *LETTERS, "-b", 5), StreamSelection),
        (("select-by-quality", "train.jsonl", *LETTERS, "-b", 5, "--quality", "id"), Selection),
    ],
)
def test_changed_records_are_noticed_by_every_kind_of_manifest(command, kind):
    succeed(*command, "-o", "subset.jsonl")
    shutil.copytree(".", "copied", ignore=shutil.ignore_patterns("cache", "copied"))
    kind.load("subset.manifest.json")
    kind.load("copied/subset.manifest.json")

    write("copied/subset.jsonl", RECORDS[:5])
    with pytest.warns(ChangedOutputWarning):
        kind.load("copied/subset.manifest.json")
    Path("copied/subset.jsonl").unlink()
    kind.load("copied/subset.manifest.json")


def test_the_name_of_the_records_leads_nowhere_else():
    succeed(*SELECT, "-b", 5)
    document = json.loads(Path("subset.manifest.json").read_text())
    del document["format"], document["version"], document["checksum"]
    document["output"] = {"name": "../train.jsonl", "sha256": "sha256:0"}
    Path("sub").mkdir()
    Path("sub/x.json").write_bytes(Selection.codec.to_json(document))

    assert len(Selection.load("sub/x.json")) == 5


STREAM = ("stream", "new.jsonl", "-b", 5, *LETTERS, "--no-cache", "--state", "stream.state")


@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("point", [3, 6, 7])  # renames of the state, the manifest, the subset
def test_a_stream_takes_rows_in_once_wherever_it_is_killed(point, moment, forced):
    write("old.jsonl", RECORDS[:20])
    write("new.jsonl", RECORDS[20:])
    output = ("-o", "subset.jsonl", *(["--force"] if forced else []))
    succeed("stream", "old.jsonl", *STREAM[2:], *(output if forced else ()))
    shutil.copy("stream.state", "before.state")

    killed(point, moment, signal.SIGKILL, *STREAM, *output)
    complete = (point, moment) == (7, "after")
    if complete and not forced:
        assert "already exists" in fail(*STREAM, *output)
    else:
        succeed(*STREAM, *output)
    ids, seen = ids_of("subset.jsonl"), UniformStream.load("stream.state").seen

    shutil.copy("before.state", "stream.state")
    succeed(*STREAM, "-o", "right.jsonl")
    assert (ids, seen) == (ids_of("right.jsonl"), 40)
    assert leftovers() == []


def test_a_failure_to_write_takes_no_rows_in(monkeypatch):
    write("old.jsonl", RECORDS[:20])
    write("new.jsonl", RECORDS[20:])
    succeed("stream", "old.jsonl", *STREAM[2:])
    before = Path("stream.state").read_bytes()
    with monkeypatch.context() as patch:

        def full(_):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        assert "No space left" in fail(*STREAM, "-o", "subset.jsonl")
    assert Path("stream.state").read_bytes() == before

    succeed(*STREAM, "-o", "subset.jsonl")
    assert UniformStream.load("stream.state").seen == 40


def test_the_same_rows_again_count_once_and_others_are_added():
    write("a.jsonl", RECORDS[:20])
    write("b.jsonl", RECORDS[20:])
    rest = STREAM[2:]

    for name, seen in (("a", 20), ("a", 20), ("b", 40), ("b", 40), ("a", 60)):
        ran = succeed("stream", f"{name}.jsonl", *rest)
        assert UniformStream.load("stream.state").seen == seen
    assert ran.stderr == ""
    assert "took in the same 20 rows last time" in succeed("stream", "a.jsonl", *rest).stderr


def test_too_few_rows_count_once_too():
    write("few.jsonl", RECORDS[:3])
    arguments = ("stream", "few.jsonl", *STREAM[2:])

    for _ in range(2):
        assert run_evenly(*arguments).exit_code == 2
        assert UniformStream.load("stream.state").seen == 3
