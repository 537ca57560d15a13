"""`--help`: every option in a section, every command with its whole sentence."""

import subprocess
import sys

import click
import pytest

from evenly.cli import main
from evenly.cli.help import Section, SectionOption, summary
from tests.support.command_line import succeed

LOUDNESS_AND_HELP = {"verbose", "quiet", "help", "version"}


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_the_sentence_about_a_command_is_whole():
    listed = words_of(succeed("--help").stdout)

    for name, command in main.commands.items():
        assert summary(command).endswith(".")
        assert f"{name} {summary(command)}" in listed
    assert "..." not in listed.replace("[ARGS]...", "")


def test_every_command_is_listed_once_and_in_a_section():
    listed = [name for names in main.sections.values() for name in names]

    assert sorted(listed) == sorted(main.commands)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_option_of_a_command_is_in_a_section(name):
    command = main.commands[name]

    for param in command.params:
        if isinstance(param, click.Option) and param.name not in LOUDNESS_AND_HELP:
            assert isinstance(param, SectionOption)
            assert param.section is not Section.OTHER


def test_the_sections_of_select_are_in_order():
    lines = succeed("select", "--help").stdout.splitlines()
    headings = [line[:-1] for line in lines if line.endswith(":") and not line.startswith(" ")]

    assert headings == [section.value for section in Section]
    rules = lines[lines.index("Rules:") : lines.index("From texts to vectors:")]
    assert any(line.startswith("  --include ") for line in rules)
    assert not any("--budget ROWS" in line for line in rules)


def test_a_command_of_a_command_is_listed_like_others():
    shown = succeed("cache", "--help").stdout

    assert "Commands:\n" in shown
    assert "info   Show where the cache is and what it holds.\n" in shown


def test_python_runs_the_package():
    ran = subprocess.run(
        [sys.executable, "-m", "evenly", "--version"], capture_output=True, text=True, check=True
    )

    assert ran.stdout.startswith("python -m evenly, version") or ran.stdout.startswith("evenly, ")
