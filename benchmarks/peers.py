"""The peers that are measured: each chooses `budget` rows of a pool, farthest first if it can.

A peer is a function `(vectors, budget, first_row) -> row numbers` (or a `Selection`). It imports
its own dependencies, so that a missing package costs only its own row, and raises `Skip` if it
does not support a case.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.pools import Vectors, blocks

Choose = Callable[[Vectors, int, int], Any]

BASELINE = "numpy-loop"
REFERENCE = "evenly"


class Skip(Exception):  # noqa: N818  # a peer without an answer is not an error
    """A peer does not support a case; the message gives the reason."""


@dataclass(frozen=True)
class Peer:
    """An implementation to compare.

    Attributes:
        name: of its rows.
        choose: see the module's docstring.
        package: the distribution whose version its rows record.
        per_pick: it takes equally long for every pick after a set-up, so that it may be stopped
            early and extrapolated.
        ordered: it returns rows in the order picked.
        on_disk: it does not need the pool in memory.
        cuda: it needs a CUDA device.
        warm_up: it may be called on a small pool first.
    """

    name: str
    choose: Choose
    package: str
    per_pick: bool = False
    ordered: bool = True
    on_disk: bool = False
    cuda: bool = False
    warm_up: bool = True


def numpy_loop(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run the usual loop at its best: one float32 matrix-vector product per pick.

    A pool on disk is read block by block, once per pick.
    """
    on_disk = isinstance(vectors, np.memmap)
    parts = list(blocks(vectors)) if on_disk else [slice(0, len(vectors))]

    def read(part: slice) -> Vectors:
        return np.asarray(vectors[part], np.float32)

    lengths = np.concatenate([np.einsum("ij,ij->i", rows, rows) for rows in map(read, parts)])
    squared = np.full(len(vectors), np.inf, np.float32)
    picks = np.empty(budget, np.int64)
    picks[0] = first_row
    for done in range(1, budget):
        last = picks[done - 1]
        row = np.asarray(vectors[last], np.float32)
        for part in parts:
            distances = read(part) @ row
            distances *= -2
            distances += lengths[part]
            distances += lengths[last]
            np.minimum(squared[part], distances, out=squared[part])
        picks[done] = np.argmax(squared)
    return picks


