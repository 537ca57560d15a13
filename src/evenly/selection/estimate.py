"""Estimate what a selection will cost on this machine or a cluster before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

from evenly.distributed.costs import MEASURED, Network, Plan
from evenly.distributed.prepare import (
    check_options,
    divide_here,
    open_on_workers,
    stay_on_workers,
)
from evenly.distributed.references import check_cluster
from evenly.embedding import open_cache
from evenly.errors import EmptyPoolError
from evenly.inputs.vector_file import scratch_folder
from evenly.memory import resident_memory
from evenly.options import DEFAULT_ENCODER, InputOptions, RuleOptions, TextColumns, documented
from evenly.samples import Samples, open_with_vectors
from evenly.selection.results.estimation import Estimate, OnCluster
from evenly.selection.rules.budget import rows_of_budget
from evenly.selection.trial import Trial, Vectors, rounds_seconds, try_rows, try_vectors

# What the driver keeps of each row: its length, whether it can be chosen, its distance to the mean.
_DRIVER_ROW_BYTES = 17


@documented(InputOptions, RuleOptions)
def estimate(
    data: Any,
    budget: int | float,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    engine: str = "auto",
    device: str = "auto",
    cluster: str | None = None,
    memory: str | float | None = None,
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
) -> Estimate:
    """Estimate what `select_uniform` with these arguments would cost, without running it.

    Times come from a short selection among a few of the rows, on this machine as it is now, and
    from a model of how many pairs are compared. They are meant to be right within a factor of two
    for data that are neither all alike nor mostly duplicates, and are too large for a GPU. With
    `cluster`, each worker measures its own part, and messages are modelled with constants of other
    pools, machines and networks.

    Args:
        data: as in `select_uniform`.

    Raises:
        OptionError: the selection does not fit in memory; the message suggests what would.
        BudgetError, DataError: as in `select_uniform`.
        ClusterError: the cluster cannot be reached, or loses its workers again and again.

    Cost: a second or two. Reads and embeds a sample of the texts, 64 or up to 4,096 with a fast
        encoder, or reads a sample of at most 8,192 vectors.
    """
    arguments = locals()
    inputs = replace(InputOptions.of(arguments), progress=False)
    return estimate_selection(data, RuleOptions.of(arguments), inputs)


def estimate_selection(data: Any, rules: RuleOptions, inputs: InputOptions) -> Estimate:
    """Estimate what a selection would cost; see `estimate`."""
    check_cluster(data, inputs.cluster)
    if inputs.cluster is not None:
        return _on_cluster(data, rules, inputs)
    samples = _opened_here(data, inputs)
    n_chosen = rows_of_budget(rules.budget, len(samples))
    found = try_rows(samples, inputs, n_chosen, len(samples))
    assert found is not None
    rounds = rounds_seconds(found.vectors, n_chosen) * found.slowness
    seconds = found.start_seconds + found.comparing_seconds + rounds
    return _estimate(found, inputs, len(samples), n_chosen, seconds)


def _opened_here(data: Any, inputs: InputOptions) -> Samples:
    samples = open_with_vectors(data, inputs.vectors, inputs.id_column)
    _check_rows(samples)
    return samples


def _check_rows(samples: Samples) -> None:
    if len(samples) == 0:
        raise EmptyPoolError(f"{samples.origin} holds no rows; there is nothing to choose from.")


def _estimate(
    found: Trial,
    inputs: InputOptions,
    rows: int,
    budget: int,
    seconds: float,
    cluster: OnCluster | None = None,
) -> Estimate:
    folder = str(scratch_folder(open_cache(inputs.cache_dir))) if found.file_bytes else None
    return Estimate(
        engine=found.engine,
        rows=rows,
        dimension=found.vectors.dimension,
        budget=budget,
        memory=found.memory,
        peak_memory=found.peak_memory,
        embedding_seconds=found.embedding_seconds,
        selection_seconds=seconds,
        disk=found.file_bytes,
        disk_folder=folder,
        cluster=cluster,
    )


def _on_cluster(data: Any, rules: RuleOptions, inputs: InputOptions) -> Estimate:
    """Let each worker estimate its own part, and add what happens between machines."""
    assert inputs.cluster is not None
    check_options(inputs)
    samples: Samples
    if stay_on_workers(data, inputs):
        opened = open_on_workers(data, inputs.cluster)
        ranges, samples = opened.ranges, opened.samples
    else:
        samples = _opened_here(data, inputs)
        ranges = divide_here(len(samples), inputs.cluster)
    try:
        _check_rows(samples)
        rows = len(samples)
        n_chosen = rows_of_budget(rules.budget, rows)
        alone = replace(inputs, cluster=None)
        if stay_on_workers(data, inputs):
            trials = ranges.crew.ask_all("try_task", try_rows, alone, n_chosen, rows)
            in_memory = 0.0
        else:
            here = try_rows(samples, replace(alone, memory=None), n_chosen, rows)
            assert here is not None
            in_memory = here.vectors.nbytes
            parts = [here.vectors._replace(rows=own.stop - own.start) for own in ranges.slices()]
            sent = {
                worker: (_try_sent, part, alone, n_chosen, rows)
                for worker, part in enumerate(parts)
            }
            found = ranges.crew.ask("try_task", sent)
            trials = [
                replace(one, embedding_seconds=here.embedding_seconds) for one in found.values()
            ]
    finally:
        ranges.crew.stop()
    return _together([one for one in trials if one is not None], inputs, rows, n_chosen, in_memory)


def _try_sent(
    samples: Samples | None, vectors: Vectors, inputs: InputOptions, budget: int, pool: int
) -> Trial:
    """Return what vectors cost a worker that has received them."""
    return try_vectors(vectors, inputs, budget, pool)


def _together(
    trials: list[Trial], inputs: InputOptions, rows: int, budget: int, in_memory: float
) -> Estimate:
    """Return the estimate of a cluster from those of its workers.

    Args:
        in_memory: bytes of vectors that the driver has, and sends to workers.
    """
    workers = len(trials)
    largest = max(trials, key=lambda one: one.peak_memory)
    most = max(one.vectors.rows for one in trials)
    dimension, itemsize = largest.vectors[1:]
    # All workers wait for the one with the most rows.
    plan = Plan(most * workers, dimension, budget, workers, itemsize)
    parts = MEASURED.predict(plan, Network())
    received, sent = MEASURED.bytes_moved(dimension, workers, itemsize)
    busiest = max(one.start_seconds + one.comparing_seconds for one in trials)
    worker_seconds = busiest + parts["passes"]
    network_seconds = parts["messages"] + parts["moving"]
    kept = rows * _DRIVER_ROW_BYTES + budget * dimension * itemsize + in_memory
    cluster = OnCluster(
        workers=workers,
        rows=most,
        driver_memory=int(resident_memory() + kept),
        rounds=int(parts["barriers"]),
        received=int(parts["barriers"] * received + rows * _DRIVER_ROW_BYTES),
        sent=int(parts["barriers"] * sent + in_memory),
        worker_seconds=worker_seconds,
        driver_seconds=parts["driver"],
        network_seconds=network_seconds,
    )
    slowest = replace(largest, embedding_seconds=max(one.embedding_seconds for one in trials))
    seconds = worker_seconds + parts["driver"] + network_seconds
    return _estimate(slowest, inputs, rows, budget, seconds, cluster)
