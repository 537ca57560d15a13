"""The cases: which pool, which budget, who takes part."""

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
        name: what it is called on the command line and in the rows.
        pool: what the vectors are, in words.
        stem: name of the pool's file; pools of the same stem are the same.
        write: writes the pool to a path.
        n, d, dtype: its shape and its type.
        budget: how many rows are chosen.
        peers: who takes part; None for everybody who computes in memory, without a GPU.
        on_disk: the pool stays in its file.
        memory: for `evenly`: its option of that name.
        cuda: needs a CUDA device.
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
        """Names of those who take part; `evenly` first."""
        if self.peers is not None:
            return list(self.peers)
        evenly = [peer.name for peer in evenly_peers() if not peer.cuda]
        return [*evenly, *(peer.name for peer in OTHERS if not peer.cuda)]

    def files(self, folder: Path) -> tuple[Path, Path]:
        """The pool and a small one to warm up with, as files in a folder; made if need be."""
        whole = folder / f"{self.stem}.npy"
        small = folder / f"{self.stem}-small.npy"
        if not whole.exists():
            self.write(whole)
        if not small.exists():
            pools.write_npy(small, np.load(whole, mmap_mode="r")[:WARM_UP_ROWS])
        return whole, small


def all_cases(npy: str | None = None, scale: float = 1.0) -> list[Case]:
    """Every case, in the order of its size.

    Args:
        npy: a file of embeddings for the case that wants real ones.
        scale: sizes and budgets are multiplied by this, to try the harness out.
    """

    def scaled(count: int) -> int:
        return max(2, round(count * scale))

    million = scaled(1_000_000)
    on_disk = scaled(2_000_000)
    return [
        clustered_case("small", scaled(1_000), scaled(100)),
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
    """The cases of these names, or all of them.

    Raises:
        ValueError: there is no case of such a name.
    """
    every = all_cases(npy, scale)
    known = [case.name for case in every]
    for name in names or ():
        if name not in known:
            raise ValueError(f"cases are {', '.join(known)}; there is no {name}.")
    return [case for case in every if names is None or case.name in names]


def clustered_case(
    name: str,
    n: int,
    budget: int,
    *,
    peers: tuple[str, ...] | None = None,
    cuda: bool = False,
) -> Case:
    """A case over Gaussian clusters."""

    def write(path: Path) -> None:
        pools.write_npy(path, pools.clustered(n, DIMENSION))

    stem = f"clustered-{n}"
    return Case(
        name, "Gaussian clusters", stem, write, n, DIMENSION, budget, peers=peers, cuda=cuda
    )


def _embeddings(npy: str | None, n: int) -> Case:
    """Half of a pool of embeddings: those of a file, or generated ones."""
    if npy is None:

        def write(path: Path) -> None:
            pools.write_npy(path, pools.embeddings_alike(n, DIMENSION))

        words = "generated, with the spectrum of embeddings"
        return Case("embeddings", words, f"alike-{n}", write, n, DIMENSION, max(1, n // 2))

    # The path stays here: what is written down is the file's name.
    path_given = Path(npy)
    n, d = np.load(path_given, mmap_mode="r").shape

    def copy(path: Path) -> None:
        pools.write_npy(path, pools.from_npy(path_given))

    words = f"embeddings of {path_given.name}"
    return Case("embeddings", words, f"given-{path_given.stem}", copy, n, d, max(1, n // 2))
