"""A file without the rows that repeat others, exactly or nearly, and what was merged into what.

python examples/deduplicate.py train.jsonl distinct.jsonl 0.3
"""

import sys

from evenly import deduplicate


def main(
    source: str, target: str, min_distance: float, encoder: object = "all-MiniLM-L6-v2"
) -> None:
    found = deduplicate(source, min_distance, keep="longest", encoder=encoder)

    found.write(target)
    print(f"{len(found)} rows are kept; {found.merged} are merged, of which")
    print(f"{found.exact_duplicates} repeat another word for word")
    for kept, others in list(found.groups.items())[:5]:
        print(f"row {kept} stands for {others}, up to {found.distances[others[-1]]:.3f} from it")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
