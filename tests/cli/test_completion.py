"""Shell completion: commands, options, the words that an option allows, and files."""

import pytest
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from evenly.cli import main
from tests.support.command_line import succeed

FILES = "<files>"


def completed(*words):
    """Return what the shell offers for the last word."""
    *before, begin = words
    shell = BashComplete(main, {}, "evenly", "_EVENLY_COMPLETE")
    found = shell.get_completions(before, begin)
    return [FILES if one.type in ("file", "dir") else one.value for one in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sel"], ["select", "select-by-quality"]),
        (["select", "--bud"], ["--budget"]),
        (["select", "tr"], [FILES]),
        (["stream", "a.jsonl", "b"], [FILES]),
        (["extend", "first.man"], [FILES]),
        (["measure", "train.jsonl", "r"], [FILES]),
        (["select", "--engine", "ma"], ["mapped"]),
        (["select", "--start", "far"], ["farthest-from-mean"]),
        (["select", "--refine", ""], ["search", "exact"]),
        (["select", "--certificate", "t"], ["thorough"]),
        (["select", "--encoder", "st"], ["static", FILES]),
        (["select", "--encoder", "mod"], [FILES]),
        (["select", "--include", "f"], [FILES]),
        (["select", "--away-from", "f"], [FILES]),
        (["select", "--quality", "f"], [FILES]),
        (["select", "--checkpoint", "f"], [FILES]),
        (["select", "-o", "f"], [FILES]),
        (["assign", "-o", "f"], [FILES]),
        (["embed", "-o", "f"], [FILES]),
        (["stream", "--state", "f"], [FILES]),
        (["cache", "info", "--cache-dir", "f"], [FILES]),
        (["cache", "c"], ["clear"]),
        (["select", "--groups", "co"], [FILES]),
        (["select", "--balance", "e"], ["equal"]),
        (["select", "--budget", "1"], []),
        (["help", "bala"], ["balance"]),
        (["help", "dist"], ["distance"]),
    ],
    ids=lambda words: " ".join(words),
)
def test_a_word_is_completed(words, expected):
    assert completed(*words) == expected


@pytest.mark.parametrize("shell", [BashComplete, ZshComplete, FishComplete])
def test_the_help_has_the_line_for_each_shell(shell):
    shown = succeed("help", "completion").stdout

    assert f"_EVENLY_COMPLETE={shell.name}_source evenly" in shown
    assert "_EVENLY_COMPLETE" in shell(main, {}, "evenly", "_EVENLY_COMPLETE").source()
