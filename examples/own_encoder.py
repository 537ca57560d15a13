"""Use an encoder of your own: any object whose encode(list of texts) returns one vector per text.

python examples/own_encoder.py train.txt 100
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

from evenly import select_uniform


class LetterPairs:
    """Counts pairs of letters: blind to meaning, but no model is needed."""

    name = "letter-pairs"
    fingerprint = "letter-pairs 1"  # the cache key: change it whenever the vectors change

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return one vector per text."""
        vectors = np.zeros((len(texts), 26 * 26), np.float32)
        for row, text in enumerate(texts):
            letters = [ord(c) - ord("a") for c in text.lower() if "a" <= c <= "z"]
            for first, second in pairwise(letters):
                vectors[row, 26 * first + second] += 1
        return vectors


def main(source: str, budget: int) -> None:
    lines = [line for line in Path(source).read_text().splitlines() if line.strip()]
    subset = select_uniform(lines, budget, encoder=LetterPairs())
    print("\n".join(subset.take(lines)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
