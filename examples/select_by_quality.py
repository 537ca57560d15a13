"""Choose the rows with the best scores in a column that are far enough apart.

python examples/select_by_quality.py train.jsonl score best.jsonl 500
"""

import sys

from evenly import select_by_quality


def main(
    source: str, score: str, target: str, budget: int, encoder: object = "all-MiniLM-L6-v2"
) -> None:
    # With min_distance= instead of a budget, the number of rows depends on the data.
    best = select_by_quality(source, budget, quality=score, encoder=encoder)

    best.write(target)
    print(f"the {len(best)} best rows with an h_min of {best.h_min:.3f}")
    print(f"row {best.indices[0]} has the highest score")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
