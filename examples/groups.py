"""Choose a given number of rows from each group, or equal numbers from all groups.

python examples/groups.py train.jsonl subset.jsonl 500 source code=200 math=100..150
"""

import sys
from collections import Counter

from evenly import select_uniform


def main(
    source: str,
    target: str,
    budget: int,
    column: str,
    quotas: dict[str, int | tuple[int, int]],
    encoder: str = "all-MiniLM-L6-v2",
) -> None:
    subset = select_uniform(source, budget, groups=column, quotas=quotas, encoder=encoder)
    subset.write(target)
    print("quotas:", dict(Counter(record[column] for record in subset.take(source))))

    equal = select_uniform(source, budget, groups=column, balance="equal", encoder=encoder)
    print("equal:", dict(Counter(record[column] for record in equal.take(source))))


def quota(text: str) -> int | tuple[int, int]:
    lowest, dots, highest = text.partition("..")
    return (int(lowest), int(highest)) if dots else int(lowest)


if __name__ == "__main__":
    path_in, path_out, rows, name, *pairs = sys.argv[1:]
    texts = dict(pair.split("=") for pair in pairs)
    main(path_in, path_out, int(rows), name, {group: quota(texts[group]) for group in texts})
