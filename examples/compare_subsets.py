"""Compare an evenly spread subset of a data set with its first rows and with random subsets.

python examples/compare_subsets.py train.jsonl 500
"""

import sys

from evenly import compare, select_uniform


def main(source: str, budget: int, encoder: str = "all-MiniLM-L6-v2") -> None:
    even = select_uniform(source, budget, encoder=encoder)
    # Any row numbers can be compared, for example those of another method.
    subsets = {"even": even, "first rows": range(budget)}

    comparison = compare(subsets, source, encoder=encoder, random_subsets=3)

    print(comparison)
    best = max(comparison.rows, key=lambda row: row["vendi_score"])
    print(f"highest Vendi score: {best['subset']}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
