"""`evenly cache`: the embeddings that are kept."""

import json

from tests.support.command_line import select, succeed


def test_the_cache_is_used_shown_emptied_and_bypassed():
    def embedded(*arguments):
        told = json.loads(select("train.jsonl", "-b", "3", "--json", *arguments).stdout)
        return told["selection"]["provenance"]["encoder"]["computed"]

    assert embedded("--no-cache") == 40
    assert embedded() == 40
    assert embedded() == 0
    assert embedded("--cache-dir", "elsewhere") == 40
    shown = json.loads(succeed("cache", "info", "--json").stdout)
    assert [(model["name"], model["rows"]) for model in shown["models"]] == [("letters", 40)]
    assert "40 vectors" in succeed("cache", "info").stdout
    assert "40 vectors" in succeed("cache", "info", "--cache-dir", "elsewhere").stdout
    assert "MB freed in" in succeed("cache", "clear").stdout
    assert json.loads(succeed("cache", "info", "--json").stdout)["models"] == []
    assert embedded() == 40
