"""The house rules that a reader can rely on: which room imports which, and how files look."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "evenly"
FILES = sorted(SOURCE.rglob("*.py"))

# Room -> the rooms it may import. Everything not named here is refused.
MAY_IMPORT = {
    "_version": set(),
    "errors": set(),
    "atomic": {"errors"},
    "geometry": {"errors"},
    "samples": {"errors", "atomic"},
    "embedding": {"errors", "atomic"},
    "pools": {"errors", "atomic", "geometry"},
    "intake": {"errors", "geometry", "samples", "embedding"},
    "selection": {
        "_version",
        "errors",
        "atomic",
        "geometry",
        "samples",
        "embedding",
        "pools",
        "intake",
    },
    "metrics": {"errors", "geometry", "pools", "intake", "selection"},
    "report": {"errors", "intake", "metrics", "selection"},
}
MAY_IMPORT["forecast"] = {
    "errors",
    "geometry",
    "samples",
    "embedding",
    "pools",
    "intake",
    "selection",
}
BEHIND_THE_DOOR = set(MAY_IMPORT)
MAY_IMPORT["run"] = BEHIND_THE_DOOR
MAY_IMPORT["run_packing"] = BEHIND_THE_DOOR | {"run"}
MAY_IMPORT["demo"] = BEHIND_THE_DOOR | {"run"}
MAY_IMPORT["measuring"] = BEHIND_THE_DOOR | {"run"}
MAY_IMPORT["cli"] = BEHIND_THE_DOOR | {"run", "run_packing", "demo", "measuring", "evenly"}
MAY_IMPORT["evenly"] = BEHIND_THE_DOOR  # the front door itself

LONGEST_FILE = 450


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def room_of(file: Path) -> str:
    first = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    return "evenly" if first == "__init__" else first


def rooms_imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line number and room of every import of this package, wherever in the file it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            modules = [node.module or ""]
            if node.module == "evenly":  # `from evenly import errors` may be a room
                modules = [
                    f"evenly.{alias.name}" if alias.name in MAY_IMPORT else "evenly"
                    for alias in node.names
                ]
        else:
            continue
        for module in modules:
            package, _, rest = module.partition(".")
            if package == "evenly":
                yield node.lineno, rest.split(".")[0] or "evenly"


def public_definitions(
    body: list[ast.stmt], prefix: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Public functions and classes, and the public methods of public classes."""
    for node in body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{prefix}{node.name}.")


@pytest.fixture(params=FILES, ids=name_of)
def file(request) -> Path:
    return request.param


@pytest.fixture
def tree(file) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def test_there_are_files_to_check():
    assert {room_of(file) for file in FILES} == set(MAY_IMPORT)


def test_imports_point_upstream_only(file, tree):
    room = room_of(file)
    allowed = MAY_IMPORT[room] | {room}

    wrong = [
        f"line {line}: {other}" for line, other in rooms_imported(tree) if other not in allowed
    ]

    assert not wrong, f"{room} may import {', '.join(sorted(allowed)) or 'nothing'}"


def test_the_rooms_form_no_circle():
    seen: set[str] = set()
    owed = dict(MAY_IMPORT)
    while ready := [room for room, needed in owed.items() if needed - {room} <= seen]:
        seen |= {*ready}
        owed = {room: needed for room, needed in owed.items() if room not in seen}

    # Only the CLI knows the front door, and the front door does not know the CLI.
    assert not owed


def test_only_the_command_line_prints(file, tree):
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    attributes = {call.attr for call in calls if isinstance(call, ast.Attribute)}

    assert "print" not in names
    assert room_of(file) == "cli" or not attributes & {"echo", "secho"}


def test_files_are_short_and_named_for_what_they_hold(file):
    assert len(file.read_text("utf-8").splitlines()) <= LONGEST_FILE
    assert file.stem not in {"utils", "util", "helpers", "common", "misc"}


def test_what_is_public_says_what_it_is(tree):
    assert ast.get_docstring(tree), "the module has no docstring"

    silent = [name for name, node in public_definitions(tree.body) if not ast.get_docstring(node)]

    assert not silent


def test_all_is_sorted_and_true(file, tree):
    declared = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    ]
    defined = {
        *(node.name for node in tree.body if hasattr(node, "name")),
        *(
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        ),
        *(
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        ),
    }

    for names in declared:
        # As ruff sorts them: CONSTANTS, then Classes, then functions.
        order = sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))
        assert names == order
        assert len(set(names)) == len(names)
        assert set(names) <= defined, f"{name_of(file)} promises what it does not have"
