"""In which order rows are compared: near ones in one block, and near blocks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.shapes import Float, Float32, Int

if TYPE_CHECKING:
    from collections.abc import Iterator

Round = list[tuple[int, int]]

# Blocks that a block is compared with before the others.
_FIRST = 8


def nearest_pivots(
    rows: Float32[np.ndarray, "m w"], pivots: Float32[np.ndarray, "p w"]
) -> Int[np.ndarray, " m"]:
    """Return the position of about the nearest pivot of each row."""
    products = rows @ pivots.T
    products -= np.einsum("ij,ij->i", pivots, pivots) / 2
    found: Int[np.ndarray, " m"] = np.argmax(products, axis=1)
    return found


def near_ones_together(pivots: Float32[np.ndarray, "p w"]) -> Float32[np.ndarray, "p w"]:
    """Return pivots in the order of a tour, which always goes on to the nearest that is left."""
    lengths = np.einsum("ij,ij->i", pivots, pivots)
    gaps = lengths[:, None] + lengths - 2 * (pivots @ pivots.T)
    order = [0]
    for _ in range(len(pivots) - 1):
        gaps[:, order[-1]] = np.inf
        order.append(int(np.argmin(gaps[order[-1]])))
    return pivots[order]


def nearest_first(means: Float[np.ndarray, "b W"]) -> list[Round]:
    """Return all pairs of blocks in rounds, each block in one pair of a round at most.

    Args:
        means: of the rows of each block. Blocks with near means come first; the other pairs follow
            as the rounds of a tournament.
    """
    count = len(means)
    lengths = np.einsum("ij,ij->i", means, means)
    gaps = lengths[:, None] + lengths - 2 * (means @ means.T)
    np.fill_diagonal(gaps, np.inf)
    nearest = np.argsort(gaps, axis=1)[:, : min(_FIRST, count - 1)]
    near = {_pair(one, other) for one in range(count) for other in nearest[one].tolist()}
    rounds: list[Round] = [[] for _ in range(2 * len(near))]
    turns = [0] * count
    for one, other in sorted(near, key=lambda pair: float(gaps[pair])):
        turn = max(turns[one], turns[other])
        rounds[turn].append((one, other))
        turns[one] = turns[other] = turn + 1
    rounds += [[pair for pair in pairs if pair not in near] for pairs in _tournament(count)]
    return [pairs for pairs in rounds if pairs]


def _tournament(count: int) -> Iterator[Round]:
    """Yield all pairs of different numbers in rounds, each number once a round."""
    players = count + count % 2
    for turn in range(players - 1):
        pairs = [
            _pair((turn + step) % (players - 1), (turn - step) % (players - 1))
            for step in range(1, players // 2)
        ]
        pairs.append((turn, players - 1))
        yield [(one, other) for one, other in pairs if other < count]


def _pair(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)
