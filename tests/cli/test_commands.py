"""The command line: what it prints, writes, refuses and leaves alone."""

import errno
import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from evenly.cli.jobs import manifest_path

import evenly
from evenly import Selection, cli, select_uniform
from evenly.embedding import load_encoder
from evenly.samples import open_samples
from evenly.selection.greedy.checkpoint import read_checkpoint
from tests.support.encoders import TopicEncoder, texts_of

TEXTS = texts_of(40)
RECORDS = [{"id": row, "text": text} for row, text in enumerate(TEXTS)]
VECTORS = np.random.default_rng(0).normal(size=(40, 5))


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))
    # `--encoder topics` stands for a model, so that no test here loads one.
    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", encoder_by_name)
    write_lines("train.jsonl", RECORDS)
    np.save("vectors.npy", VECTORS)


@functools.wraps(load_encoder)
def encoder_by_name(encoder, **options):
    return load_encoder(CachedTopicEncoder() if encoder == "topics" else encoder, **options)


class CachedTopicEncoder(TopicEncoder):
    fingerprint = "topics 1"


def write_lines(path, records):
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))


def ids_of(path):
    return [json.loads(line)["id"] for line in Path(path).read_text().splitlines()]


def evenly_(*arguments, input=None):
    return CliRunner().invoke(
        cli.main, [str(argument) for argument in arguments], input=input, catch_exceptions=False
    )


def succeed(*arguments, input=None):
    ran = evenly_(*arguments, input=input)
    assert ran.exit_code == 0, ran.stderr
    return ran


def fail(*arguments, input=None):
    """The one line that says why; nothing is left in the folder that was not there."""
    before = folder_contents()
    ran = evenly_(*arguments, input=input)
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert folder_contents() == before
    *_, last = ran.stderr.splitlines()
    return last


def folder_contents():
    return {
        path: path.read_bytes()
        for path in Path().rglob("*")
        if path.is_file() and "cache" not in path.parts
    }


def select(*arguments, input=None):
    return succeed("select", *arguments, "--encoder", "topics", input=input)


def test_select_prints_a_table_and_writes_records_and_manifest():
    ran = select("train.jsonl", "--budget", "8", "-o", "subset.jsonl")

    expected = select_uniform(TEXTS, 8, encoder=TopicEncoder())
    assert ids_of("subset.jsonl") == expected.indices.tolist()
    manifest = Selection.load("subset.manifest.json")
    np.testing.assert_array_equal(manifest.indices, expected.indices)
    np.testing.assert_array_equal(manifest.radii, expected.radii)
    assert ran.stderr == ""
    table = dict(line.split("  ", 1) for line in ran.stdout.splitlines() if line and line[0] != " ")
    told = {name: value.strip() for name, value in table.items()}
    assert told["input"] == "train.jsonl: 40 rows, 11 dimensions"
    assert told["text"] == "text, embedded with CachedTopicEncoder"
    assert told["chosen"] == "8 rows (20.0%); none dropped"
    cosine = expected.h_min**2 / 2
    assert told["h_min"] == f"{expected.h_min:.4f} (cosine distance {cosine:.4f})"
    assert told["coverage radius"].startswith(f"{expected.coverage_radius:.4f} ")
    assert told["seconds"].split(", ")[-1].startswith("measuring ")
    assert "random subsets" in ran.stdout
    assert "times as far apart" in ran.stdout


@pytest.mark.parametrize(("budget", "rows"), [("1", 1), ("1.0", 40), ("0.5", 20), ("40", 40)])
def test_a_point_makes_a_budget_a_fraction(budget, rows):
    select("train.jsonl", "-b", budget, "-o", "subset.jsonl")

    assert len(ids_of("subset.jsonl")) == rows


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("0", "at least 1 row, got 0"),
        ("-3", "at least 1 row, got -3"),
        ("41", "between 1 and the pool size 40, got 41"),
        ("1.5", "in (0, 1], got 1.5"),
        ("0.0", "in (0, 1], got 0.0"),
        ("nan", "in (0, 1], got nan"),
        ("half", "'half' is neither a number of rows (500) nor a fraction (0.5)"),
    ],
)
def test_a_budget_that_is_none(budget, said):
    assert said in fail("select", "vectors.npy", "-b", budget, "-o", "subset.npy")


