"""A model of what a selection costs on a cluster, with the constants of `benchmarks.cluster`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Bytes of a row of a frontier beside its vector: number, squared distance, factor.
ROW_BYTES = 24


@dataclass(frozen=True)
class Network:
    """A network, and what a message costs the driver.

    Attributes:
        latency: seconds of an exchange, at least; as much again at random, exponentially.
        message_seconds: what a message costs the driver, for each worker.
        bytes_per_second: of the driver's link.
    """

    latency: float = 1e-3
    message_seconds: float = 1e-4
    bytes_per_second: float = 1.25e9


@dataclass(frozen=True)
class Plan:
    """A selection on a cluster.

    Attributes:
        n, d, budget, shards: the pool, the picks, and the workers.
        itemsize: bytes of a coordinate.
        cores: how many times a worker is as fast as one core, for all of its work.
        pair_speed, row_speed: how many times faster than that its comparisons are, and its passes
            over all of its rows.
    """

    n: float
    d: int
    budget: float
    shards: int
    itemsize: int = 4
    cores: float = 1.0
    pair_speed: float = 1.0
    row_speed: float = 1.0


@dataclass(frozen=True)
class Costs:
    """What a barrier and a comparison cost; seconds of one core of the machine that was measured.

    Attributes:
        picks: picks of a barrier.
        rows: rows of all frontiers of a barrier.
        kept: rows that the driver keeps of them, the root of the mean square.
        driver_barrier, driver_worker: the driver's seconds a barrier, and for each worker.
        driver_number, driver_product: for each coordinate of a row, and of a product of two rows.
        worker_row: a worker's seconds a barrier for each of its rows, measured by itself.
        worker_barrier: its other seconds a barrier.
        worker_pair: for each coordinate of a row, times the budget.
    """

    picks: float
    rows: float
    kept: float
    driver_barrier: float
    driver_worker: float
    driver_number: float
    driver_product: float
    worker_row: float
    worker_barrier: float
    worker_pair: float

    def predict(self, plan: Plan, network: Network) -> dict[str, float]:
        """Return the seconds of a selection, by part, and the number of barriers."""
        n, d, shards = plan.n, plan.d, plan.shards
        barriers = max(1.0, plan.budget / self.picks)
        driver = barriers * (
            self.driver_barrier
            + self.driver_worker * shards
            + self.driver_number * self.rows * d
            + self.driver_product * self.kept**2 * d
        )
        own = n / shards
        passes = (
            barriers * (self.worker_barrier + self.worker_row * own / plan.row_speed) / plan.cores
        )
        pairs = self.worker_pair * own * plan.budget * d / plan.cores / plan.pair_speed
        received, sent = self.bytes_moved(d, shards, plan.itemsize)
        delay = network.latency * (1.0 + np.log(shards) + 0.58)  # the mean of the largest delay
        messages = barriers * (delay + shards * network.message_seconds)
        moving = barriers * (received + sent) / network.bytes_per_second
        parts = {
            "driver": driver,
            "passes": passes,
            "comparisons": pairs,
            "messages": messages,
            "moving": moving,
        }
        found = {"barriers": barriers, **parts, "all": sum(parts.values())}
        return {name: float(value) for name, value in found.items()}

    def bytes_moved(self, d: int, shards: int, itemsize: int) -> tuple[float, float]:
        """Return the bytes that the driver receives and sends in a barrier."""
        row_bytes = itemsize * d
        return self.rows * (row_bytes + ROW_BYTES), self.picks * (row_bytes + 8) * shards


MEASURED = Costs(
    picks=250.0,
    rows=2218.0,
    kept=775.0,
    driver_barrier=2.0e-3,
    driver_worker=22e-6,
    driver_number=1.52e-9,
    driver_product=0.025e-9,
    worker_row=7.2e-9,
    worker_barrier=4.78e-3,
    worker_pair=4.86e-12,
)
"""Fitted to the pools of docs/scale.md; other pools make more or fewer picks in a barrier."""
