"""Choose as many rows as farthest-first selection finds at a minimum distance.

python examples/min_distance.py train.jsonl subset.jsonl 0.8
"""

import sys

from evenly import select_uniform


def main(source: str, target: str, min_distance: float, encoder: str = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, min_distance=min_distance, encoder=encoder)

    subset.write(target)
    print(f"{len(subset)} rows have an h_min of {subset.h_min:.4f}")
    print(f"every other row is within {subset.coverage_radius:.4f} of one of them")


if __name__ == "__main__":
    path_in, path_out, distance = sys.argv[1:4]
    main(path_in, path_out, float(distance))
