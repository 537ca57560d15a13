"""The best rows of a file that are far enough apart, by a score in one of its columns.

python examples/select_by_quality.py train.jsonl score best.jsonl 500
"""

import sys

from evenly import select_by_quality


def main(
    source: str, score: str, target: str, budget: int, encoder: object = "all-MiniLM-L6-v2"
) -> None:
    # With min_distance= instead of a budget: as many rows as are that far from all better ones.
    best = select_by_quality(source, budget, quality=score, encoder=encoder)

    best.write(target)
    print(f"the {len(best)} best rows that are {best.h_min:.3f} apart")
    print(f"row {best.indices[0]} is the best of all")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
