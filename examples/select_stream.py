"""Select from a stream in one pass: from files larger than memory, or from a pipe.

zcat shards/*.gz | python examples/select_stream.py 1000 subset.jsonl
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import islice

from evenly import UniformStream


def in_batches(lines: Iterable[str], size: int = 4096) -> Iterator[list[str]]:
    lines = iter(lines)
    while batch := list(islice(lines, size)):
        yield batch


def main(
    budget: int, target: str, lines: Iterable[str], encoder: object = "all-MiniLM-L6-v2"
) -> None:
    # `select_stream(batches, budget)` does the same in one call, and also accepts paths.
    stream = UniformStream(budget, encoder=encoder, on_invalid="drop")
    for batch in in_batches(lines):
        stream.update([line.strip() for line in batch])
        print(f"{stream.seen} rows read, {stream.candidates} kept", file=sys.stderr)

    subset = stream.result()  # to continue later, call `stream.save(path)`
    subset.write(target)
    print(f"{len(subset)} rows, no two closer than {subset.h_min:.4g};")
    print(f"no row is farther than {subset.coverage_bound:.4g} from one of them.")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.stdin)
