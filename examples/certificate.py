"""How far from the best possible a subset is at most, and how many rows there are at a distance.

python examples/certificate.py train.jsonl 0.1
"""

import sys

from evenly import measure, rows_at, select_uniform


def main(source: str, budget: int | float, encoder: str = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, budget, encoder=encoder)
    measures = measure(source, subset, encoder=encoder, random_subsets=0, certificate="thorough")

    print(f"h_min of {measures.size} rows: {measures.h_min:.4f}")
    # Each of them is proven: no subset of this size has a larger h_min.
    for name, bound in sorted(measures.bounds.items(), key=lambda named: named[1]):
        print(f"  at most {bound:.4f} by {name}")
    print(f"so it has at least {measures.certified_fraction:.1%} of the best possible")

    for share in (1.0, 0.9, 0.8):
        found = rows_at(source, measures.h_min * share, encoder=encoder)
        print(f"{found.at_least} to {found.at_most} rows at {found.h_min:.4f}")


if __name__ == "__main__":
    path, wanted = sys.argv[1:3]
    main(path, float(wanted) if "." in wanted else int(wanted))
