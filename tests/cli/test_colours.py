"""Colours: on terminals, unless they are switched off."""

import pytest
from click.testing import CliRunner

from evenly.cli import main
from evenly.cli.colours import in_colour

BOLD, RED = "\x1b[1m", "\x1b[31m"
WITHOUT = {"NO_COLOR": None, "TERM": "xterm"}


def run(*arguments, terminal, **environment):
    ran = CliRunner().invoke(main, arguments, color=terminal, env={**WITHOUT, **environment})
    return ran.stdout + ran.stderr


@pytest.mark.parametrize(("arguments", "mark"), [(["--help"], BOLD), (["nonsense"], RED)])
def test_there_are_colours_on_terminals_only(arguments, mark):
    coloured = run(*arguments, terminal=True)

    assert mark in coloured
    assert "\x1b" not in run(*arguments, terminal=False)
    assert "\x1b" not in run(*arguments, terminal=True, NO_COLOR="1")
    assert "\x1b" not in run(*arguments, terminal=True, TERM="dumb")
    assert mark in run(*arguments, terminal=True, NO_COLOR="")


def test_the_terminal_decides_by_default(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    assert in_colour() is None
