"""What a reader of the code can rely on: who imports whom, and how files and functions look."""

from __future__ import annotations

import ast
import inspect
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import evenly

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "evenly"
FILES = sorted(SOURCE.rglob("*.py"))

LONGEST_FILE = 400
MOST_PARAMETERS = 8


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function and method, nested ones included, with its qualified name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def parameters_of(node: ast.FunctionDef) -> list[str]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [one.arg for one in every if one.arg not in ("self", "cls")]


def is_compiled(node: ast.FunctionDef) -> bool:
    return any(
        "njit" in ast.dump(one) or "intrinsic" in ast.dump(one) for one in node.decorator_list
    )


def public_functions() -> set[tuple[str, str]]:
    """Module and qualified name of the functions and methods that users call."""
    found = set()
    for name in evenly.__all__:
        value = getattr(evenly, name)
        members = [value]
        if inspect.isclass(value):
            members = [one for one in vars(value).values() if inspect.isfunction(one)]
        for member in members:
            if inspect.isfunction(member):
                member = inspect.unwrap(member)
                found.add((member.__module__, member.__qualname__))
    from evenly.embedding import load_encoder

    found.add((load_encoder.__module__, "load_encoder"))
    return found


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(command), "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": str(root / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(params=FILES, ids=name_of)
def file(request) -> Path:
    return request.param


@pytest.fixture
def tree(file) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def test_packages_import_one_way_without_rings():
    found = lint_imports(ROOT)

    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("geometry/points.py", "from evenly.geometry.search import nearest_chosen  # a ring"),
        ("selection/rules/rules.py", "from evenly.selection.rules import resolve  # a ring"),
        ("samples/lists.py", "from evenly.selection import resume  # upwards"),
    ],
)
def test_a_ring_or_an_import_upwards_is_found(where, line, tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "src" / "evenly" / where
    file.write_text(f"{file.read_text('utf-8')}\n{line}\n", "utf-8")

    found = lint_imports(tmp_path)

    assert found.returncode == 1
    assert "BROKEN" in found.stdout


def test_only_the_command_line_prints(file, tree):
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)}
    attributes = {call.attr for call in calls if isinstance(call, ast.Attribute)}

    assert "print" not in names
    assert "cli" in file.parts or not attributes & {"echo", "secho"}


def test_files_are_short_and_named_for_what_they_hold(file):
    assert len(file.read_text("utf-8").splitlines()) <= LONGEST_FILE
    assert file.stem not in {"utils", "util", "helpers", "common", "misc"}


def test_functions_have_few_parameters(file, tree):
    module = ".".join(file.relative_to(ROOT / "src").with_suffix("").parts)
    public = public_functions()
    long = {
        name: len(parameters_of(node))
        for name, node in functions(tree)
        if len(parameters_of(node)) > MOST_PARAMETERS
        and not is_compiled(node)
        and (module, name) not in public
    }

    assert not long


def test_nothing_is_forwarded_without_its_name(file, tree):
    """Options travel as values of their own types, not as `**others: Any`."""
    named = {"how", "more", "drawn", "helps", "values", "kwargs", "_", "__"}
    forwarded = {
        name: node.args.kwarg.arg
        for name, node in functions(tree)
        if node.args.kwarg is not None and "cli" not in file.parts
    }

    assert set(forwarded.values()) <= named, forwarded


def test_the_default_encoder_is_written_once():
    texts = {name_of(file): file.read_text("utf-8") for file in FILES}
    written = [name for name, text in texts.items() if '"all-MiniLM-L6-v2"' in text]

    assert written == ["options/inputs.py"]


def test_what_is_public_says_what_it_is(tree):
    assert ast.get_docstring(tree), "the module has no docstring"

    silent = [
        name
        for name, node in functions(tree)
        if not any(part.startswith("_") for part in name.split("."))
        and name.count(".") <= 1
        and not ast.get_docstring(node)
    ]
    nested = {
        f"{outer}.{inner.name}"
        for outer, node in functions(tree)
        for inner in ast.walk(node)
        if isinstance(inner, ast.FunctionDef) and inner is not node
    }

    assert not [name for name in silent if name not in nested]


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
