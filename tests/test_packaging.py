"""What is installed: the wheel, the source distribution, and the lowest versions promised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


def build(folder: Path, target: str, output: Path) -> Path:
    """Build the "wheel" or "sdist" of a source tree, without network access."""
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(output)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (built,) = output.iterdir()
    return built


def names_in(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def files_below(folder: Path) -> set[str]:
    """Return the files of the project below a folder, without caches."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".egg-info"
    }


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_package_its_licence_and_nothing_else(wheel):
    names = names_in(wheel)
    package = {name for name in names if ".dist-info/" not in name}
    assert package == {f"evenly/{name}" for name in files_below(SOURCE / "evenly")}
    assert "evenly/py.typed" in package
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_a_selection_runs_from_the_wheel_alone(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = (
        "import evenly, numpy; from evenly.cli import main;"
        "print(evenly.__file__, evenly.select_uniform(numpy.eye(4), 2).indices.size)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / "evenly" / "__init__.py"), "2"]


def test_the_source_distribution_holds_all_tests_and_builds_the_same_wheel(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    for name in ("src", "tests", "docs", "examples", "benchmarks"):
        assert files_below(folder / name) == files_below(ROOT / name)
    rebuilt = build(folder, "wheel", tmp_path / "wheel")
    assert names_in(rebuilt) == names_in(wheel)


def test_the_lowest_versions_are_those_of_the_project():
    # Not the extras of single benchmarks and examples, which the tests do not run.
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    promised = [*project["dependencies"]]
    some = ("offline", "static", "parquet", "zstd", "experiments", "report", "ray", "docs", "test")
    for extra in some:
        promised += extras[extra]
    floors = dict(
        found.groups()
        for found in (re.fullmatch(r"([\w-]+)>=([\w.]+)", one) for one in promised)
        if found
    )
    lines = (ROOT / "tests" / "lowest.txt").read_text("utf-8").splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert lowest.pop("torch") in (ROOT / "README.md").read_text("utf-8")
    del floors["torch"]
    assert {name: exact(version) for name, version in lowest.items()} == {
        name: exact(version) for name, version in floors.items()
    }


def exact(version: str) -> str:
    """Return a version without the zeros at its end: 2.0.0 and 2 are the same version."""
    return re.sub(r"(\.0)+$", "", version)
