"""Include some rows and exclude others by their ids.

python examples/include_exclude.py train.jsonl subset.jsonl 500 id "a1,a7" "b2,b3"
"""

import sys

from evenly import select_uniform


def main(
    source: str,
    target: str,
    budget: int,
    id_column: str,
    include: list[str],
    exclude: list[str],
    encoder: str = "all-MiniLM-L6-v2",
) -> None:
    subset = select_uniform(
        source, budget, include=include, exclude=exclude, id_column=id_column, encoder=encoder
    )
    subset.write(target)
    print(f"{len(include)} rows were included, {len(subset) - len(include)} more were chosen")


if __name__ == "__main__":
    path_in, path_out, rows, column, included, excluded = sys.argv[1:7]
    main(path_in, path_out, int(rows), column, included.split(","), excluded.split(","))