def test_order_of_the_file():
    select("train.jsonl", "-b", "8", "-o", "subset.jsonl", "--order", "file")

    assert ids_of("subset.jsonl") == sorted(
        select_uniform(TEXTS, 8, encoder=TopicEncoder()).indices.tolist()
    )


@pytest.mark.parametrize(
    "suffix", ["jsonl", "jsonl.gz", "json", "json.gz", "csv", "csv.gz", "tsv", "parquet"]
)
def test_every_format_in_and_out(suffix):
    select("train.jsonl", "-b", "1.0", "-o", f"all.{suffix}", "--order", "file")
    assert manifest_path(f"all.{suffix}").name == "all.manifest.json"

    select(f"all.{suffix}", "-b", "8", "-o", f"subset.{suffix}")
    select(f"subset.{suffix}", "-b", "1.0", "-o", "back.jsonl", "--order", "file")

    expected = select_uniform(TEXTS, 8, encoder=TopicEncoder()).indices.tolist()
    assert [int(row) for row in ids_of("back.jsonl")] == expected


def test_vectors_in_and_out():
    succeed(
        "select", "vectors.npy", "-b", "8", "-o", "subset.npy", "--no-normalize", "--start", "3"
    )

    expected = select_uniform(VECTORS, 8, normalize=False, start=3)
    np.testing.assert_array_equal(np.load("subset.npy"), VECTORS[expected.indices])


def test_a_folder_and_a_glob_of_shards():
    Path("shards").mkdir()
    for part in range(4):
        write_lines(f"shards/{part}.jsonl", RECORDS[part * 10 : part * 10 + 10])

    select("shards", "-b", "8", "-o", "folder.jsonl")
    select("shards/*.jsonl", "-b", "8", "-o", "glob.jsonl")

    expected = select_uniform(TEXTS, 8, encoder=TopicEncoder()).indices.tolist()
    assert ids_of("folder.jsonl") == ids_of("glob.jsonl") == expected


def test_stdin_and_stdout():
    ran = select("-", "-b", "8", "-o", "-", input=Path("train.jsonl").read_bytes())

    found = [json.loads(line)["id"] for line in ran.stdout.splitlines()]
    assert found == select_uniform(TEXTS, 8, encoder=TopicEncoder()).indices.tolist()
    assert "input" in ran.stderr
    assert "standard input" in ran.stderr
    assert list(Path().glob("*manifest*")) == []


def test_json_for_machines():
    told = json.loads(select("train.jsonl", "-b", "8", "--json").stdout)

    expected = select_uniform(TEXTS, 8, encoder=TopicEncoder())
    assert told["selection"]["h_min"] == expected.h_min
    assert told["selection"]["coverage_radius"] == expected.coverage_radius
    assert told["selection"]["provenance"]["options"]["budget"] == 8
    assert "indices" not in told["selection"]
    assert told["measures"]["size"] == 8
    assert told["measures"]["random"]["subsets"] == 3
    assert told["output"] is None
    assert json.loads(succeed("select", "vectors.npy", "-b", "1", "--json").stdout)


def test_random_subsets_and_seed():
    told = [
        json.loads(succeed("select", "vectors.npy", "-b", "5", "--json", *more).stdout)["measures"]
        for more in (
            ["--random-subsets", "0"],
            ["--seed", "1"],
            ["--seed", "2"],
            ["--seed", "2", "--random-subsets", "1"],
        )
    ]

    assert told[0]["random"] is None
    assert told[1]["random"] != told[2]["random"]
    assert told[3]["random"]["h_min"]["std"] == 0
    random = ("select", "vectors.npy", "-b", "2", "--start", "random", "--json", "--seed")
    starts = {
        tuple(json.loads(succeed(*random, seed).stdout)["measures"]["closest_pair"])
        for seed in range(6)
    }
    assert len(starts) > 1


