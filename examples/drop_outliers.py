"""Leave out the rows that are least like all others, and list them.

python examples/drop_outliers.py train.jsonl subset.jsonl 500 0.005
"""

import sys
import warnings

from evenly import select_uniform
from evenly.errors import IsolatedRowsWarning


def main(
    source: str,
    target: str,
    budget: int,
    fraction: float,
    encoder: object = "all-MiniLM-L6-v2",
    normalize: bool = True,
) -> None:
    # Without drop_outliers, such rows are picked first, and a warning shows examples.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IsolatedRowsWarning)
        select_uniform(source, budget, encoder=encoder, normalize=normalize)
    print(caught[0].message if caught else "No isolated rows among the first picks.")

    subset = select_uniform(
        source, budget, encoder=encoder, normalize=normalize, drop_outliers=fraction
    )
    subset.write(target)
    for row, reason in subset.provenance["dropped"].items():
        print(f"row {row} {reason}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
