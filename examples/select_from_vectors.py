"""Select from a .npy file of vectors, and write the row numbers.

python examples/select_from_vectors.py vectors.npy rows.npy 1000
"""

import sys

import numpy as np

from evenly import select_uniform


def main(source: str, target: str, budget: int) -> None:
    # The file is memory-mapped. normalize=False keeps the lengths of the vectors; by default,
    # only their directions are compared.
    subset = select_uniform(source, budget, normalize=False)

    np.save(target, subset.indices)
    print(f"{len(subset)} rows, no two closer than {subset.h_min:.4g};")
    print(f"no row is farther than {subset.coverage_radius:.4g} from a chosen one.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
