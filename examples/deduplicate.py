"""Remove exact and near-duplicates from a file, and show which rows were merged.

python examples/deduplicate.py train.jsonl distinct.jsonl 0.3
"""

import sys

from evenly import deduplicate


def main(
    source: str, target: str, min_distance: float, encoder: object = "all-MiniLM-L6-v2"
) -> None:
    distinct = deduplicate(source, min_distance, keep="longest", encoder=encoder)

    distinct.write(target)
    print(f"{len(distinct)} rows are kept and {distinct.merged} are merged,")
    print(f"of which {distinct.exact_duplicates} are exact duplicates")
    for kept, others in list(distinct.groups.items())[:5]:
        farthest = distinct.distances[others[-1]]
        print(f"row {kept} represents {others}, at distances of up to {farthest:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
