"""Choose rows that are far from data a model has already seen, and from each other.

python examples/keep_away.py train.jsonl seen.jsonl subset.jsonl 500
"""

import sys

from evenly import select_uniform


def main(
    source: str, seen: str, target: str, budget: int, encoder: str = "all-MiniLM-L6-v2"
) -> None:
    subset = select_uniform(source, budget, away_from=seen, encoder=encoder)

    subset.write(target)
    print(f"{len(subset)} rows, none closer than {subset.h_min:.4f} to another or to {seen}")


if __name__ == "__main__":
    path_in, path_seen, path_out, rows = sys.argv[1:5]
    main(path_in, path_seen, path_out, int(rows))
