"""What `--help` prints: options in sections, and whole sentences about commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import click

from evenly.cli.colours import in_colour


class Section(Enum):
    """The sections of options, in the order of the help."""

    CHOOSING = "Choosing"
    RULES = "Rules"
    VECTORS = "From texts to vectors"
    COMPUTING = "Computing"
    OUTPUT = "Output"
    MEASURING = "Measuring"
    OTHER = "Other options"


Record = tuple[str, str]


class Formatter(click.HelpFormatter):
    """Writes headings in bold."""

    def write_heading(self, heading: str) -> None:
        """Write a heading."""
        super().write_heading(click.style(heading, bold=True))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write the line that shows how a command is called."""
        super().write_usage(prog, args, prefix or click.style("Usage:", bold=True) + " ")


class Context(click.Context):
    """A context whose help is in colour on terminals only."""

    formatter_class = Formatter

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.color is None:
            self.color = in_colour()


class SectionOption(click.Option):
    """An option that belongs to a section of the help."""

    def __init__(self, *args: Any, section: Section = Section.OTHER, **options: Any) -> None:
        super().__init__(*args, **options)
        self.section = section


class Command(click.Command):
    """A command whose help shows its options in sections."""

    context_class = Context

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section at a time."""
        found: dict[Section, list[Record]] = {section: [] for section in Section}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                found[getattr(param, "section", Section.OTHER)].append(record)
        write_sections(formatter, ((section.value, found[section]) for section in Section))


class Group(click.Group):
    """A group whose help shows the first paragraph about each command, whole.

    Attributes:
        sections: heading -> the names of its commands; the others are listed last.
    """

    context_class = Context
    command_class = Command
    sections: dict[str, Sequence[str]] = {}  # noqa: RUF012

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, a section at a time."""
        about = {name: summary(self.commands[name]) for name in self.list_commands(ctx)}
        listed = {name for names in self.sections.values() for name in names}
        others = [name for name in about if name not in listed]
        sections = {**self.sections, "Other commands" if listed else "Commands": others}
        write_sections(
            formatter,
            (
                (heading, [(name, about[name]) for name in names if name in about])
                for heading, names in sections.items()
            ),
        )


Group.group_class = Group


def write_sections(
    formatter: click.HelpFormatter, sections: Iterable[tuple[str, Sequence[Record]]]
) -> None:
    """Write lists of names and texts under headings; empty ones are left out."""
    kept = [(heading, records) for heading, records in sections if records]
    widest = max((len(name) for _, records in kept for name, _ in records), default=0)
    for heading, records in kept:
        with formatter.section(heading):
            # Padded, so that the texts of all sections stand below one another.
            padded = [(name.ljust(min(widest, 30)), text) for name, text in records]
            formatter.write_dl(padded)


def summary(command: click.Command) -> str:
    """Return the first paragraph of a command's help on one line."""
    text = inspect.cleandoc(command.help or "")
    return " ".join(text.split("\n\n")[0].split())