def test_dropped_rows_are_told_and_long_texts_counted():
    write_lines("bad.jsonl", [*RECORDS, {"id": 40, "text": None}, {"id": 41, "text": "a" * 99}])

    ran = select("bad.jsonl", "-b", "1.0", "-o", "subset.jsonl", "--on-invalid", "drop")

    assert sorted(ids_of("subset.jsonl")) == [*range(40), 41]
    assert "41 rows (97.6%); 1 rows dropped as unusable" in ran.stdout
    assert "(1 texts exceed its window and were truncated)" in ran.stdout
    assert (
        "1 of 42 rows dropped for their text: bad.jsonl, line 41 column 'text' is None"
        in ran.stderr
    )
    assert all(line.startswith("evenly: ") for line in ran.stderr.splitlines())
    assert Selection.load("subset.manifest.json").provenance.dropped == {
        "40": "column 'text' is None"
    }
    assert "bad.jsonl, line 41 column 'text' is None" in fail(
        "select", "bad.jsonl", "-b", "3", "--encoder", "topics", "-o", "other.jsonl"
    )


@pytest.mark.parametrize("where", ["before", "after"])
def test_quiet_and_verbose_go_before_and_after_the_command(where):
    np.save("same.npy", np.ones((4, 2)))

    def stderr_with(option, *arguments):
        line = [option, *arguments] if where == "before" else [*arguments, option]
        return succeed(*line).stderr

    same = ("select", "same.npy", "-b", "2")
    train = ("select", "train.jsonl", "-b", "2", "--encoder", "topics")
    assert succeed(*same).stderr == (
        "evenly: warning: only 1 of the rows are distinct, fewer than the 2 asked for: "
        "h_min is 0. For distinct rows alone, take prefix(1).\n"
    )
    assert stderr_with("-q", *same) == ""
    assert succeed(*train).stderr == ""
    assert "evenly: text column: text (detected automatically)" in stderr_with("-v", *train)


def test_several_columns_are_joined():
    write_lines("two.jsonl", [{"q": text, "a": text[::-1]} for text in TEXTS])

    select("two.jsonl", "-b", "5", "--text", "q, a", "-o", "subset.jsonl")

    provenance = Selection.load("subset.manifest.json").provenance
    assert provenance.text == "q + a"
    assert provenance.options["text"] == ["q", "a"]
    assert "no column 'b'. " in fail("select", "two.jsonl", "-b", "5", "--text", "q,b")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["select"], "Missing argument 'DATA'"),
        (["select", "train.jsonl"], "Missing option '--budget'"),
        (["select", "gone.jsonl", "-b", "1"], "there is no file gone.jsonl"),
        (["select", "vectors.npy", "-b", "1", "--engine", "x"], "engine must be one of"),
        (["select", "vectors.npy", "-b", "1", "--start", "x"], "start must be"),
        (["select", "vectors.npy", "-b", "1", "--checkpoint", "."], "'.' is a directory"),
        (["select", "vectors.npy", "-b", "1", "--checkpoint", "vectors.npy"], "is not a check"),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.npy", "--checkpoint", "x.npy"],
            "x.npy cannot be both output and checkpoint",
        ),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.npy", "--checkpoint", "x.manifest.json"],
            "x.manifest.json cannot be both",
        ),
        (["extend"], "Missing argument 'MANIFEST'"),
        (["extend", "gone.json", "-b", "1"], "'gone.json' does not exist"),
        (["extend", "train.jsonl", "-b", "1"], "is not a saved selection"),
        (["extend", "train.jsonl"], "Missing option '--budget'"),
        (["select", "vectors.npy", "-b", "1", "--start=--5"], "start must be"),
        (["select", "vectors.npy", "-b", "1", "--start", "-1"], "got -1"),
        (["select", "vectors.npy", "-b", "1", "--seed", "-1"], "seed must be a whole number"),
        (["select", "vectors.npy", "-b", "1", "--on-invalid", "x"], "--on-invalid"),
        (["select", "vectors.npy", "-b", "1", "--text", "q"], "holds vectors, not texts"),
        (["select", "vectors.npy", "-b", "1", "-o", "x.txt"], "cannot determine the output format"),
        (
            ["select", "vectors.npy", "-b", "1", "-o", "x.jsonl"],
            "cannot be written as jsonl. Write .npy",
        ),
        (["select", "train.jsonl", "-b", "1", "--batch-size", "0"], "batch_size must be"),
        (["select", "train.jsonl", "-b", "1", "--roles", ","], "roles must name"),
        (["measure", "vectors.npy", "gone.txt"], "'gone.txt' does not exist"),
        (["embed", "train.jsonl", "-o", "x.txt"], "vectors are written as .npy or .safetensors"),
        (["embed", "vectors.npy", "-o", "x.npy"], "holds vectors already"),
        (["demo", "-o", "x.txt"], "cannot determine the output format"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, said):
    assert said in fail(*arguments)


