"""Quotas: so many rows of some sources, and as many of each kind.

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
    least, several, most = text.partition("..")
    return (int(least), int(most)) if several else int(least)


if __name__ == "__main__":
    path_in, path_out, rows, name, *given = sys.argv[1:]
    pairs = dict(pair.split("=") for pair in given)
    main(path_in, path_out, int(rows), name, {group: quota(pairs[group]) for group in pairs})
