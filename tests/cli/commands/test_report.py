"""`evenly report`, and `--report` of the commands that select."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import LETTERS, fail, succeed
from tests.support.pages import without_scripts

SELECT = ("select", "train.jsonl", *LETTERS, "--budget", "5")


def test_a_page_is_written_from_a_manifest():
    succeed(*SELECT, "-o", "subset.jsonl")

    output = succeed("report", "subset.manifest.json", "-o", "page.html").stdout

    page = Path("page.html").read_text("utf-8")
    assert "5 of 40 rows" in output
    assert "evenly select --from-manifest subset.manifest.json" in page


def test_a_page_is_written_with_the_subset():
    output = succeed(*SELECT, "-o", "subset.jsonl", "--report", "page.html").stdout

    assert output.endswith("Page: page.html\n")
    together = Path("page.html").read_text("utf-8")
    succeed("report", "subset.manifest.json", "-o", "again.html")
    assert without_scripts(Path("again.html").read_text("utf-8")) == without_scripts(together)


def test_json_stays_json():
    output = succeed(*SELECT, "--report", "page.html", "--json")

    assert json.loads(output.stdout)["measures"]["size"] == 5
    assert Path("page.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--report", "page.txt"), "its name must end in .html, got page.txt"),
        (("--report", "there.html"), "there.html already exists"),
        (("--report", "page.html", "-o", "page.html"), "format"),
        (("--report", "train.jsonl/page.html"), "cannot write"),
    ],
)
def test_a_page_that_cannot_be_written_is_an_error_before_the_work(arguments, message):
    Path("there.html").write_text("mine")

    assert message in fail(*SELECT, *arguments)
    assert not Path("cache").exists()
