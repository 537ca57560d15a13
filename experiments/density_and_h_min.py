"""Claim 1: rows drawn evenly have a larger h_min than as many biased rows.

Rows are drawn from a cube, a share of them from a corner a fifth as wide: the larger the share,
the larger the largest density. Beside h_min stands the lower bound of the paper (read in a summary
of it, not in the paper itself), which holds with a probability of 0.9.

With --data, rows are drawn from real vectors as well, a share of them from the twentieth of the
pool that is nearest to a random row. For even draws, theory says that h_min falls as n^(-2/d); the
d that is fitted to h_min stands beside the intrinsic dimension that `evenly.measure` estimates.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist

import evenly
from experiments.figures import Panel, draw_curves
from experiments.harness import Results, Row, Run, carry_out, digest_of, machine, product_of
from experiments.statistics import Estimate, means, table
from experiments.texts import Rows, made_up, read_labelled, vectors_of

NAME = "density_and_h_min"
_CORNER = 0.2
_RISK = 0.1
_BIASES = (0.0, 0.3, 0.6, 0.9)


def draw(n: int, d: int, bias: float, rng: np.random.Generator) -> np.ndarray:
    """Return (n, d) rows of the unit cube, a share `bias` of them in its corner."""
    rows = rng.random((n, d))
    rows[rng.random(n) < bias] *= _CORNER
    return rows


def largest_density(d: int, bias: float) -> float:
    """Return the density in the corner: 1 without bias."""
    return 1 - bias + bias / _CORNER**d


def lower_bound(n: int, d: int, bias: float) -> float:
    """Return the h_min that is exceeded with probability 0.9: (2δ / (π_max·N(N-1)·V_d))^(1/d)."""
    volume = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    return (2 * _RISK / (largest_density(d, bias) * n * (n - 1) * volume)) ** (1 / d)


def measure(n: int, d: int, bias: float, seed: int) -> Row:
    """Draw rows, and return their h_min with the bound."""
    rows = draw(n, d, bias, np.random.default_rng([n, d, round(100 * bias), seed]))
    h_min = float(cKDTree(rows).query(rows, k=2)[0][:, 1].min())
    bound = lower_bound(n, d, bias)
    return {"h_min": h_min, "bound": bound, "above_bound": float(h_min >= bound)}


def draw_real(vectors: Rows, n: int, bias: float, rng: np.random.Generator) -> Rows:
    """Return n rows of a pool, a share `bias` of them from the neighbourhood of one row."""
    gaps = ((vectors - vectors[rng.integers(len(vectors))]) ** 2).sum(axis=1)
    near = np.argsort(gaps, kind="stable")[: max(n, len(vectors) // 20)]
    wanted = rng.binomial(n, bias)
    chosen = rng.choice(near, wanted, replace=False)
    others = np.setdiff1d(np.arange(len(vectors)), chosen)
    return np.concatenate([chosen, rng.choice(others, n - wanted, replace=False)])


def measure_real(vectors: Rows, n: int, bias: float, seed: int) -> Row:
    """Draw rows of a pool, and return their h_min."""
    rng = np.random.default_rng([n, round(100 * bias), seed])
    rows = vectors[draw_real(vectors, n, bias, rng)].astype(float)
    return {"h_min": float(pdist(rows).min())}


def slope_of(rows: Sequence[Row]) -> Estimate:
    """Return the power of n with which h_min falls: the mean of what is fitted to each seed."""
    seeds: dict[int, list[Row]] = {}
    for row in rows:
        seeds.setdefault(row["seed"], []).append(row)
    return Estimate.of(
        np.polyfit(*(np.log([row[name] for row in own]) for name in ("n", "h_min")), 1)[0]
        for own in seeds.values()
    )


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments density_and_h_min --help`."""
    found = _cubes(options)
    panels = [
        Panel(f"cube, d = {d}", "rows", "mean h_min", _by_bias([r for r in found if r["d"] == d]))
        for d in dict.fromkeys(row["d"] for row in found)
    ]
    for setting, vectors in _pools(options):
        own = _real(setting, cache(vectors), options)
        panels.append(Panel(setting["data"], "rows", "mean h_min", _by_bias(own)))
    draw_curves(panels, options.folder / f"{NAME}.svg")
    return found


