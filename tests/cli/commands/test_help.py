"""`evenly help`: about commands, options and topics."""

import click
import pytest

from evenly.cli import main
from evenly.cli.topics import TOPICS
from tests.support.command_line import fail, succeed


def test_without_a_word_it_lists_commands_and_topics():
    shown = succeed("help").stdout

    assert shown.startswith(succeed("--help").stdout.rstrip())
    assert f"Topics of `evenly help TOPIC`: {', '.join(TOPICS)}." in shown


@pytest.mark.parametrize("command", ["select", "help", "cache info"])
def test_a_command_has_its_own_help(command):
    words = command.split()

    assert succeed("help", *words).stdout == succeed(*words, "--help").stdout


@pytest.mark.parametrize("word", ["budget", "--budget", "-b", "b"])
def test_an_option_is_explained_for_each_command_that_has_it(word):
    shown = succeed("help", word).stdout

    assert "How many rows to choose: 500, or 0.5 for half of them." in shown
    assert "An option of: select, select-by-quality, estimate." in shown
    assert "How many rows there will be in all." in shown
    assert ("1 is one row, and 1.0 is all of them." in shown) is (word != "-b" and word != "b")


def test_a_topic_that_is_a_command_too_names_it():
    assert "evenly budget --help" in succeed("help", "budget").stdout
    assert "The largest budget to look at" in succeed("help", "budget").stdout


def test_every_topic_and_every_option_has_an_answer():
    options = {
        flag
        for command in main.commands.values()
        for param in command.params
        if isinstance(param, click.Option)
        for flag in param.opts
    }

    assert {"--text", "--order", "-o"} < options
    for word in [*TOPICS, *options]:
        assert succeed("help", word).stdout.strip()


def test_an_unknown_word_has_a_hint():
    message = fail("help", "bugdet")

    assert message == (
        "evenly: error: there is no command, option or topic 'bugdet'. Did you mean budget? "
        "For a list: evenly help"
    )
    assert "no command 'x' of" in fail("help", "cache", "x")


def test_topics_fit_a_terminal():
    assert max(len(line) for text in TOPICS.values() for line in text.splitlines()) <= 100
