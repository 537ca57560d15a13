"""`evenly demo`: docstrings, selected, shown and written."""

import json

import pytest

from evenly import Selection, errors
from evenly.cli.commands.demo import run_demo
from evenly.options import InputOptions, RuleOptions
from tests.support.command_line import succeed
from tests.support.encoders import TopicEncoder, texts_of

INPUTS = InputOptions(text="text", encoder=TopicEncoder())


def test_it_shows_chosen_rows_and_those_that_they_represent(tmp_path):
    texts = [*texts_of(60), *texts_of(3)]
    records = [{"name": f"thing{row}", "text": text} for row, text in enumerate(texts)]

    output = run_demo(lambda: records, RuleOptions(budget=20), INPUTS, tmp_path / "chosen.jsonl")

    manifest = Selection.load(tmp_path / "chosen.manifest.json")
    written = (tmp_path / "chosen.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == [records[row] for row in manifest.indices]
    chosen = output.index("The first 5 chosen")
    left_out = output.index("Left out, because")
    for row in manifest.indices[:5]:
        assert f"  thing{row}: {texts[row]}\n" in output[chosen:left_out]
    shown = output[left_out:].splitlines()[1:-2]
    assert len(shown) == 10
    for left, reason in zip(shown[::2], shown[1::2], strict=True):
        row, representative = (int(line.split("thing")[1].split(":")[0]) for line in (left, reason))
        assert row not in manifest.indices
        assert representative in manifest.indices
        assert texts[representative] in reason
    distances = [float(line.split()[0]) for line in shown[1::2]]
    assert distances == sorted(distances)
    assert max(distances) <= manifest.coverage_radius


def test_an_unknown_suffix_is_rejected_before_any_work(tmp_path):
    def read():
        raise AssertionError("the data were read")

    with pytest.raises(errors.OutputError, match="cannot determine the output format"):
        run_demo(read, RuleOptions(budget=0.1), INPUTS, tmp_path / "chosen.md")


@pytest.mark.model
def test_the_command_runs_offline_and_twice(monkeypatch):
    pytest.importorskip("wordllama")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    for _ in range(2):
        ran = succeed("demo", "--encoder", "static", "-q")

    assert ran.stderr == ""
    assert "times as far apart" in ran.stdout or "they hold duplicates" in ran.stdout
    assert len(Selection.load("evenly-demo/chosen.manifest.json")) > 100