def _cubes(options: argparse.Namespace) -> list[Row]:
    sizes, dimensions, seeds = [100, 1000], [1, 2, 4, 8], 100
    if options.quick:
        sizes, dimensions, seeds = [100], [1, 4], 8
    keys = product_of(n=sizes, d=dimensions, bias=_BIASES, seed=range(seeds))
    runs = [Run(key, lambda key=key: measure(**key)) for key in keys]
    found = carry_out(NAME, runs, Results(options.folder / f"{NAME}.jsonl"), seconds_a_run=0.02)
    rows = [{**row, "arm": row["bias"]} for row in found]
    print(f"\n{NAME}\n{machine()}\n")
    print("| n | d | bias | mean h_min | bound | draws above the bound |")
    print("| --- | --- | --- | --- | --- | --- |")
    for key in product_of(n=sizes, d=dimensions):
        for bias, estimate in means(rows, "h_min", of=key).items():
            above = means(rows, "above_bound", of=key)[bias].mean
            bound = lower_bound(key["n"], key["d"], float(bias))
            print(
                f"| {key['n']:,} | {key['d']} | {bias} | {estimate.mean:.3g} ± "
                f"{estimate.half_width:.1g} | {bound:.3g} | {above:.0%} |"
            )
    return found


def _pools(options: argparse.Namespace) -> Iterator[tuple[Row, Callable[[], Rows]]]:
    """Yield each pool of real data: its names, and a function that returns its vectors."""
    if options.quick:
        setting = {"data": "made-up questions", "encoder": "static"}
        yield setting, lambda: vectors_of(made_up(300, 1).texts, "static")
    for path in map(Path, options.data):
        encoder = None if path.suffix == ".npy" else options.encoder
        setting = {"data": path.name, "content": digest_of(path), "encoder": encoder}
        yield setting, partial(_read_vectors, path, encoder)


def _read_vectors(path: Path, encoder: str | None) -> Rows:
    """Return the distinct vectors in a file, or of the texts in it."""
    if encoder is None:
        found = np.load(path).astype(np.float32)
    else:
        found = vectors_of(read_labelled(path, names={}).texts, encoder)
    return np.unique(found, axis=0)


def _real(setting: Row, vectors: Callable[[], Rows], options: argparse.Namespace) -> list[Row]:
    sizes, seeds = ([30, 60], 4) if options.quick else ([50, 100, 200, 500, 1000], 30)
    keys = product_of(n=sizes, bias=_BIASES, seed=range(seeds))
    runs = [Run({**key, **setting}, lambda key=key: measure_real(vectors(), **key)) for key in keys]
    name = f"{NAME} ({setting['data']})"
    results = Results(options.folder / f"{NAME}_of_vectors.jsonl")
    found = carry_out(name, runs, results, seconds_a_run=0.1)
    pool = vectors()
    measures = evenly.measure(pool, np.arange(2), details=True, progress=False).theory
    even = [row for row in found if row["bias"] == 0.0]
    slope = slope_of(even)
    low, high = slope.mean - slope.half_width, slope.mean + slope.half_width
    print(f"\n{name}: {len(pool):,} distinct rows of {pool.shape[1]} dimensions\n")
    print(f"intrinsic dimension by TwoNN: {measures.intrinsic_dimension:.1f}")
    print(f"h_min of even draws falls as n to the power of {slope}: as in {-2 / slope.mean:.1f}")
    print(f"dimensions ({-2 / low:.1f} to {-2 / high:.1f})\n")
    print(table([{**row, "arm": row["bias"]} for row in found], "h_min", baseline=0.0, columns="n"))
    return found


def _by_bias(rows: Sequence[Row]) -> dict[str, tuple[list[float], list[float]]]:
    """Return bias -> numbers of rows, and mean h_min."""
    sizes = sorted({row["n"] for row in rows})
    own = [{**row, "arm": row["bias"]} for row in rows]
    return {
        f"bias {bias}": (sizes, [means(own, "h_min", of={"n": n})[bias].mean for n in sizes])
        for bias in _BIASES
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument(
        "--data", nargs="+", default=[], help="CSV files of texts, or .npy files of vectors"
    )
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2", help="for texts")
