"""The options of commands: those declared for the library, and those of the command line alone."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Callable
from typing import Any

import click

from evenly.cli.forms import click_arguments
from evenly.errors import EvenlyWarning
from evenly.options import EncoderOptions, InputOptions, Options, RuleOptions, declared
from evenly.options.declaration import flags_of

Option = Callable[[Any], Any]


def with_options(*groups: list[Option]) -> Option:
    """Return a decorator that adds all options of some groups to a command, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def declared_options(
    source: type[Options],
    *names: str,
    required: bool = False,
    stored_as: str | None = None,
    **helps: str,
) -> list[Option]:
    """Return options of the library as options of a command.

    Args:
        source: where they are declared.
        names: which of them; by default all that can be given on the command line.
        required: whether they must be given.
        stored_as: another name for a single option, if the command has one of the same name.
        helps: name -> another help, for a command in which the option means something else.
    """
    known = declared(source)
    found = []
    for name in names or [name for name, (_, about) in known.items() if flags_of(name, about)]:
        field, about = known[name]
        if name in helps:
            about = dataclasses.replace(about, help=helps[name])
        default = None if field.default is dataclasses.MISSING else field.default
        arguments = click_arguments(about, str(field.type), default)
        flags = flags_of(name, about)
        found.append(click.option(*flags, stored_as or name, required=required, **arguments))
    return found


def _say_more(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("evenly").setLevel(logging.INFO)


def _say_less(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("evenly").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", EvenlyWarning)
        ctx.obj = False


# Accepted before and after the command's name; `ctx.obj` is the library's `progress`.
LOUDNESS = [
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_say_more,
        help="Report more of what is done, on stderr.",
    ),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_say_less,
        help="No progress bars and no warnings.",
    ),
]

TEXT = declared_options(InputOptions, "text", "roles", "encoder")

# How the model runs, whatever its vectors are.
RUNNING = [
    *declared_options(InputOptions, "device"),
    *declared_options(EncoderOptions, "batch_size", "trust_remote_code"),
    *declared_options(InputOptions, "cache_dir"),
    click.option("--no-cache", is_flag=True, help="Neither read nor write the embedding cache."),
]

ENCODING = [
    *TEXT,
    *declared_options(EncoderOptions, "dtype", "prompt", "backend", "max_length"),
    *RUNNING,
]

ROWS = declared_options(RuleOptions, "include", "exclude", "away_from", "id_column")
FORCE = [click.option("--force", is_flag=True, help="Overwrite an existing output.")]

OUTPUT = [
    click.option(
        "-o", "--output", metavar="FILE|-", help="Where to write the chosen records; - for stdout."
    ),
    click.option(
        "--order",
        type=click.Choice(["picked", "file"]),
        default="picked",
        show_default=True,
        help="The order of the records in the output.",
    ),
    *FORCE,
]

JSON = [click.option("--json", "as_json", is_flag=True, help="Print numbers as JSON.")]