@pytest.mark.parametrize("taken", ["subset.jsonl", "subset.manifest.json"])
def test_an_output_that_exists_is_refused_before_any_work(taken, monkeypatch):
    Path(taken).write_text("mine")
    arguments = ["select", "train.jsonl", "-b", "3", "-o", "subset.jsonl", "--encoder", "topics"]

    with monkeypatch.context() as patch:
        patch.setattr("evenly.cli.jobs.select_and_keep", None)
        assert f"{taken} already exists" in fail(*arguments)
    succeed(*arguments, "--force")

    assert len(ids_of("subset.jsonl")) == 3
    assert len(Selection.load("subset.manifest.json")) == 3


def test_an_unknown_suffix_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("evenly.cli.jobs.select_and_keep", None)

    assert "x.txt" in fail("select", "train.jsonl", "-b", "3", "-o", "x.txt")


def test_the_input_is_never_the_output():
    assert "is the input itself" in fail(
        "select", "train.jsonl", "-b", "3", "-o", "train.jsonl", "--force", "--encoder", "topics"
    )


@pytest.mark.parametrize("forced", [False, True])
def test_a_full_disk_leaves_neither_records_nor_manifest(monkeypatch, forced):
    options = ["-o", "subset.jsonl", "--encoder", "topics", "--no-cache"]
    if forced:
        succeed("select", "train.jsonl", "-b", "3", *options)
        options.append("--force")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("evenly.atomic.os.fsync", full)
        said = fail("select", "train.jsonl", "-b", "5", *options)

    assert "cannot write subset.jsonl: No space left on device" in said


def manifest_of(*arguments):
    select("train.jsonl", *arguments, "-o", "first.jsonl")
    return "first.manifest.json"


@pytest.mark.parametrize(
    "options",
    [
        ["-b", "8"],
        ["-b", "0.25", "--no-normalize", "--start", "5"],
        [
            "-b",
            "6",
            "--start",
            "random",
            "--seed",
            "9",
            "--text",
            "id,text",
            "--on-invalid",
            "drop",
        ],
    ],
)
def test_a_manifest_can_be_repeated(options):
    if "id,text" in options:
        write_lines("train.jsonl", [record | {"id": str(record["id"])} for record in RECORDS])
    manifest = manifest_of(*options)

    succeed("select", "--from-manifest", manifest, "-o", "second.jsonl")

    assert Path("first.jsonl").read_bytes() == Path("second.jsonl").read_bytes()
    one, two = Selection.load(manifest), Selection.load("second.manifest.json")
    assert one.provenance.options == two.provenance.options


def test_a_repeated_manifest_takes_its_input_from_elsewhere_too():
    manifest = manifest_of("-b", "8")
    Path("train.jsonl").rename("moved.jsonl")

    assert "there is no file train.jsonl" in fail("select", "--from-manifest", manifest)
    succeed("select", "moved.jsonl", "--from-manifest", manifest, "-o", "second.jsonl")

    assert ids_of("second.jsonl") == ids_of("first.jsonl")


def test_a_manifest_is_not_repeated_on_another_input():
    manifest = manifest_of("-b", "8")
    write_lines("train.jsonl", [*RECORDS[:-1], {"id": 99, "text": "other"}])

    assert "its content has changed since" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl"
    )


def test_a_manifest_is_not_repeated_when_other_rows_come_out():
    manifest = manifest_of("-b", "8")

    assert f"other rows came out than {manifest} says, from pick 0 on" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl", "--start", "1"
    )
    assert "from pick 5 on. Then" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl", "-b", "5"
    )
    assert "from pick 8 on. For more rows: evenly extend. Then" in fail(
        "select", "--from-manifest", manifest, "-o", "second.jsonl", "-b", "9"
    )


