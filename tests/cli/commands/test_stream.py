"""`evenly stream`: options that only the command line has to tell apart."""

from pathlib import Path

from evenly import StreamSelection, select_stream
from tests.support.command_line import MODEL, TEXTS, ids_of, succeed


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
