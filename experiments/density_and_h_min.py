"""Claim 1: rows drawn evenly have a larger h_min than as many biased rows.

Rows are drawn from a cube, a share of them from a corner a fifth as wide: the larger the share,
the larger the largest density. Beside h_min stand what `evenly` expects of a random subset and the
lower bound of the paper (read in a summary of it, not in the paper itself), which holds with a
probability of 0.9.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy.spatial import cKDTree

from experiments.harness import Results, Row, Run, carry_out, machine, product_of
from experiments.statistics import means

NAME = "density_and_h_min"
_CORNER = 0.2
_RISK = 0.1


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


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments density_and_h_min --help`."""
    sizes, dimensions, seeds = [100, 1000], [1, 2, 4, 8], 100
    if options.quick:
        sizes, dimensions, seeds = [100], [1, 4], 8
    keys = product_of(n=sizes, d=dimensions, bias=[0.0, 0.3, 0.6, 0.9], seed=range(seeds))
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: this experiment has none of its own."""
