"""Choose rows that maximise quality and distance at once: sum of scores + weight · h_min.

python examples/gist.py train.jsonl score best.jsonl 500 100
"""

import sys

from evenly import select_by_quality


def main(
    source: str,
    score: str,
    target: str,
    budget: int,
    weight: float,
    encoder: object = "all-MiniLM-L6-v2",
) -> None:
    best = select_by_quality(
        source, budget, quality=score, method="gist", diversity_weight=weight, encoder=encoder
    )

    best.write(target)
    value = best.provenance["by_quality"]["value"]
    print(f"{len(best)} rows with an h_min of {best.h_min:.3f}; the objective is {value:.4g}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
