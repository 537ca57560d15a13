"""Measure what rules cost, relative to a plain selection: one JSON row per rule, on stdout.

    python -m benchmarks.rules --repeats 3 --only deduplicate select_by_quality

All rules take turns with the plain selection, so that other load on the machine affects all of
them. The ratio is that of the median seconds, without reading and embedding. To add a rule, add a
line to `rules`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks import pools
from benchmarks.machine import machine, versions
from evenly import deduplicate, select_by_quality, select_uniform

Row = dict[str, Any]
Rule = Callable[[], Any]

PLAIN = "plain"
WARM_UP_ROWS = 3_000


def rules(vectors: pools.Vectors, budget: int, seed: int = 0) -> dict[str, Rule]:
    """Return what is timed, by name: `PLAIN`, and each rule that is compared with it."""
    random = np.random.default_rng(seed)
    n = len(vectors)
    rows = random.permutation(n)
    n_special = max(1, budget // 10)
    quality = random.random(n)
    tokens = random.integers(20, 500, n)
    groups = random.choice(list("abcdefgh"), n).tolist()
    # About the h_min of the plain selection.
    distance = select_uniform(vectors, budget).h_min

    def uniform(**rule: Any) -> Rule:
        return lambda: select_uniform(vectors, **{"budget": budget, **rule})

    return {
        PLAIN: uniform(),
        "include": uniform(include=rows[:n_special]),
        "exclude": uniform(exclude=rows[:n_special]),
        "away_from": uniform(away_from=rows[:n_special]),
        "min_distance": uniform(budget=None, min_distance=distance),
        "balance": uniform(groups=groups, balance="equal"),
        "token_budget": uniform(
            budget=None, token_budget=int(budget * tokens.mean()), costs=tokens
        ),
        "quality_weight": uniform(quality=quality, quality_weight=0.5),
        "select_by_quality(min_distance)": lambda: select_by_quality(
            vectors, quality=quality, min_distance=distance
        ),
        "select_by_quality": lambda: select_by_quality(vectors, budget, quality=quality),
        "select_by_quality(gist)": lambda: select_by_quality(
            vectors, budget, quality=quality, method="gist", diversity_weight=budget / 5
        ),
        "deduplicate": lambda: deduplicate(vectors, distance),
        "deduplicate(to)": lambda: deduplicate(vectors, to=budget),
    }


def measure(
    n: int, d: int, budget: int, *, only: Sequence[str] | None = None, repeats: int = 3
) -> Iterator[Row]:
    """Yield one row per rule, or per rule named.

    Raises:
        ValueError: no rule has one of the names.
    """
    vectors = pools.clustered(n, d)
    timed = rules(vectors, budget)
    unknown = [name for name in only or () if name not in timed]
    if unknown:
        raise ValueError(f"rules are {', '.join(timed)}; there is no {unknown[0]}.")
    names = [name for name in timed if only is None or name in (PLAIN, *only)]
    small = min(n, WARM_UP_ROWS)
    warm_up = rules(vectors[:small], max(2, budget * small // n))
    for name in names:
        warm_up[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    results: dict[str, Any] = {}
    for repeat in range(repeats):
        for name in names[repeat % len(names) :] + names[: repeat % len(names)]:
            began = perf_counter()
            results[name] = timed[name]()
            # Steps such as hashing the input do not count.
            steps = results[name].provenance.seconds
            seconds[name].append(steps.get("selection", steps.get("packing", np.nan)))
            print(f"{name}: {perf_counter() - began:.2f} s", file=sys.stderr)
    plain = statistics.median(seconds[PLAIN])
    for name in names:
        median = statistics.median(seconds[name])
        yield {
            "rule": name,
            "n": n,
            "d": d,
            "budget": budget,
            "rows": len(results[name]),
            "distance": getattr(results[name], "min_distance", None) or results[name].h_min,
            "seconds": round(median, 4),
            "spread": [round(min(seconds[name]), 4), round(max(seconds[name]), 4)],
            "ratio": round(median / plain, 3),
            "repeats": repeats,
            "machine": machine(),
            "versions": versions("numba"),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=50_000)
    parser.add_argument("-d", type=int, default=384)
    parser.add_argument("--budget", type=int, default=5_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="RULE", help="only these rules")
    given = parser.parse_args(arguments)
    for row in measure(given.n, given.d, given.budget, only=given.only, repeats=given.repeats):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
