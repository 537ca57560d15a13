"""Grow a training set: from each new file, choose only rows that differ from those chosen so far.

python examples/grow_by_rounds.py rounds 100 monday.jsonl tuesday.jsonl
"""

import sys
from pathlib import Path

from evenly import select_uniform
from evenly.errors import EvenlyError


def main(folder: str, budget: int, files: list[str], encoder: object = "all-MiniLM-L6-v2") -> None:
    target = Path(folder)
    target.mkdir()
    rules: dict = {}
    for number, source in enumerate(files, 1):
        try:
            chosen = select_uniform(source, budget, encoder=encoder, **rules)
        except EvenlyError as error:
            print(f"round {number}: {error}")
            continue
        chosen.write(target / f"{number}.jsonl")
        print(f"round {number}: {len(chosen)} of at most {budget} rows, h_min {chosen.h_min:.3f}")
        # Later rounds keep the distance of the first from all rows that were chosen before.
        rules.setdefault("min_distance", chosen.h_min)
        rules["away_from"] = str(target / "*.jsonl")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
