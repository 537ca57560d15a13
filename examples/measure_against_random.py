"""Measure how evenly a subset is spread, compared with random subsets of the same size.

python examples/measure_against_random.py train.jsonl 0.1
"""

import sys

from evenly import measure, select_uniform


def main(source: str, budget: int | float, encoder: str = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, budget, encoder=encoder)
    # The second embedding comes from the cache.
    measures = measure(source, subset, encoder=encoder, random_subsets=5)
    random = measures.random
    assert random is not None

    print(f"{'':24}{'evenly':>10}{'random':>10}")
    print(f"{'h_min':24}{measures.h_min:10.4f}{random.h_min.mean:10.4f}")
    print(
        f"{'coverage radius':24}{measures.coverage_radius:10.4f}{random.coverage_radius.mean:10.4f}"
    )
    # The mean is often *larger* than for random rows, because remote rows are rare.
    print(f"{'mean distance':24}{measures.mean_distance:10.4f}{random.mean_distance.mean:10.4f}")


if __name__ == "__main__":
    path, budget = sys.argv[1:3]
    main(path, float(budget) if "." in budget else int(budget))