def test_a_manifest_of_python_objects_or_standard_input_cannot_be_repeated():
    select_uniform("train.jsonl", 3, encoder=TopicEncoder()).save("object.json")
    select_uniform(VECTORS, 3).save("memory.json")

    assert "encoder was a Python object (<TopicEncoder>)" in fail(
        "select", "--from-manifest", "object.json"
    )
    assert "cannot be opened again" in fail("select", "--from-manifest", "memory.json")
    succeed("select", "vectors.npy", "--from-manifest", "memory.json")
    assert "not a saved selection" in fail("select", "--from-manifest", "train.jsonl")


def test_a_manifest_does_not_grant_trust_in_code(monkeypatch):
    manifest = manifest_of("-b", "3", "--batch-size", "5")
    document = json.loads(Path(manifest).read_text())
    document["provenance"]["options"]["encoder_options"]["trust_remote_code"] = True
    Path(manifest).write_text(json.dumps(document))
    asked = []
    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", recording(asked))

    succeed("select", "--from-manifest", manifest)
    succeed("select", "--from-manifest", manifest, "--trust-remote-code")

    assert asked[0] == {"device": "auto", "batch_size": 5}
    assert asked[1] == {"device": "auto", "batch_size": 5, "trust_remote_code": True}


def recording(asked):
    @functools.wraps(load_encoder)
    def load(encoder, **options):
        asked.append(options)
        return load_encoder(CachedTopicEncoder())

    return load


def test_options_of_the_encoder_are_passed_on(monkeypatch):
    asked = []
    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", recording(asked))

    select(
        "train.jsonl", "-b", "2", "--device", "cpu", "--batch-size", "3", "--dtype", "float16",
        "--prompt", "query: ", "--backend", "onnx", "--max-length", "64",
    )  # fmt: skip

    assert asked == [
        {
            "device": "cpu",
            "batch_size": 3,
            "dtype": "float16",
            "prompt": "query: ",
            "backend": "onnx",
            "max_length": 64,
        }
    ]


def test_the_cache_is_used_shown_emptied_and_left_out():
    def embedded(*arguments):
        told = json.loads(select("train.jsonl", "-b", "3", "--json", *arguments).stdout)
        return told["selection"]["provenance"]["encoder"]["computed"]

    assert embedded("--no-cache") == 40
    assert embedded() == 40
    assert embedded() == 0
    assert embedded("--cache-dir", "elsewhere") == 40
    shown = json.loads(succeed("cache", "info", "--json").stdout)
    assert [(model["name"], model["rows"]) for model in shown["models"]] == [
        ("CachedTopicEncoder", 40)
    ]
    assert "40 vectors" in succeed("cache", "info").stdout
    assert "40 vectors" in succeed("cache", "info", "--cache-dir", "elsewhere").stdout
    assert "MB freed in" in succeed("cache", "clear").stdout
    assert json.loads(succeed("cache", "info", "--json").stdout)["models"] == []
    assert embedded() == 40


def test_embed_writes_vectors_that_select_takes():
    ran = succeed("embed", "train.jsonl", "-o", "embedded.npy", "--encoder", "topics")

    assert ran.stdout.startswith("40 × 11 vectors by CachedTopicEncoder in ")
    np.testing.assert_array_equal(np.load("embedded.npy"), TopicEncoder().encode(TEXTS))
    succeed("select", "embedded.npy", "-b", "8", "-o", "subset.npy")
    np.testing.assert_array_equal(
        Selection.load("subset.manifest.json").indices,
        select_uniform(TEXTS, 8, encoder=TopicEncoder()).indices,
    )
    assert "already exists" in fail("embed", "train.jsonl", "-o", "embedded.npy")
    succeed("embed", "train.jsonl", "-o", "embedded.safetensors", "--encoder", "topics")
    np.testing.assert_array_equal(
        open_samples("embedded.safetensors").vectors, np.load("embedded.npy")
    )


@pytest.mark.parametrize("name", ["rows.txt", "rows.npy"])
def test_measure_reads_row_numbers(name):
    if name == "rows.npy":
        np.save(name, np.array([3, 9, 1]))
    else:
        Path(name).write_text("3\n9\n\n1\n")

    told = json.loads(succeed("measure", "vectors.npy", name, "--json", "--seed", "4").stdout)

    expected = evenly.measure(VECTORS, [3, 9, 1], random_subsets=3, seed=4)
    assert told | {"seconds": 0} == expected.as_dict() | {"seconds": 0}
    table = succeed("measure", "vectors.npy", name, "--no-normalize").stdout
    assert "3 of 40 rows" in table
    assert "cosine" not in table


