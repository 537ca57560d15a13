"""Choose half of a file of instructions, and write the rows and their manifest.

python examples/select_from_jsonl.py train.jsonl subset.jsonl 0.5
"""

import sys

from evenly import select_uniform


def main(source: str, target: str, budget: int | float, encoder: str = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(source, budget, text=["instruction", "input"], encoder=encoder)
    print(subset)

    subset.write(target)
    subset.save(target.removesuffix(".jsonl") + ".manifest.json")

    # Picks are ordered farthest first, so the first m of them are the answer for budget m.
    for rows in (len(subset) // 4, len(subset) // 2, len(subset)):
        print(f"{rows:6} rows: h_min {subset.prefix(rows).h_min:.4f}")


if __name__ == "__main__":
    path_in, path_out, budget = sys.argv[1:4]
    main(path_in, path_out, float(budget) if "." in budget else int(budget))
