"""Runs that can be killed and resumed, and their results as lines of JSON."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

Row = dict[str, Any]

_TEXTS_A_MINUTE = 5000
_PACKAGES = ("evenly", "numpy", "scikit-learn", "torch", "transformers")


@dataclass(frozen=True)
class Run:
    """One run of an experiment.

    Attributes:
        key: what the run is, such as {"arm": "random", "budget": 150, "seed": 3}. No two runs of
            an experiment have the same key.
        measure: carries the run out, and returns its numbers by name.
    """

    key: Row
    measure: Callable[[], Row]


@dataclass(frozen=True)
class Results:
    """The results of an experiment on disk: a line of JSON a run.

    Attributes:
        path: the file; its folder is made when the first run ends.
    """

    path: Path

    def rows(self) -> list[Row]:
        """Return the rows of all finished runs. A line that a kill left half-written is ignored."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return rows

    def append(self, row: Row) -> None:
        """Write the row of a finished run, on a line of its own."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.path.exists() or self.path.read_bytes()[-1:] in (b"\n", b"")
        with self.path.open("a") as file:
            file.write(("" if whole else "\n") + json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())


def carry_out(
    name: str, runs: Sequence[Run], results: Results, *, seconds_a_run: float, texts: int = 0
) -> list[Row]:
    """Carry out the runs that have no row yet, and return the rows of all.

    Args:
        name: the name of the experiment.
        runs: all runs.
        results: where their rows are kept.
        seconds_a_run: about how long one takes on two cores, to say beforehand what is to come.
        texts: how many texts the first run embeds.
    """
    done = {_identity(row): row for row in results.rows()}
    waiting = [run for run in runs if _identity(run.key) not in done]
    print(
        f"{name}: {len(runs)} runs, {len(runs) - len(waiting)} of them done; the others take about "
        f"{len(waiting) * seconds_a_run / 60:.1f} minutes on two cores. Results: {results.path}",
        flush=True,
    )
    if texts and waiting:
        print(
            f"The first run embeds {texts:,} texts: {texts / _TEXTS_A_MINUTE:.1f} minutes or so "
            "if the encoder is all-MiniLM-L6-v2 and they are not in the cache of embeddings.",
            flush=True,
        )
    for run in tqdm(waiting, desc=name, unit="run", disable=None):
        began = time.perf_counter()
        numbers = run.measure()
        row = {**run.key, **numbers, "seconds": round(time.perf_counter() - began, 3)}
        results.append({"key": sorted(run.key), **row})
        done[_identity(run.key)] = row
    return [done[_identity(run.key)] for run in runs]


def _identity(row: Row) -> str:
    """Return what tells one run from all others: the values of its key."""
    fields = row.get("key", sorted(row))
    return json.dumps({field: row[field] for field in fields if field in row}, sort_keys=True)


def digest_of(*paths: Path | str | None) -> str:
    """Return a digest of the contents of files, by which results of other data are told apart."""
    found = hashlib.sha256()
    for path in paths:
        found.update(b"" if path is None else hashlib.sha256(Path(path).read_bytes()).digest())
    return found.hexdigest()[:12]


def machine() -> str:
    """Return the machine and the versions of packages that results depend on, as one line."""
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{package} {_version(package)}" for package in _PACKAGES]
    return f"{os.cpu_count()} cores, {platform.system()}; {', '.join(versions)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:
        return "missing"


def product_of(**axes: Iterable[Any]) -> list[Row]:
    """Return a key for each combination of values, the last axis changing fastest."""
    keys: list[Row] = [{}]
    for name, values in axes.items():
        some = list(values)
        keys = [{**key, name: value} for key in keys for value in some]
    return keys
