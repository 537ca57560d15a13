"""Deduplicate a mixed corpus, choose equally many rows of each source, and report on it.

python examples/mixed_corpus.py corpus.jsonl source 1000 subset.jsonl page.html
"""

import sys
from collections import Counter

from evenly import deduplicate, report, select_uniform


def main(
    source: str,
    groups: str,
    budget: int,
    target: str,
    page: str,
    encoder: object = "all-MiniLM-L6-v2",
) -> None:
    left = deduplicate(source, similarity=0.95, keep="longest", encoder=encoder).take(source)
    subset = select_uniform(
        left, budget, groups=groups, balance="equal", density_weight=1, encoder=encoder
    )
    subset.write(target)
    for name, number in Counter(record[groups] for record in subset.take(left)).items():
        print(f"{name}: {number} rows")
    shown = report(subset, left, encoder=encoder)
    shown.save(page)
    print(shown.headline)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:6])