def test_measure_takes_the_options_of_a_manifest():
    manifest = manifest_of("-b", "8", "--no-normalize")
    expected = select_uniform(TEXTS, 8, encoder=TopicEncoder(), normalize=False)

    def h_min_of(*arguments):
        return json.loads(succeed("measure", *arguments, "--json").stdout)["h_min"]

    assert h_min_of("train.jsonl", manifest) == pytest.approx(expected.h_min)
    assert h_min_of("train.jsonl", manifest, "--normalize") < 2
    succeed("embed", "train.jsonl", "-o", "embedded.npy", "--encoder", "topics")
    assert h_min_of("embedded.npy", manifest) == pytest.approx(expected.h_min)
    assert "cosine" not in succeed("measure", "train.jsonl", manifest).stdout
    np.save("shorter.npy", VECTORS[:30])
    assert "shorter.npy has 30 rows" in fail("measure", "shorter.npy", manifest)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.txt", b"1\ntwo\n", "rows.txt, line 2: 'two' is not a row number"),
        ("rows.txt", b"", "non-empty sequence of row numbers"),
        ("rows.txt", b"1\n1\n", "row 1 is named 2 times"),
        ("rows.txt", b"40\n", "from 0 to 39, got 40"),
        ("rows.txt", b"\xff\xfe\x00", "is not a row number"),
        ("rows.npy", b"", "rows.npy is not an array of row numbers"),
        ("rows.npy", b"\x93NUMPY", "rows.npy is not an array of row numbers"),
        ("rows.json", b"[1]", "rows.json is not a saved selection"),
    ],
)
def test_row_numbers_that_are_none(name, content, said):
    Path(name).write_bytes(content)

    assert said in fail("measure", "vectors.npy", name)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("subset.jsonl", "subset.manifest.json"),
        ("subset.jsonl.gz", "subset.manifest.json"),
        ("deep/train.v2.csv", "deep/train.v2.manifest.json"),
        ("train.2024.json.gz", "train.2024.manifest.json"),
    ],
)
def test_the_manifest_lies_beside_the_output(output, expected):
    assert str(manifest_path(output)) == expected


@pytest.mark.parametrize("start", ["medoid", "random"])
def test_the_first_pick_may_be_named(start):
    select("train.jsonl", "-b", "8", "--start", start, "--seed", "3", "-o", "subset.jsonl")

    expected = select_uniform(TEXTS, 8, encoder=TopicEncoder(), start=start, seed=3)
    assert ids_of("subset.jsonl") == expected.indices.tolist()


def extend(*arguments, input=None):
    return succeed("extend", *arguments, input=input)


@pytest.mark.parametrize(
    "options", [[], ["--no-normalize", "--start", "medoid"], ["--start", "random", "--seed", "9"]]
)
def test_extend_gives_what_the_larger_budget_gives(options):
    manifest = manifest_of("-b", "8", *options)
    select("train.jsonl", "-b", "0.5", *options, "-o", "long.jsonl")

    ran = extend(manifest, "-b", "0.5", "-o", "second.jsonl")

    assert ids_of("second.jsonl") == ids_of("long.jsonl")
    assert "20 rows (50.0%)" in ran.stdout
    long, second = (Selection.load(f"{name}.manifest.json") for name in ("long", "second"))
    for part in ("options", "input", "text"):
        assert second.provenance[part] == long.provenance[part]
    assert second.provenance.taken_over == 8
    assert second.provenance.encoder.computed == 0
    # What was extended can be extended, repeated and measured.
    extend("second.manifest.json", "-b", "30", "-o", "third.jsonl", "--order", "file")
    assert ids_of("third.jsonl") == sorted(ids_of("third.jsonl"))
    assert set(ids_of("third.jsonl")) > set(ids_of("second.jsonl"))
    succeed("select", "--from-manifest", "third.manifest.json", "-o", "again.jsonl")
    succeed("measure", "train.jsonl", "third.manifest.json")


