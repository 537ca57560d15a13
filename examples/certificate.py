"""Prove how close a subset is to the best possible one, and count the rows at a given distance.

python examples/certificate.py train.jsonl 0.1
"""

import sys

from evenly import measure, rows_at, select_uniform


def main(source: str, budget: int | float, encoder: str = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, budget, encoder=encoder)
    measures = measure(source, subset, encoder=encoder, random_subsets=0, certificate="thorough")

    print(f"h_min of {measures.size} rows: {measures.h_min:.4f}")
    # Each bound is proven: no subset of this size has a larger h_min.
    for name, bound in sorted(measures.bounds.items(), key=lambda item: item[1]):
        print(f"  at most {bound:.4f} by {name}")
    print(f"hence h_min is at least {measures.certified_fraction:.1%} of the best possible")

    for fraction in (1.0, 0.9, 0.8):
        count = rows_at(source, measures.h_min * fraction, encoder=encoder)
        print(f"{count.at_least} to {count.at_most} rows at a distance of {count.h_min:.4f}")


if __name__ == "__main__":
    path, budget = sys.argv[1:3]
    main(path, float(budget) if "." in budget else int(budget))
