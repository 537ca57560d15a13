"""`evenly demo`: requests that repeat one another, selected, shown and written."""

import json
import re
from pathlib import Path

import pytest

from evenly import Selection, errors
from evenly.cli.commands.demo import run_demo
from evenly.options import InputOptions, RuleOptions
from evenly.samples.requests import demo_requests
from tests.support.command_line import run_evenly, succeed
from tests.support.encoders import TopicEncoder

INPUTS = InputOptions(text="text", encoder=TopicEncoder(), cache_dir=False)
RECORDS = demo_requests()


def test_it_shows_chosen_rows_and_those_that_they_represent(tmp_path):
    output = run_demo(RuleOptions(budget=60), INPUTS, tmp_path / "chosen.jsonl", quiet=True)

    manifest = Selection.load(tmp_path / "chosen.manifest.json")
    written = (tmp_path / "chosen.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == [RECORDS[row] for row in manifest.indices]
    begin = output.index("The first 5 chosen")
    end = output.index("Left out, because")
    for row in manifest.indices[:5]:
        assert f"  {RECORDS[row]['text']}\n" in output[begin:end]
    shown = output[end:].splitlines()[1:-4]
    chosen = {RECORDS[row]["text"] for row in manifest.indices}
    assert len(shown) == 10
    assert not chosen & {line.strip() for line in shown[::2]}
    assert {line.partition(" chosen one: ")[2] for line in shown[1::2]} <= chosen
    distances = [float(line.split()[0]) for line in shown[1::2]]
    assert distances == sorted(distances)
    assert max(distances) <= manifest.coverage_radius


def test_an_unknown_suffix_is_rejected_before_any_work(tmp_path):
    with pytest.raises(errors.OutputError, match="cannot determine the output format"):
        run_demo(RuleOptions(budget=0.1), INPUTS, tmp_path / "chosen.md", quiet=False)


@pytest.mark.model
def test_the_command_runs_offline_and_twice(monkeypatch):
    pytest.importorskip("wordllama")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    for _ in range(2):
        ran = succeed("demo", "--encoder", "static", "-q")

    assert ran.stderr == ""
    times = re.search(r"([\d.]+) times as far apart", ran.stdout)
    tasks = re.search(r"about (\d+) of the 80 tasks; 80 random ones are about (\d+)", ran.stdout)
    assert float(times[1]) > 3
    assert int(tasks[1]) > 70 > 40 > int(tasks[2])
    for line in ran.stdout[ran.stdout.index("Left out, because") :].splitlines()[2:12:2]:
        assert float(line.split()[0]) < 0.5  # nearly the same
    assert len(Selection.load("evenly-demo/chosen.manifest.json")) == 80
    assert "See it: open evenly-demo/chosen.html in a browser" in ran.stdout
    assert "80 of 1,065 rows, " in Path("evenly-demo/chosen.html").read_text("utf-8")


@pytest.mark.model
def test_each_step_is_a_line_without_a_terminal():
    pytest.importorskip("wordllama")

    lines = run_evenly("demo", "--encoder", "static", "-b", "5").stderr.splitlines()

    steps = [line for line in lines if "…" not in line]
    assert steps == [
        "evenly: loading the libraries",
        f"evenly: embedding {len(RECORDS):,} requests with static",
        "evenly: choosing and measuring",
        "evenly: drawing the page",
    ]
