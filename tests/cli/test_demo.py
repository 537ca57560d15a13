"""`evenly demo`: a pool that is on every machine, selected, shown and written."""

import json

import pytest
from click.testing import CliRunner

from evenly import Selection, cli, errors
from evenly.cli import demo_job as demo
from tests.support.encoders import TopicEncoder, texts_of


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


def test_it_shows_what_was_chosen_and_what_was_left_out(tmp_path, monkeypatch):
    texts = [*texts_of(60), *texts_of(3)]
    records = [{"name": f"thing{row}", "text": text} for row, text in enumerate(texts)]
    monkeypatch.setattr(demo, "docstring_records", lambda: records)

    told = demo.run_demo(20, tmp_path / "chosen.jsonl", TopicEncoder())

    manifest = Selection.load(tmp_path / "chosen.manifest.json")
    written = (tmp_path / "chosen.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in written] == [records[row] for row in manifest.indices]
    chosen = told.index("The first 5 chosen")
    left_out = told.index("Left out, because")
    for row in manifest.indices[:5]:
        assert f"  thing{row}: {texts[row]}\n" in told[chosen:left_out]
    shown = told[left_out:].splitlines()[1:-2]
    assert len(shown) == 10
    for what, why in zip(shown[::2], shown[1::2], strict=True):
        row, stand_in = (int(line.split("thing")[1].split(":")[0]) for line in (what, why))
        assert row not in manifest.indices
        assert stand_in in manifest.indices
        assert texts[stand_in] in why
    distances = [float(line.split()[0]) for line in shown[1::2]]
    assert distances == sorted(distances)
    assert max(distances) <= manifest.coverage_radius


def test_an_output_it_could_not_write_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "docstring_records", None)

    with pytest.raises(errors.OutputError, match="cannot determine the output format"):
        demo.run_demo(0.1, tmp_path / "chosen.txt", TopicEncoder())


@pytest.mark.model
def test_the_command_runs_offline_and_twice(monkeypatch):
    pytest.importorskip("wordllama")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    command = ["demo", "--encoder", "static", "-q"]

    for _ in range(2):
        ran = CliRunner().invoke(cli.main, command, catch_exceptions=False)
        assert ran.exit_code == 0, ran.stderr

    assert ran.stderr == ""
    assert "times as far apart" in ran.stdout or "they hold duplicates" in ran.stdout
    assert len(Selection.load("evenly-demo/chosen.manifest.json")) > 100
