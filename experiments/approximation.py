"""Claim 3: does the error of a fit fall as h_min grows, at equal size?

A smooth function of d variables is known at the chosen rows of a pool and fitted by kernel
interpolation (Matérn 5/2, its length chosen by the likelihood). The error is measured on other rows
of the same pool, mean and largest. The pool is uniform, or denser around some centres. Quality is
the slope of the function at a row, which nobody knows beforehand: what an oracle would prefer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from experiments.arms import ARMS, WITH_QUALITY, Pool, keys_of, spread_of
from experiments.figures import Panel, draw_curves
from experiments.harness import Results, Row, Run, carry_out, machine, product_of
from experiments.statistics import means, rank_correlation, table
from experiments.texts import Rows

NAME = "approximation"
COMPARED = (
    *("random", "k-means", "facility location", "farthest-first", "refined", "density"),
    *("clumps of 2", "clumps of 5", "clumps of 20", *WITH_QUALITY),
)
_LENGTHS = (0.3, 0.6, 1.2, 2.4)
_JITTER = 1e-8
_STEP = 1e-4

Function = Callable[[Rows], Rows]


def make_pool(kind: str, rows: int, d: int, rng: np.random.Generator) -> Rows:
    """Return (rows, d) points of a cube, evenly or around ten centres."""
    if kind == "uniform":
        return rng.uniform(-1, 1, (rows, d)).astype(np.float32)
    centres = rng.uniform(-1, 1, (10, d))
    weights = 1 / np.arange(1, 11)
    of = rng.choice(10, rows, p=weights / weights.sum())
    return (centres[of] + 0.25 * rng.standard_normal((rows, d))).astype(np.float32)


def make_function(d: int, rng: np.random.Generator) -> Function:
    """Return a random smooth function: a few waves and bumps."""
    waves, phases = rng.standard_normal((8, d)) * 2, rng.uniform(0, 2 * np.pi, 8)
    centres = rng.uniform(-1, 1, (4, d))

    def function(rows: Rows) -> Rows:
        bumps = np.exp(-4 * cdist(rows, centres, "sqeuclidean")).sum(axis=1)
        return np.sin(rows @ waves.T + phases).sum(axis=1) / 3 + bumps

    return function


def slopes_of(function: Function, rows: Rows) -> Rows:
    """Return the (n,) lengths of the gradient of a function, by central differences."""
    steps = _STEP * np.eye(rows.shape[1])
    changes = [(function(rows + step) - function(rows - step)) / (2 * _STEP) for step in steps]
    found: Rows = np.linalg.norm(changes, axis=0)
    return found


def fit_and_predict(rows: Rows, values: Rows, tests: Rows) -> Rows:
    """Interpolate with the length scale of the largest likelihood, and return predictions."""
    best, chosen, mean = -np.inf, None, values.mean()
    gaps = cdist(rows, rows)
    for length in _LENGTHS:
        kernel = _matern(gaps / length) + _JITTER * np.eye(len(rows))
        factor = cho_factor(kernel, lower=True)
        solved = cho_solve(factor, values - mean)
        scale = float((values - mean) @ solved) / len(rows)
        fit = -0.5 * len(rows) * np.log(scale) - np.log(np.diag(factor[0])).sum()
        if fit > best:
            best, chosen = fit, (length, solved)
    assert chosen is not None
    found: Rows = mean + _matern(cdist(tests, rows) / chosen[0]) @ chosen[1]
    return found


def measure(pool: str, d: int, budget: int, seed: int, arm: str, draw: int, rows: int) -> Row:
    """Fit on the rows that an arm chooses, and return its errors on other rows."""
    rng = np.random.default_rng([seed, d])
    points = make_pool(pool, rows, d, rng)
    tests = points[: rows // 3].astype(float)
    function = make_function(d, rng)
    candidates = points[rows // 3 :]
    slopes = slopes_of(function, candidates.astype(float))
    own = Pool(candidates, np.zeros(len(candidates)), slopes, normalize=False)
    choose = {**ARMS, **WITH_QUALITY}[arm]
    found = choose(own, budget, np.random.default_rng([seed, draw, 1]))
    inputs = own.vectors[found].astype(float)
    errors = np.abs(fit_and_predict(inputs, function(inputs), tests) - function(tests))
    return {
        "mean_error": float(errors.mean()),
        "largest_error": float(errors.max()),
        **spread_of(own, found),
    }


def _matern(scaled: Rows) -> Rows:
    root = np.sqrt(5) * scaled
    found: Rows = (1 + root + root**2 / 3) * np.exp(-root)
    return found


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments approximation --help`."""
    dimensions, budgets, seeds, rows = [2, 5], [50, 200], options.seeds, 3000
    if options.quick:
        dimensions, budgets, seeds, rows = [2], [30], 2, 300
    pools = ["uniform", "clustered"]
    keys = keys_of(COMPARED, pool=pools, d=dimensions, budget=budgets, seed=range(seeds))
    runs = [Run({**key, "rows": rows}, lambda key=key: measure(**key, rows=rows)) for key in keys]
    found = carry_out(NAME, runs, Results(options.folder / f"{NAME}.jsonl"), seconds_a_run=0.7)
    print(f"\n{NAME}\n{machine()}\n")
    for key in product_of(pool=pools, d=dimensions):
        own = [row for row in found if all(row[name] == value for name, value in key.items())]
        print(f"{key['pool']} pool, d = {key['d']}\n")
        for metric in ("mean_error", "largest_error"):
            print(table(own, metric, baseline="random", digits=4) + "\n")
        for budget in budgets:
            of = [row for row in own if row["budget"] == budget]
            for name in ("h_min", "coverage_radius", "mean_distance"):
                ranks = [
                    f"{error} {rank_correlation(of, name, error)}"
                    for error in ("mean_error", "largest_error")
                ]
                print(f"budget {budget}: rank correlation of {name} with {', '.join(ranks)}")
        print()
    draw_curves(
        [
            Panel(
                f"{key['pool']}, d = {key['d']}, {budgets[-1]} rows",
                *("h_min", "mean error"),
                _by_arm(found, {**key, "budget": budgets[-1]}),
                ("log", "log" if key["d"] == 2 else "linear"),
            )
            for key in product_of(pool=pools, d=dimensions)
        ],
        options.folder / f"{NAME}.svg",
    )
    return found


def _by_arm(rows: list[Row], of: Row) -> dict[str, tuple[list[float], list[float]]]:
    """Return arm -> its mean h_min and its mean error, as a curve of one point."""
    h_min, errors = (means(rows, metric, of=of) for metric in ("h_min", "mean_error"))
    return {arm: ([h_min[arm].mean], [errors[arm].mean]) for arm in errors}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--seeds", type=int, default=20, help="each with a function of its own")