def torch_loop(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run the loop over torch tensors with subtraction: ((x - c)**2).sum(1)."""
    return _torch_loop(vectors, budget, first_row, device="cpu", products=False)


def torch_cuda_loop(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run `torch_loop` on a CUDA device; transfers count."""
    return _torch_loop(vectors, budget, first_row, device="cuda", products=False)


def torch_cuda_products(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run the loop at its best on a CUDA device: one matrix-vector product per pick."""
    return _torch_loop(vectors, budget, first_row, device="cuda", products=True)


def _torch_loop(
    vectors: Vectors, budget: int, first_row: int, *, device: str, products: bool
) -> Vectors:
    import torch

    rows = torch.from_numpy(vectors).to(device)
    lengths = (rows * rows).sum(1) if products else None
    squared = torch.full((len(rows),), torch.inf, device=device)
    # Copying each pick to the host would stall the device.
    picks = torch.full((budget,), first_row, dtype=torch.int64, device=device)
    for done in range(1, budget):
        last = picks[done - 1 : done]
        row = rows.index_select(0, last)
        if lengths is None:
            distances = ((rows - row) ** 2).sum(1)
        else:
            distances = lengths + lengths.index_select(0, last) - 2 * (rows @ row[0])
        squared = torch.minimum(squared, distances)
        picks[done] = torch.argmax(squared)
    return picks.cpu().numpy()


def k_center_greedy(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run kCenterGreedy, as it is copied between active-learning repositories."""
    from sklearn.metrics import pairwise_distances

    min_distances = None
    new_batch = [first_row]
    for _ in range(1, budget):
        dist = pairwise_distances(vectors, vectors[new_batch[-1:]], metric="euclidean")
        min_distances = dist if min_distances is None else np.minimum(min_distances, dist)
        new_batch.append(int(np.argmax(min_distances)))
    return np.array(new_batch)


def skmatter_fps(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run scikit-matter's FPS over samples."""
    from skmatter.sample_selection import FPS

    selector = FPS(n_to_select=budget, initialize=first_row)
    return np.asarray(selector.fit(vectors).selected_idx_)


def fpsample_fps(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run the plain sampling of fpsample, its only function for any dimension."""
    import fpsample

    return np.asarray(fpsample.fps_sampling(vectors, budget, start_idx=first_row), np.int64)


def lightly_mundig_first(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run the diversifying strategy of lightly-mundig, written in Rust for LightlyStudio."""
    from lightly_mundig import Selection

    selection = Selection()
    selection.add_diversifying_strategy(vectors, 1.0)
    picked = selection.run_selection([first_row], len(vectors), budget)
    return np.asarray(picked, np.int64)


def max_div_first(vectors: Vectors, budget: int, first_row: int) -> Vectors:
    """Run max-div's initialization, as in its default preset, without swaps.

    It is a farthest-first of its own that draws each pick among the eight farthest rows and does
    not accept a first row.
    """
    from max_div.solver import InitializationStrategy, MaxDivSolverBuilder

    builder = MaxDivSolverBuilder(_max_div_problem(vectors, budget))
    builder.set_initialization_strategy(InitializationStrategy.farthest_point_batched())
    return builder.build().solve(verbosity=0).i_selected.astype(np.int64)


def max_div_for(seconds: float) -> Choose:
    """Return max-div with its default preset and this many seconds, set-up included."""

    def choose(vectors: Vectors, budget: int, first_row: int) -> Vectors:
        from max_div.solver import MaxDivSolverBuilder, TargetDuration

        builder = MaxDivSolverBuilder(_max_div_problem(vectors, budget))
        builder.with_preset(TargetDuration.seconds(seconds)).with_end_to_end_budget()
        return builder.build().solve(verbosity=0).i_selected.astype(np.int64)

    return choose


def _max_div_problem(vectors: Vectors, budget: int) -> Any:
    from max_div.metrics import DistanceMetric, DiversityMetric
    from max_div.problem import MaxDivProblem

    return MaxDivProblem.new(
        vectors,
        budget,
        distance_metric=DistanceMetric.l2_euclidean(),
        diversity_metric=DiversityMetric.MIN_SEPARATION,
    )


def evenly_on(engine: str, memory: str | None = None) -> Choose:
    """Return `evenly` with one of its engines. A pool on disk is passed as its path.

    Rows have unit length already and are not normalised again, so that all peers use the same
    distances.
    """

    def choose(vectors: Vectors, budget: int, first_row: int) -> Any:
        from evenly import select_uniform
        from evenly.errors import EvenlyError

        options: dict[str, Any] = {"engine": engine, "start": first_row, "normalize": False}
        if memory is not None:
            options["memory"] = memory
        unknown = set(options) - set(inspect.signature(select_uniform).parameters)
        if unknown:
            raise Skip(f"this version has no option {', '.join(sorted(unknown))}")
        pool = str(vectors.filename) if isinstance(vectors, np.memmap) else vectors
        try:
            return select_uniform(pool, budget, progress=False, **options)
        except EvenlyError as error:
            raise Skip(f"refused: {error}") from error

    return choose


OTHERS = (
    Peer(BASELINE, numpy_loop, "numpy", per_pick=True, on_disk=True),
    Peer("torch-loop", torch_loop, "torch", per_pick=True),
    Peer("torch-cuda-loop", torch_cuda_loop, "torch", per_pick=True, cuda=True),
    Peer("torch-cuda-products", torch_cuda_products, "torch", per_pick=True, cuda=True),
    Peer("kCenterGreedy", k_center_greedy, "scikit-learn", per_pick=True),
    Peer("skmatter", skmatter_fps, "skmatter", per_pick=True),
    Peer("fpsample", fpsample_fps, "fpsample", per_pick=True),
    Peer("lightly-mundig", lightly_mundig_first, "lightly-mundig"),
    Peer("max-div", max_div_first, "max-div", ordered=False),
    Peer("max-div-30s", max_div_for(30.0), "max-div", ordered=False, warm_up=False),
)


def evenly_peers(memory: str | None = None) -> Iterator[Peer]:
    """Yield one peer per engine; plain `evenly` is the engine that users get by default."""
    from evenly.options import ENGINES

    for engine in map(str, ENGINES):
        name = REFERENCE if engine == "auto" else f"{REFERENCE}-{engine}"
        cuda = engine == "cuda"
        yield Peer(name, evenly_on(engine, memory), "evenly", on_disk=True, cuda=cuda)


def peer_named(name: str, memory: str | None = None) -> Peer:
    """Return the peer with that name.

    Raises:
        Skip: there is none; it may be an engine that this version of evenly lacks.
    """
    others = [peer for peer in OTHERS if peer.name == name]
    for peer in others or evenly_peers(memory):
        if peer.name == name:
            return peer
    raise Skip(f"there is no {name} here")
