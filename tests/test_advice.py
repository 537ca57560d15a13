"""What messages advise exists: flags, parameters, extras and packages."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import evenly
from evenly.cli import main
from evenly.errors import MissingExtraError
from evenly.options import EncoderOptions, declared

SOURCE = Path(evenly.__file__).parent
PYPROJECT = SOURCE.parents[1] / "pyproject.toml"

# Of other tools, which messages name with their command.
FOREIGN_FLAGS = {"--force-reinstall", "--head", "--upgrade"}
# Of open(), of load_dataset(), of an example of a quota, of a function that users don't call, and
# of HTML.
FOREIGN_PARAMETERS = {"mode", "streaming", "code", "format", "style", "dir"}
PACKAGES = {"evenly", "fsspec", "numba"}


def messages() -> Iterator[tuple[str, str]]:
    """Yield every string of the source with its place; not docstrings, and "…" for what varies."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        docs = set()
        parts = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docs.add(node.value)
            if isinstance(node, ast.JoinedStr):
                parts |= set(node.values)
        for node in ast.walk(tree):
            place = f"{path.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield (
                    place,
                    "".join(
                        str(one.value) if isinstance(one, ast.Constant) else "…"
                        for one in node.values
                    ),
                )
            elif isinstance(node, ast.Constant) and node not in docs | parts:
                yield place, node.value if isinstance(node.value, str) else ""


MESSAGES = list(messages())


def commands(group: click.Command) -> Iterator[click.Command]:
    yield group
    for one in getattr(group, "commands", {}).values():
        yield from commands(one)


def flags() -> set[str]:
    return {
        flag
        for command in commands(main)
        for parameter in [*command.params, click.Option(["--help"])]
        for flag in [*parameter.opts, *parameter.secondary_opts]
    }


def parameters() -> set[str]:
    """Return the parameters of everything public, and the options of encoders."""
    found = set(declared(EncoderOptions))
    for name in evenly.__all__:
        one = getattr(evenly, name)
        own = [one, *vars(one).values()] if inspect.isclass(one) else [one]
        for value in own:
            function = getattr(value, "__func__", value)
            if callable(function):
                try:
                    found |= set(inspect.signature(function).parameters)
                except (ValueError, TypeError):
                    continue
    return found


def found_in(pattern: str) -> list[tuple[str, str]]:
    return [(place, found) for place, text in MESSAGES for found in re.findall(pattern, text)]


def test_messages_are_found():
    assert len(MESSAGES) > 1000
    assert len(found_in(r"(--[a-z][a-z-]+)")) > 20


def test_every_flag_that_a_message_names_exists():
    known = flags() | FOREIGN_FLAGS
    unknown = [
        (place, flag)
        for place, flag in found_in(r"(?<![\w-])(--[a-z][a-z-]+)")
        if flag not in known
    ]

    assert not unknown


def test_every_parameter_that_a_message_names_exists():
    known = parameters() | FOREIGN_PARAMETERS
    pattern = r"(?<![\w.\[])([a-z][a-z_]*)=(?![=>])"
    unknown = [(place, name) for place, name in found_in(pattern) if name not in known]

    assert not unknown


def test_every_package_that_a_message_installs_exists():
    if not PYPROJECT.exists():
        pytest.skip("there is no pyproject.toml beside an installed package")
    text = PYPROJECT.read_text("utf-8")
    section = text.partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    extras = set(re.findall(r"^(\w+) =", section, re.MULTILINE))
    named = {extra for _, extra in found_in(r"evenly\[(\w+)\]")}
    installed = {
        package
        for _, words in found_in(r"pip install ([^\n.;]+)")
        for package in re.findall(r"(?<!\S)'?([A-Za-z][\w-]*)", words)[:1]
    }

    assert named <= extras
    assert installed <= PACKAGES


def test_every_missing_extra_that_is_raised_exists():
    calls = [
        node
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == MissingExtraError.__name__
    ]
    extras = {node.args[1].value for node in calls if isinstance(node.args[1], ast.Constant)}

    assert extras
    if PYPROJECT.exists():
        for extra in extras:
            assert re.search(rf"^{extra} = ", PYPROJECT.read_text("utf-8"), re.MULTILINE)
