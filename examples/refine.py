"""Search for the same number of rows farther apart, and for more rows equally far apart.

python examples/refine.py train.jsonl 500 better.jsonl
"""

import sys

from evenly import Refine, select_uniform


def main(source: str, budget: int | float, output: str, encoder: str = "all-MiniLM-L6-v2") -> None:
    greedy = select_uniform(source, budget, encoder=encoder)
    # This usually takes seconds; Refine(method="exact") would continue until it has a proof.
    better = select_uniform(source, budget, encoder=encoder, refine=Refine(seconds=60))
    fuller = greedy.fill(seconds=60, encoder=encoder)

    print(f"farthest first: {len(greedy)} rows, h_min {greedy.h_min:.4f}")
    print(f"refined:        {len(better)} rows, h_min {better.h_min:.4f}")
    print(f"filled:         {len(fuller)} rows, h_min {fuller.h_min:.4f}")
    better.write(output)


if __name__ == "__main__":
    path, budget, output = sys.argv[1:4]
    main(path, float(budget) if "." in budget else int(budget), output)
