"""The cases: which pool, which budget and which peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import pools
from benchmarks.measuring import WARM_UP_ROWS
from benchmarks.peers import BASELINE, OTHERS, REFERENCE, evenly_peers

DIMENSION = 384


@dataclass(frozen=True)
class Case:
    """A pool and a budget.

    Attributes:
        name: of the case, on the command line and in the rows.
        pool: a description of the vectors.
        stem: name of the pool's file; cases with the same stem share a pool.
        write: writes the pool to a path.
        n, d, dtype: shape and type of the pool.
        budget: number of rows to choose.
        peers: names of the peers to measure; None for all that work in memory without a GPU.
        on_disk: the pool stays in its file.
        memory: the option of that name, for `evenly`.
        cuda: a CUDA device is needed.
    """

    name: str
    pool: str
    stem: str
    write: Callable[[Path], None]
    n: int
    d: int
    budget: int
    dtype: str = "float32"
    peers: tuple[str, ...] | None = None
    on_disk: bool = False
    memory: str | None = None
    cuda: bool = False

    @property
    def participants(self) -> list[str]:
        """Names of the peers to measure; `evenly` comes first."""
        if self.peers is not None:
            return list(self.peers)
        evenly = [peer.name for peer in evenly_peers() if not peer.cuda]
        return [*evenly, *(peer.name for peer in OTHERS if not peer.cuda)]

    def files(self, folder: Path) -> tuple[Path, Path]:
        """Return the files of the pool and of a small one for warming up; write missing ones."""
        whole = folder / f"{self.stem}.npy"
        small = folder / f"{self.stem}-small.npy"
        if not whole.exists():
            self.write(whole)
        if not small.exists():
            pools.write_npy(small, np.load(whole, mmap_mode="r")[:WARM_UP_ROWS])
        return whole, small


def all_cases(npy: str | None = None, scale: float = 1.0) -> list[Case]:
    """Return all cases, smallest first.

    Args:
        npy: a file of embeddings for the case with real ones.
        scale: factor on sizes and budgets, to try out the harness.
    """

    def scaled(count: int) -> int:
        return max(2, round(count * scale))

    million = scaled(1_000_000)
    on_disk = scaled(2_000_000)
    return [
        clustered_case("small", scaled(1_000), scaled(100)),
        clustered_case("middle", scaled(5_000), scaled(500)),
        _embeddings(npy, scaled(20_000)),
        clustered_case("clustered-50k", scaled(50_000), scaled(5_000)),
        clustered_case("clustered-200k", scaled(200_000), scaled(20_000)),
        Case(
            name="on-disk",
            pool="Gaussian clusters in a float16 file",
            stem=f"clustered-{on_disk}-float16",
            write=partial(pools.write_large_npy, n=on_disk, d=DIMENSION),
            n=on_disk,
            d=DIMENSION,
            budget=scaled(2_000),
            dtype="float16",
            peers=(f"{REFERENCE}-mapped", REFERENCE, BASELINE),
            on_disk=True,
            memory="1GB",
        ),
        clustered_case(
            "cuda",
            million,
            scaled(50_000),
            peers=(
                f"{REFERENCE}-cuda",
                REFERENCE,
                "torch-cuda-products",
                "torch-cuda-loop",
                BASELINE,
            ),
            cuda=True,
        ),
    ]


def named_cases(names: Sequence[str] | None, npy: str | None, scale: float) -> list[Case]:
    """Return the cases with these names, or all of them.

    Raises:
        ValueError: no case has one of the names.
    """
    cases = all_cases(npy, scale)
    known = [case.name for case in cases]
    for name in names or ():
        if name not in known:
            raise ValueError(f"cases are {', '.join(known)}; there is no {name}.")
    return [case for case in cases if names is None or case.name in names]


def clustered_case(
    name: str,
    n: int,
    budget: int,
    *,
    peers: tuple[str, ...] | None = None,
    cuda: bool = False,
) -> Case:
    """Return a case over Gaussian clusters."""

    def write(path: Path) -> None:
        pools.write_npy(path, pools.clustered(n, DIMENSION))

    stem = f"clustered-{n}"
    return Case(
        name, "Gaussian clusters", stem, write, n, DIMENSION, budget, peers=peers, cuda=cuda
    )


def _embeddings(npy: str | None, n: int) -> Case:
    """Return the case that chooses half of a pool of embeddings, from a file or generated."""
    if npy is None:

        def write(path: Path) -> None:
            pools.write_npy(path, pools.embeddings_alike(n, DIMENSION))

        description = "generated, with the spectrum of embeddings"
        return Case("embeddings", description, f"alike-{n}", write, n, DIMENSION, max(1, n // 2))

    # Rows record the name of the file, never its folder.
    source = Path(npy)
    n, d = np.load(source, mmap_mode="r").shape

    def copy(path: Path) -> None:
        pools.write_npy(path, pools.from_npy(source))

    description = f"embeddings of {source.name}"
    return Case("embeddings", description, f"given-{source.stem}", copy, n, d, max(1, n // 2))
