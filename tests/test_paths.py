"""Home folders, and files that are recognised on disk whatever they are called."""

import itertools
import os
from pathlib import Path

import pytest

from evenly import embed, select_uniform
from evenly.errors import DataError, EvenlyError, ModelNotFoundError, OutputError
from evenly.paths import expand, is_one_file, spare_inputs
from tests.support.command_line import TEXTS, write_lines


def test_a_home_folder_is_expanded_and_other_names_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~backup.jsonl").write_text("")

    names = ("~", "~/a.jsonl", "a~b", "~backup.jsonl", tmp_path / "~")

    assert [expand(name) for name in names] == [
        "/home/me",
        "/home/me/a.jsonl",
        "a~b",
        "~backup.jsonl",
        str(tmp_path / "~"),
    ]
    with pytest.raises(DataError, match="user 'nosuchuser' is not known"):
        expand("~nosuchuser/a.jsonl")


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


def test_everything_can_be_read_from_the_home_folder(home):
    write_lines(home / "train.jsonl", [{"text": text} for text in TEXTS])
    write_lines(home / "more.jsonl", [{"text": text} for text in TEXTS[5:9]])
    how = {"encoder": "static", "cache_dir": "~/cache"}

    chosen = select_uniform("~/train.jsonl", 5, checkpoint="~/run.checkpoint", **how)
    chosen.save("~/first.json")
    chosen.write("~/first.jsonl")
    globbed = select_uniform("~/tr*.jsonl", 5, away_from="~/more.jsonl", **how)
    again = select_uniform("~/train.jsonl", 5, away_from="~/first.json", **how)

    assert not {*chosen.indices.tolist()} & {*again.indices.tolist()}
    assert len(globbed) == 5
    assert type(chosen).load("~/first.json").indices.tolist() == chosen.indices.tolist()
    assert {path.name for path in home.iterdir()} == {
        "train.jsonl",
        "more.jsonl",
        "run.checkpoint",
        "first.json",
        "first.jsonl",
        "cache",
    }
    assert not Path("~").exists()


@pytest.mark.parametrize(
    "call",
    [
        lambda name: select_uniform(f"{name}/a.jsonl", 2),
        lambda name: select_uniform(name, 2),
        lambda name: select_uniform(TEXTS, 2, encoder=f"{name}/model"),
        lambda name: select_uniform(TEXTS, 2, encoder="static", cache_dir=name),
        lambda name: select_uniform(TEXTS, 2, encoder="static", checkpoint=f"{name}/a"),
        lambda name: select_uniform(TEXTS, 2, encoder="static", away_from=f"{name}/a.json"),
        lambda name: embed(TEXTS, encoder="static", cache_dir=name),
    ],
)
def test_the_home_folder_of_an_unknown_user_is_one_error(call):
    with pytest.raises(EvenlyError, match="user 'nosuchuser' is not known"):
        call("~nosuchuser")


def test_the_model_of_an_unknown_user_is_not_found():
    with pytest.raises(ModelNotFoundError):
        select_uniform(TEXTS, 2, encoder="~nosuchuser/model")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two files, in which everything has several names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name in ("data/a.jsonl", "data/b.jsonl", "data/deep/c.jsonl", "other.jsonl"):
        (tmp_path / name).write_text(name)
    (tmp_path / "linked").symlink_to("data")
    (tmp_path / "soft.jsonl").symlink_to("data/a.jsonl")
    os.link("data/a.jsonl", "hard.jsonl")
    return tmp_path


SAME = ("data/a.jsonl", "./data/../data/a.jsonl", "linked/a.jsonl", "soft.jsonl", "hard.jsonl")


@pytest.mark.parametrize(
    "inputs",
    ["data/a.jsonl", "data", "linked", "data/*.jsonl", "soft.jsonl", "hard.jsonl", "**/a.jsonl"],
)
@pytest.mark.parametrize("output", SAME)
def test_an_input_is_recognised_by_every_name(folder, inputs, output):
    for name in (output, folder / output):
        with pytest.raises(OutputError, match="is the input itself, or a part of it"):
            spare_inputs(name, ["other.jsonl", inputs])

    spare_inputs("other.jsonl", [inputs])
    spare_inputs("data/deep/c.jsonl", ["data", "nowhere", "a" * 300])
    spare_inputs("data/new.jsonl", [inputs])


def test_all_of_a_folder_can_be_an_input_at_any_depth(folder):
    with pytest.raises(OutputError):
        spare_inputs("data/deep/c.jsonl", [], folders=["data"])

    spare_inputs("other.jsonl", [], folders=["data", "nowhere"])


def test_a_link_in_a_folder_is_a_part_of_it(folder):
    (folder / "data" / "d.jsonl").symlink_to("../other.jsonl")

    with pytest.raises(OutputError, match=r"other\.jsonl .*\(data/d\.jsonl\)"):
        spare_inputs("other.jsonl", ["data"])


def test_two_names_of_one_file_are_recognised_before_it_exists(folder):
    for one, other in (
        ("x.jsonl", "data/../x.jsonl"),
        ("linked/x", "data/x"),
        *itertools.pairwise(SAME),
    ):
        assert is_one_file(one, other)
    for one, other in (("x.jsonl", "y.jsonl"), ("data/x", "x"), ("data/a.jsonl", "other.jsonl")):
        assert not is_one_file(one, other)
