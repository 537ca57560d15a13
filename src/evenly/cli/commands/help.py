"""`evenly help`: about a command, an option or a topic."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import chain

import click

from evenly.cli.help import Context, Formatter
from evenly.cli.main import main
from evenly.cli.topics import TOPICS
from evenly.errors import OptionError


def _words() -> list[str]:
    return [*dict.fromkeys((*main.commands, *TOPICS, *_options()))]


def _complete(ctx: click.Context, param: click.Parameter, begin: str) -> list[str]:
    return [word for word in _words() if word.startswith(begin)]


@main.command("help", context_settings={"ignore_unknown_options": True})
@click.argument("about", nargs=-1, metavar="[COMMAND|OPTION|TOPIC]", shell_complete=_complete)
@click.pass_context
def help_(ctx: click.Context, about: tuple[str, ...]) -> None:
    """Explain a command, an option or a topic.

    `evenly help budget` explains --budget. Without an argument, the commands and the topics are
    listed.
    """
    group = ctx.find_root()
    if not about:
        click.echo(f"{group.get_help()}\n\nTopics of `evenly help TOPIC`: {', '.join(TOPICS)}.")
    elif about[0] in main.commands and about[0] not in TOPICS:
        click.echo(_help_of(about, group))
    else:
        click.echo(_about_word(about[0].lstrip("-"), about[0]))


def _help_of(words: tuple[str, ...], parent: click.Context) -> str:
    """Return the help of a command, or of a command of a command."""
    command, *rest = words
    group = parent.command
    found = group.get_command(parent, command) if isinstance(group, click.Group) else None
    if found is None:
        raise OptionError(f"there is no command {command!r} of {parent.command_path}.")
    context = Context(found, parent=parent, info_name=command)
    return _help_of(tuple(rest), context) if rest else context.get_help()


def _about_word(word: str, written: str) -> str:
    """Return what there is to say about an option or a topic."""
    options = _options().get(word, {})
    if not options and word not in TOPICS:
        near = get_close_matches(word, _words())
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise OptionError(
            f"there is no command, option or topic {written!r}.{meant} For a list: evenly help"
        )
    formatter = Formatter(max_width=100)
    for (flags, text), commands in options.items():
        with formatter.section(click.style(flags, bold=True)):
            formatter.write_text(text)
            formatter.write_text(f"An option of: {', '.join(commands)}.")
    return "\n".join(part for part in (formatter.getvalue(), TOPICS.get(word)) if part)


def _options() -> dict[str, dict[tuple[str, str], list[str]]]:
    """Return word -> (flags, help) -> the commands that have this option."""
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for name in chain.from_iterable(main.sections.values()):
        context = Context(main.commands[name], info_name=name)
        for param in context.command.get_params(context):
            record = param.get_help_record(context)
            if isinstance(param, click.Option) and record is not None and param.name != "help":
                for flag in {word.lstrip("-") for word in chain(param.opts, param.secondary_opts)}:
                    found.setdefault(flag, {}).setdefault(record, []).append(name)
    return found
