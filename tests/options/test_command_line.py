"""Commands have the options of the library, with the same defaults."""

import inspect
from dataclasses import MISSING
from typing import Any

import click
import pytest

from evenly import (
    Selection,
    compare,
    deduplicate,
    embed,
    estimate,
    measure,
    report,
    select_by_quality,
    select_stream,
    select_uniform,
    suggest_budget,
)
from evenly.cli import main
from evenly.options import EncoderOptions, declared
from evenly.options.declaration import flags_of
from tests.support.verbs import RESUMING, VERBS

COMMANDS = {
    "select": select_uniform,
    "select-by-quality": select_by_quality,
    "deduplicate": deduplicate,
    "stream": select_stream,
    "budget": suggest_budget,
    "estimate": estimate,
    "measure": measure,
    "compare": compare,
    "report": report,
    "embed": embed,
    "extend": Selection.extend,
    "fill": Selection.fill,
    "assign": Selection.assignments,
    "explain": Selection.explain,
}

# Options of the library that a command sets itself or takes from the manifest of a selection.
LEFT_OUT = {
    *((command, "engine") for command in ("measure", "compare")),
    ("compare", "details"),
    *((command, "text") for command in ("extend", "fill", "assign", "explain", "report")),
    *((command, "encoder") for command in ("extend", "fill", "assign", "explain", "report")),
    *((command, "memory") for command in ("assign", "explain")),
}

# Parameters of commands whose name belongs to an option of the encoder.
STORED_AS = {("stream", "batch_size", "--rows-at-once"): "rows_at_once"}


def cases():
    for command, verb in COMMANDS.items():
        options = declared(*VERBS[verb])
        if "encoder_options" in inspect.signature(verb).parameters and verb not in RESUMING:
            yield from ((command, name, *one) for name, one in declared(EncoderOptions).items())
        for name in inspect.signature(verb).parameters:
            if name not in options or (command, name) in LEFT_OUT:
                continue
            if flags_of(name, options[name][1]):
                yield command, name, *options[name]


def default_of(command: click.Command, parameter: click.Parameter) -> Any:
    context = click.Context(command)
    return parameter.process_value(context, parameter.get_default(context))


@pytest.mark.parametrize(
    ("command", "name", "field", "about"), [pytest.param(*c, id="-".join(c[:2])) for c in cases()]
)
def test_a_command_has_the_option_with_its_default(command, name, field, about):
    parameters = {parameter.name: parameter for parameter in main.commands[command].params}
    assert len(parameters) == len(main.commands[command].params)
    flags = flags_of(name, about)
    name = STORED_AS.get((command, name, flags[0]), name)
    assert name in parameters
    parameter = parameters[name]
    spellings = "/".join([*parameter.opts, *parameter.secondary_opts])
    for flag in flags:
        assert flag in spellings
    if parameter.required:
        assert field.default in (MISSING, None)
        return
    found = default_of(main.commands[command], parameter)
    assert (tuple(found) if isinstance(found, list) else found) == field.default
