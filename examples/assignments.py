"""Which chosen row stands for which rows of the input, and why a row was taken or left.

python examples/assignments.py train.jsonl 500 clusters.csv
"""

import sys

from evenly import select_uniform


def main(source: str, budget: int, target: str, encoder: object = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, budget, encoder=encoder)
    # An encoder that is a name need not be named again.
    again = {} if isinstance(encoder, str) else {"encoder": encoder}

    found = subset.assignments(**again)
    found.write(target)
    largest = int(found.chosen[found.sizes.argmax()])
    print(f"row {largest} stands for {found.sizes.max()} rows, such as {found.of(largest)[1:4]}")

    left = next(row for row in found.rows.tolist() if row not in found.chosen)
    print(subset.explain(int(subset.indices[-1]), **again))
    print(subset.explain(left, **again))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
