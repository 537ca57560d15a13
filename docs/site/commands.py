"""The page that describes all commands with their options, made from the program itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from evenly.cli import main
from evenly.cli.help import Group, Section

INTRODUCTION = """\
# Commands

Every command with all its options, as `evenly COMMAND --help` shows them. [The command line](\
command-line.md) introduces the commands with examples."""


def reference() -> str:
    """Return the page as Markdown."""
    root = main.context_class(main, info_name="evenly", **main.context_settings)
    listed = [name for names in type(main).sections.values() for name in names]
    names = listed + sorted({*main.commands} - {*listed})
    parts = (part for name in names for part in _described(main.commands[name], root))
    return "\n\n".join([INTRODUCTION, *parts]) + "\n"


def _described(command: click.Command, parent: click.Context, level: int = 2) -> Iterator[str]:
    """Yield the heading, the usage, the help and the options of a command; then its subcommands."""
    context = command.context_class(command, parent, info_name=command.name, color=False)
    yield f"{'#' * level} {context.command_path}"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```"
    yield _text(inspect.cleandoc(command.help or ""))
    for section in Section:
        rows = [
            f"| {_cell(flags, code=True)} | {_cell(text)} |"
            for param in command.get_params(context)
            if "--help" not in param.opts and getattr(param, "section", Section.OTHER) is section
            for flags, text in filter(None, [param.get_help_record(context)])
        ]
        if rows:
            yield "\n".join([f"| {section.value} | |", "| --- | --- |", *rows])
    if isinstance(command, Group):
        for subcommand in command.commands.values():
            yield from _described(subcommand, context, level + 1)


def _text(help_text: str) -> str:
    """Return a help text as Markdown; a paragraph after a backspace keeps its lines."""
    paragraphs = help_text.split("\n\n")
    return "\n\n".join(
        f"```text\n{paragraph.removeprefix(chr(8)).strip(chr(10))}\n```"
        if paragraph.startswith("\b")
        else _escaped(" ".join(paragraph.split()))
        for paragraph in paragraphs
    )


def _cell(text: str, *, code: bool = False) -> str:
    text = re.sub(r"\s+", " ", text)
    return f"`{text}`" if code else _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "\\*")
