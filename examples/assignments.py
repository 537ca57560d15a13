"""Find which rows each chosen row represents, and explain why rows were chosen or left out.

python examples/assignments.py train.jsonl 500 clusters.csv
"""

import sys

from evenly import select_uniform


def main(source: str, budget: int, target: str, encoder: object = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, budget, encoder=encoder)
    # An encoder given by name is remembered; an encoder object must be passed again.
    options = {} if isinstance(encoder, str) else {"encoder": encoder}

    assigned = subset.assignments(**options)
    assigned.write(target)
    largest = int(assigned.chosen[assigned.sizes.argmax()])
    size, others = assigned.sizes.max(), assigned.of(largest)[1:4]
    print(f"row {largest} represents {size} rows, such as {others}")

    left_out = next(row for row in assigned.rows.tolist() if row not in assigned.chosen)
    print(subset.explain(int(subset.indices[-1]), **options))
    print(subset.explain(left_out, **options))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
