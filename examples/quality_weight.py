"""Weight distances by quality, and show how the weight affects quality and h_min.

python examples/quality_weight.py train.jsonl subset.jsonl 500 score
"""

import sys

import numpy as np

from evenly import select_uniform


def main(
    source: str, target: str, budget: int, column: str, encoder: str = "all-MiniLM-L6-v2"
) -> None:
    for weight in (0.0, 0.5, 1.0):
        subset = select_uniform(
            source, budget, quality=column, quality_weight=weight, encoder=encoder
        )
        quality = np.mean([record[column] for record in subset.take(source)])
        print(f"weight {weight}: mean quality {quality:.3f}, h_min {subset.h_min:.4f}")
    subset.write(target)


if __name__ == "__main__":
    path_in, path_out, rows, name = sys.argv[1:5]
    main(path_in, path_out, int(rows), name)
