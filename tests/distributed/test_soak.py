"""Random faults on a real cluster: each selection is that of one machine, to the last byte."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="the extra ray is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from tests.support.ray import ray_cluster
from tests.support.soak import alone, fault_of, together, write_data

WANTED = os.environ.get("EVENLY_RAY_SOAK")
ROOT = Path(__file__).parents[2]
FIRST = int(os.environ.get("EVENLY_RAY_SEED", 0))


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_random_faults_change_nothing(tmp_path, monkeypatch, capsys):
    """A few by default; EVENLY_RAY_SOAK=100 injects as many, and prints how many of each kind.

    A failure names a seed, from which EVENLY_RAY_SEED starts.
    """
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))  # of workers
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path)
    happened, wanted, seed = Counter(), int(WANTED or 4), FIRST

    def say(*lines):
        with capsys.disabled():
            print(*lines if WANTED else (), sep="\n", end="\n" if WANTED else "", flush=True)

    with ray_cluster(nodes=3 if WANTED else 2) as cluster:
        while happened.total() < wanted:
            fault = fault_of(seed)
            say(f"{happened.total()} of {wanted}, seed {seed}: {fault}")
            expected = alone(seed)
            found, did_happen = together(seed, cluster)
            where = f"EVENLY_RAY_SEED={seed} repeats it: {fault}"
            differing = [name for name in expected if found[name] != expected[name]]
            assert not differing, f"{where}: {[(found[n], expected[n]) for n in differing]}"
            assert not list(Path().glob(".*tmp")), where
            happened[fault] += did_happen
            seed += 1
    say(*(f"{number} × {fault}" for fault, number in happened.items()))