def test_extend_takes_its_input_from_elsewhere_too():
    manifest = manifest_of("-b", "8")
    content = Path("train.jsonl").read_bytes()
    Path("train.jsonl").rename("moved.jsonl")

    assert "there is no file train.jsonl" in fail("extend", manifest, "-b", "9")
    extend(manifest, "moved.jsonl", "-b", "9", "-o", "moved-9.jsonl")
    piped = extend(manifest, "-", "-b", "9", "-o", "-", input=content)

    assert [json.loads(line)["id"] for line in piped.stdout.splitlines()] == ids_of("moved-9.jsonl")
    assert Selection.load("moved-9.manifest.json").provenance.input.path == "moved.jsonl"
    write_lines("moved.jsonl", RECORDS[::-1])
    assert "moved.jsonl is not what this selection was made from: input: train.jsonl" in fail(
        "extend", manifest, "moved.jsonl", "-b", "9"
    )


def test_extend_refuses_what_it_cannot_do():
    manifest = manifest_of("-b", "8")
    select_uniform("train.jsonl", 3, encoder=TopicEncoder()).save("object.json")

    assert "this selection has 8 rows, and to=8 asks for 8" in fail("extend", manifest, "-b", "8")
    assert "encoder was a Python object (<TopicEncoder>)" in fail(
        "extend", "object.json", "-b", "9"
    )
    assert "engine must be one of" in fail("extend", manifest, "-b", "9", "--engine", "x")
    assert "first.jsonl already exists" in fail("extend", manifest, "-b", "9", "-o", "first.jsonl")
    extend(manifest, "-b", "9", "-o", "first.jsonl", "--force")
    assert len(ids_of("first.jsonl")) == 9


def test_extend_runs_the_model_as_told_and_reads_no_trust_from_a_file(monkeypatch):
    manifest = manifest_of("-b", "3")
    document = json.loads(Path(manifest).read_text())
    document["provenance"]["options"]["encoder_options"] = {
        "prompt": "query: ",
        "batch_size": 5,
        "trust_remote_code": True,
    }
    Path(manifest).write_text(json.dumps(document))
    asked = []
    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", recording(asked))

    extend(manifest, "-b", "4")
    extend(manifest, "-b", "4", "--trust-remote-code", "--batch-size", "9", "--device", "cpu")

    kept = {"prompt": "query: ", "batch_size": 5, "device": "auto"}
    assert asked[0] == kept
    assert asked[1] == kept | {"batch_size": 9, "device": "cpu", "trust_remote_code": True}


def test_a_checkpoint_is_kept_and_continued_from():
    command = ("train.jsonl", "-b", "8", "--checkpoint", "run.ckpt")
    select(*command, "-o", "one.jsonl")
    before = Path("run.ckpt").read_bytes()

    select(*command, "-o", "two.jsonl")

    assert Path("one.jsonl").read_bytes() == Path("two.jsonl").read_bytes()
    assert Path("run.ckpt").read_bytes() == before
    assert Selection.load("two.manifest.json").provenance.taken_over == 8
    assert "run.ckpt is the checkpoint of another selection: start: farthest-from-mean then" in (
        fail("select", *command, "--encoder", "topics", "--start", "3")
    )
    extend("one.manifest.json", "-b", "9", "--checkpoint", "run.ckpt")
    assert Path("run.ckpt").read_bytes() != before
    succeed("select", "--from-manifest", "one.manifest.json", "--checkpoint", "run.ckpt")


