"""A selection on a real cluster that one fault meets at a random moment, beside one machine's."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from evenly import select_uniform
from evenly.distributed.rays import RayTransport
from tests.support.cluster import Killing, select_on
from tests.support.encoders import CachedTopicEncoder, texts_of

FAULTS = {
    "worker killed while choosing": ("frontier",),
    "worker killed while embedding": ("embed",),
    "worker killed while writing": ("records", "copies"),
    "worker killed at any request": None,
    "worker stopped for a while": None,
    "node added, another removed": None,
    "driver killed": None,
}
"""Each kind of fault, and the requests of which one is answered when it happens; None for all."""

_OF_ONE_RUN = ("created", "seconds", "taken_over", "checksum")

TEXTS, VECTORS, DIMENSION = 600, 4000, 12


class SlowEncoder(CachedTopicEncoder):
    """Takes a moment for each call, so that there is time for a fault."""

    def encode(self, texts):
        time.sleep(0.01)
        return super().encode(texts)


def write_data(folder):
    """Write the data of all cases into a folder."""
    rng = np.random.default_rng(0)
    (folder / "texts").mkdir(parents=True)
    (folder / "vectors").mkdir()
    texts = texts_of(TEXTS)
    for number in range(4):
        lines = [
            {"text": texts[row], "topic": row % 5, "quality": row % 7, "cost": 1 + row % 9}
            | {"note": str(row) * 500}
            for row in range(number, TEXTS, 4)
        ]
        path = folder / "texts" / f"{number}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        shard = rng.standard_normal((VECTORS // 4 + number, DIMENSION)).astype(np.float32)
        np.save(folder / "vectors" / f"{number}.npy", shard)
    np.save(folder / "one.npy", rng.standard_normal((VECTORS, DIMENSION)).astype(np.float32))


def fault_of(seed):
    """Return the kind of fault that a seed brings: all of them, in turn."""
    return list(FAULTS)[seed % len(FAULTS)]


def case(seed):
    """Return data, options and the suffix of the output: those of a seed."""
    rng = np.random.default_rng(seed)
    kind = ("texts", "vectors", "one.npy")[rng.integers(3)]
    of_texts = fault_of(seed).endswith(("embedding", "writing"))
    kind = "texts" if of_texts else kind
    if kind == "texts":
        rows, budget, suffix = TEXTS, 150, ("jsonl", "csv", "parquet")[rng.integers(3)]
        if fault_of(seed).endswith("writing") and suffix == "parquet":
            suffix = "jsonl"  # the driver itself reads small files of parquet, and vectors
        options = {"text": "text", "encoder": SlowEncoder(texts_per_call=8)}
        columns = {"groups": "topic", "quality": "quality", "costs": "cost"}
    else:
        rows, budget, suffix = VECTORS, 500, ("npy", "safetensors")[rng.integers(2)]
        rows += 6 if kind == "vectors" else 0
        options, number = {}, np.arange(rows)
        columns = {"groups": (number % 5).tolist(), "quality": number % 7, "costs": 1 + number % 9}
    groups, quality, costs = columns.values()
    rules = (
        {"budget": budget},
        {"budget": budget, "groups": groups, "balance": "equal"},
        {"budget": budget, "quality": quality, "quality_weight": 0.5},
        {"budget": budget, "away_from": [0, 7], "exclude": [3]},
        {"budget": budget, "include": [5, rows - 1], "start": "medoid"},
        {"token_budget": 4 * budget, "costs": costs},
        {"budget": budget, "start": 2, "normalize": False},
        {"min_distance": 0.3},
    )
    return kind, options | rules[rng.integers(len(rules))], suffix


def alone(seed):
    """Return the outcome of a case on one machine."""
    data, options, suffix = case(seed)
    chosen = select_uniform(data, cache_dir="cache-alone", **options)
    return _outcome(chosen, f"alone-{seed}.{suffix}")


def together(seed, cluster):
    """Return the outcome of a case on a cluster, and whether the fault happened."""
    rng = np.random.default_rng([seed, 1])
    if fault_of(seed) == "driver killed":
        return _with_another_driver(seed, rng, cluster)
    data, options, suffix = case(seed)
    fault = _Fault(fault_of(seed), rng, cluster)
    killing = Killing(RayTransport(), fault.meet)
    fault.links = killing.links
    chosen = select_on(killing, data, cache_dir=f"cache-{seed}", **options)
    found = _outcome(chosen, f"together-{seed}.{suffix}")
    fault.join()
    return found, fault.happened


def _outcome(chosen, output, force=False):
    """Write a selection, and return all that must be the same, wherever it was made."""
    chosen.write(output, force=force)
    chosen.save("manifest.json", force=True)
    manifest = json.loads(Path("manifest.json").read_text())
    provenance = manifest.pop("provenance")
    for counted in ("reused", "computed"):  # depends on the cache
        (provenance["encoder"] or {}).pop(counted, None)
    found = {**manifest, **provenance, "radii": chosen.radii.tolist()}
    found = {name: found[name] for name in found if name not in _OF_ONE_RUN}
    return found | {"coverage": chosen.coverage_radius, "output": Path(output).read_bytes()}


class _Fault:
    """Happens once, a random time after a random one of the requests that it is meant for."""

    def __init__(self, name, rng, cluster):
        self._name, self._rng, self._cluster = name, rng, cluster
        calls = FAULTS[name]
        self._calls, self._left = calls, int(rng.integers(24 if calls is None else 6))
        if name.endswith(("embedding", "writing")):
            self._left = int(rng.integers(2))
        self._delay = float(rng.uniform(0, 0.3 if name.endswith("embedding") else 0.02))
        self._timer, self.links, self.happened = None, {}, False

    def meet(self, worker, generation, request):
        """Start the clock if this is the request. `Killing` itself kills nothing."""
        if self._calls is None or request.call in self._calls:
            self._left -= 1
            if self._left == -1:
                if self._name.startswith("node"):  # nodes start in the main thread only
                    self._cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
                process = self.links[worker].process
                self._timer = threading.Timer(self._delay, self._act, (process,))
                self._timer.start()
        return False

    def join(self):
        if self._timer is not None:
            self._timer.join()

    def _act(self, process):
        self.happened = True
        if self._name.startswith("node"):
            head, oldest, *_ = self._cluster.list_all_nodes()
            assert head is self._cluster.head_node
            self._cluster.remove_node(oldest, allow_graceful=False)
            return
        with contextlib.suppress(ProcessLookupError):
            if not self._name.startswith("worker stopped"):
                os.kill(process, signal.SIGKILL)
                return
            os.kill(process, signal.SIGSTOP)
            time.sleep(float(self._rng.uniform(0.1, 1)))
            os.kill(process, signal.SIGCONT)


_DRIVER = """
import sys
import evenly.selection.greedy.checkpoint as checkpoint
from evenly import select_uniform
from tests.support.soak import case
from evenly.distributed.rays import connect

checkpoint._SECONDS_BETWEEN = checkpoint._TIMES_A_WRITE = 0.0
seed, address = int(sys.argv[1]), sys.argv[2]
data, options, suffix = case(seed)
connect(address)
print("connected", flush=True)
chosen = select_uniform(
    data, cluster=address, cache_dir=f"cache-{seed}", checkpoint=f"picks-{seed}", **options
)
chosen.write(f"together-{seed}.{suffix}")
print("done", flush=True)
"""


def _with_another_driver(seed, rng, cluster):
    data, options, suffix = case(seed)
    driver = subprocess.Popen(
        [sys.executable, "-c", _DRIVER, str(seed), cluster.address],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert any(b"connected" in line for line in driver.stdout)
    time.sleep(float(rng.uniform(0, 4)))
    driver.kill()
    happened = b"done" not in driver.communicate()[0]
    output = Path(f"together-{seed}.{suffix}")
    before = output.read_bytes() if output.exists() else None
    kept = {"cache_dir": f"cache-{seed}", "checkpoint": f"picks-{seed}"}
    chosen = select_uniform(data, cluster="auto", **kept, **options)
    found = _outcome(chosen, output, force=True)
    assert before in (None, found["output"])  # whole, or absent
    return found, happened
