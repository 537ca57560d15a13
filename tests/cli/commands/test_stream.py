"""The command `stream`: files, pipes, a state to continue from, and a second pass."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from evenly import StreamSelection, cli, select_stream
from tests.support.command_line import MODEL, TEXTS, ids_of, succeed
from tests.support.encoders import CachedTopicEncoder
from tests.support.streams import RECORDS, VECTORS


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


def evenly_(*arguments, input=None):
    return CliRunner().invoke(
        cli.main, [str(argument) for argument in arguments], input=input, catch_exceptions=False
    )


def test_the_command_line_chooses_from_files_and_goes_on_another_day(tmp_path):
    np.save("a.npy", VECTORS[:100])
    np.save("b.npy", VECTORS[100:])
    expected = select_stream([VECTORS], 7, normalize=False)

    told = evenly_("stream", "a.npy", "b.npy", "-b", 7, "--no-normalize", "-o", "out.npy")
    assert told.exit_code == 0, told.output
    assert "7 of 300 rows" in told.output
    np.testing.assert_array_equal(np.load("out.npy"), expected.records)
    manifest = StreamSelection.load("out.manifest.json")
    assert manifest.indices.tolist() == expected.indices.tolist()

    options = ("-b", 7, "--no-normalize", "--state", "state.npz")
    np.save("few.npy", VECTORS[:3])
    np.save("rest.npy", VECTORS[3:100])
    told = evenly_("stream", "few.npy", *options)
    assert (told.exit_code, "They are kept in state.npz: go on" in told.output) == (2, True)
    assert evenly_("stream", "rest.npy", *options).exit_code == 0
    told = evenly_("stream", "b.npy", *options, "-o", "again.npy", "--json")
    assert told.exit_code == 0, told.output
    np.testing.assert_array_equal(np.load("again.npy"), expected.records)
    assert json.loads(told.output)["h_min"] == expected.h_min
    told = evenly_("stream", "b.npy", "-b", 8, "--no-normalize", "--state", "state.npz")
    assert (told.exit_code, "state.npz was begun with other options" in told.output) == (2, True)
    assert evenly_("stream", "b.npy", "-b", 7, "--no-normalize", "-o", "out.npy").exit_code == 2
    assert evenly_("stream", "-b", 7).exit_code == 2


def test_the_command_line_reads_a_pipe_and_measures_in_a_second_pass(tmp_path, monkeypatch):
    from evenly.embedding import load_encoder

    @functools.wraps(load_encoder)
    def by_name(encoder, **options):
        return load_encoder(CachedTopicEncoder() if encoder == "topics" else encoder, **options)

    monkeypatch.setattr("evenly.inputs.prepare.load_encoder", by_name)
    content = "".join(json.dumps(record) + "\n" for record in RECORDS)
    (tmp_path / "train.jsonl").write_text(content)
    expected = select_stream([RECORDS], 5, encoder=CachedTopicEncoder(), second_pass=True)

    options = ("-b", 5, "--encoder", "topics")
    told = evenly_("stream", "-", *options, "-o", "-", input=content)
    assert [json.loads(line) for line in told.stdout.splitlines()] == expected.records
    told = evenly_("stream", "train.jsonl", *options, "--second-pass", "--json")
    assert json.loads(told.output)["coverage_radius"] == expected.coverage_radius
    told = evenly_("stream", "train.jsonl", *options)
    assert "covered within" in told.output
    told = evenly_("stream", "-", *options, "--second-pass", input=content)
    assert (told.exit_code, "second_pass" in told.output) == (2, True)


def test_rows_at_once_are_not_the_batch_of_the_encoder():
    arguments = ("stream", "train.jsonl", "-b", 6, "--encoder", MODEL, "-o", "chosen.jsonl")

    succeed(*arguments, "--rows-at-once", 7, "--batch-size", 5)

    expected = select_stream([TEXTS], 6, encoder=MODEL, cache_dir=False)
    assert ids_of("chosen.jsonl") == expected.indices.tolist()
    options = StreamSelection.load("chosen.manifest.json").provenance.options
    assert options["encoder_options"] == {"batch_size": 5}
    Path("chosen.jsonl").unlink()
    succeed(*arguments, "--force")
    options = StreamSelection.load("chosen.manifest.json").provenance.options
    assert options["encoder_options"] == {}