def test_interrupting_is_said_in_one_line(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("evenly.cli.jobs.select_and_keep", interrupt)

    for options in ([], ["--checkpoint", "not-yet"]):
        ran = evenly_("select", "vectors.npy", "-b", "3", *options)
        assert ran.exit_code == 130
        assert ran.stderr == "evenly: interrupted; finished embeddings are kept in the cache.\n"


INTERRUPTED = """
import signal, sys
from evenly.cli import main
from tests.support.interrupts import rounds_of, signal_after
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
with rounds_of(3), signal_after(2, signal.Signals[sys.argv.pop(1)]):
    main(prog_name='evenly')
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("command", ["select", "extend"])
def test_a_process_that_is_stopped_says_where_it_goes_on(name, code, command):
    if command == "select":
        arguments = ["select", "vectors.npy", "-b", "30", "-o", "subset.npy"]
        held = 7
    else:
        succeed("select", "vectors.npy", "-b", "5", "-o", "short.npy")
        arguments = ["extend", "short.manifest.json", "-b", "30", "-o", "subset.npy"]
        held = 11
    arguments += ["--checkpoint", "run.ckpt"]
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))

    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, name, *arguments],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ran.stderr == (
        "evenly: interrupted; the picks so far are in run.ckpt: "
        "the same command again continues there.\n"
    )
    assert ran.stdout == ""
    assert ran.returncode == code
    assert len(read_checkpoint("run.ckpt").picks) == held
    assert not Path("subset.npy").exists()
    succeed(*arguments)
    expected = select_uniform(VECTORS, 30)
    np.testing.assert_array_equal(np.load("subset.npy"), VECTORS[expected.indices])
    assert Selection.load("subset.manifest.json").provenance.taken_over == held


def test_the_handler_of_sigterm_is_as_before(monkeypatch):
    def of_somebody(*_):
        pass

    seen = []

    def look(*_, **__):
        seen.append(signal.getsignal(signal.SIGTERM))
        raise KeyboardInterrupt

    monkeypatch.setattr("evenly.cli.jobs.select_and_keep", look)
    before = signal.getsignal(signal.SIGTERM)
    try:
        for handler in (signal.SIG_DFL, of_somebody, signal.SIG_IGN):
            signal.signal(signal.SIGTERM, handler)
            evenly_("select", "vectors.npy", "-b", "3")
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)

    assert seen[0] is not signal.SIG_DFL
    assert seen[1:] == [of_somebody, signal.SIG_IGN]


def test_version_and_help():
    assert succeed("--version").stdout == f"evenly, version {evenly.__version__}\n"
    for command in ("", "select", "extend", "measure", "embed", "cache", "demo"):
        assert "Usage: main" in succeed(*command.split(), "--help").stdout


def run_process(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", "from evenly.cli import main; main(prog_name='evenly')", *arguments],
        text=True,
        timeout=120,
        check=False,
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_real_process_writes_and_fails_as_told():
    command = ("select", "vectors.npy", "-b", "4", "-o", "subset.npy")

    ran = run_process(*command, stdout=subprocess.PIPE)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "4 rows (10.0%)" in ran.stdout

    again = run_process(*command)
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "subset.npy already exists" in again.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("output", [["-o", "-"], []])
def test_a_full_standard_output_is_one_line(output):
    with Path("/dev/full").open("w") as full:
        ran = run_process("select", "vectors.npy", "-b", "4", *output, stdout=full)

    assert ran.returncode == 2
    assert ran.stderr == "evenly: error: No space left on device\n"


def test_a_reader_that_leaves_is_no_traceback():
    np.save("large.npy", np.random.default_rng(0).normal(size=(20_000, 2)))
    reading, writing = os.pipe()
    os.close(reading)

    ran = run_process(
        "-q", "select", "large.npy", "-b", "1", "--random-subsets", "0", stdout=writing
    )

    os.close(writing)
    assert ran.returncode == 1
    assert ran.stderr == ""


@pytest.mark.model
def test_a_model_that_is_not_to_be_had_is_one_error_with_the_ways_out(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    ran = run_process("select", "train.jsonl", "-b", "3", "--encoder", "no-such-model")

    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "no-such-model" in ran.stderr
    assert "evenly[offline]" in ran.stderr
    assert "path of a model folder" in ran.stderr


def test_estimate_says_engine_memory_and_time_as_a_table_and_as_json():
    np.save("vectors.npy", np.ones((300, 8), np.float32))
    told = succeed("estimate", "vectors.npy", "-b", "0.1").stdout
    assert "engine     memory" in told
    assert "30 of 300, 8 dimensions" in told
    numbers = json.loads(succeed("estimate", "vectors.npy", "-b", "0.1", "--json").stdout)
    assert (numbers["engine"], numbers["budget"], numbers["rows"]) == ("memory", 30, 300)
    assert "budget must be between 1 and" in fail("estimate", "vectors.npy", "-b", "301")
