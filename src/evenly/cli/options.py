"""The options of commands: those declared for the library, and those of the command line alone."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from collections.abc import Callable
from typing import Any

import click

from evenly.cli.completion import completer_of, completing
from evenly.cli.forms import click_arguments
from evenly.cli.help import Section, SectionOption
from evenly.errors import EvenlyWarning
from evenly.options import (
    EncoderOptions,
    InputOptions,
    MeasuringOptions,
    Options,
    RuleOptions,
    declared,
)
from evenly.options.declaration import flags_of

Option = Callable[[Any], Any]

_SECTIONS = {
    RuleOptions: Section.RULES,
    InputOptions: Section.VECTORS,
    EncoderOptions: Section.VECTORS,
    MeasuringOptions: Section.MEASURING,
}
# Options that are shown elsewhere than the others of their class.
_SHOWN_IN = {
    **dict.fromkeys(("budget", "min_distance", "token_budget"), Section.CHOOSING),
    **dict.fromkeys(("engine", "device", "cluster", "memory"), Section.COMPUTING),
    **dict.fromkeys(("batch_size", "cache_dir"), Section.COMPUTING),
    **dict.fromkeys(("checkpoint",), Section.OUTPUT),
}


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
        names: which of them; by default all that can be given on the command line.
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
        section = _SHOWN_IN.get(name) or _SECTIONS.get(source, Section.CHOOSING)
        arguments |= {"required": required, "section": section}
        if required:
            del arguments["default"]  # click takes even None for a value
        found.append(own_option(*flags, stored_as or name, **arguments))
    return found


def refused_options(source: type[Options], *names: str) -> list[Option]:
    """Return options that a command refuses with a reason; its help does not show them."""
    known = declared(source)
    return [
        own_option(
            *flags_of(name, known[name][1]),
            name,
            section=Section.RULES,
            hidden=True,
            multiple=known[name][1].form == "quotas",
            callback=lambda ctx, param, value: None if value == () else value,
        )
        for name in names
    ]


def own_option(*flags: str, section: Section, **arguments: Any) -> Option:
    """Return an option in a section of the help."""
    completer = completer_of(arguments.get("metavar"))
    return click.option(*flags, cls=SectionOption, section=section, **completer | arguments)


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

# Vectors that the rows have already; `library_options` makes one option of both.
VECTORS = [
    *declared_options(InputOptions, "vectors"),
    own_option(
        "--vectors-column",
        section=Section.VECTORS,
        metavar="COLUMN",
        help="The column of DATA that holds the vectors, as lists of numbers.",
    ),
]

WITHOUT_CACHE = "evenly.without-cache"


def _keep_nothing(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
    ctx.meta[WITHOUT_CACHE] = value
    return value


# How the model runs, whatever its vectors are.
RUNNING = [
    *declared_options(InputOptions, "device"),
    *declared_options(EncoderOptions, "batch_size", "trust_remote_code"),
    *declared_options(InputOptions, "cache_dir"),
    own_option(
        "--no-cache",
        section=Section.COMPUTING,
        is_flag=True,
        callback=_keep_nothing,
        help="Neither read nor write the embedding cache.",
    ),
]

_TEXT = declared_options(InputOptions, "text", "roles")
_ENCODER = [
    *declared_options(InputOptions, "encoder"),
    *declared_options(EncoderOptions, "dtype", "prompt", "backend", "max_length"),
    *RUNNING,
]
EMBEDDING = [*_TEXT, *_ENCODER]
ENCODING = [*_TEXT, *VECTORS, *_ENCODER]

PACKING_INPUTS = declared_options(
    InputOptions,
    *("normalize", "on_invalid", "engine", "memory"),
    engine="Where the vectors are: auto, memory, mapped or distances.",
)

# For commands that do not have it among their rules.
IDS = declared_options(InputOptions, "id_column")
ROWS = declared_options(RuleOptions, "include", "exclude", "away_from", "id_column")
FORCE = [
    own_option(
        "--force", section=Section.OUTPUT, is_flag=True, help="Overwrite an existing output."
    )
]

OUTPUT = [
    own_option(
        "-o",
        "--output",
        section=Section.OUTPUT,
        metavar="FILE|-",
        help="Where to write the chosen records; - for stdout.",
    ),
    own_option(
        "--order",
        section=Section.OUTPUT,
        type=click.Choice(["picked", "file"]),
        default="picked",
        show_default=True,
        help="The order of the records in the output.",
    ),
    *FORCE,
]

JSON = [
    own_option(
        "--json",
        "as_json",
        section=Section.OUTPUT,
        is_flag=True,
        help="Print the result as JSON, with row numbers.",
    )
]

PAGE = [
    own_option(
        "--report",
        section=Section.OUTPUT,
        metavar="FILE",
        help="Also write an HTML page about the result to this file.",
    )
]

# What is measured of the chosen rows, and how it is printed.
MEASURES = [
    *declared_options(MeasuringOptions, "random_subsets", "certificate", "exact"),
    *PAGE,
    *JSON,
    *LOUDNESS,
]


def _in_one_name(ctx: click.Context, param: click.Parameter, value: Any) -> str | None:
    """Return several names, as a shell makes of shards/*.jsonl, as the library takes them."""
    if len(value) > 1 and "-" in value:
        raise click.UsageError("- for standard input cannot be given together with files.")
    return "\n".join(value) or None


DATA = click.argument("data", shell_complete=completing())
DATA_FILES = click.argument(
    "data", nargs=-1, required=True, shell_complete=completing(), callback=_in_one_name
)
DATA_FILES_IF_MOVED = click.argument(
    "data", nargs=-1, shell_complete=completing(), callback=_in_one_name
)
DATA_IF_MOVED = click.argument("data", required=False, shell_complete=completing())
MANIFEST = click.argument("manifest", type=click.Path(exists=True, dir_okay=False))


def manifest_and_data(command: Any) -> Any:
    """Add the arguments MANIFEST and DATA to a command that resumes a selection."""
    return MANIFEST(DATA_IF_MOVED(command))
