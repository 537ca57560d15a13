"""A refinement between two rounds, as it is kept in a checkpoint.

Nothing that is read is trusted: rows must be rows that can be chosen, and distances are computed
again from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenly.selection.refine.incumbent import RoundState
from evenly.selection.refine.tabu import TabuSnapshot
from evenly.shapes import Int

Kept = tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]
"""A document and arrays that a checkpoint holds beside the picks."""

# Of the way of searching: a state of another version is not continued.
_VERSION = 2

# The square of any distance is finite.
_LARGEST = 1e154


class WrongStateError(ValueError):
    """A state is not one of the search that it should continue. Never leaves this package."""


@dataclass(frozen=True, eq=False)
class SearchState:
    """Where a refinement stands.

    Attributes:
        base: rows whose neighbours are searched, those to include first.
        distance: the smallest distance between them.
        top: the distance up to which neighbours were found.
        divided: distances at which the graph was divided, see `NeighbourGraph`.
        rounds: the search among these neighbours; its packings are masks of all rows.
        seconds: the time taken so far.
    """

    base: Int[np.ndarray, " k"]
    distance: float
    top: float
    divided: tuple[float, ...]
    rounds: RoundState
    seconds: float


Keep = Callable[[SearchState], object]


def key_of(count: int, method: str, seed: int) -> dict[str, Any]:
    """Return what a state depends on beside the picks."""
    return {"version": _VERSION, "rows": count, "method": method, "seed": seed}


def to_kept(key: Mapping[str, Any], state: SearchState) -> Kept:
    """Return a state as a document and arrays."""
    rounds = state.rounds
    document = {
        "key": dict(key),
        "distance": state.distance,
        "top": state.top,
        "seconds": state.seconds,
        "step": rounds.step,
        "failures": rounds.failures,
        "found": bool(rounds.found),
        "moves": [one.move for one in rounds.searches],
        "random": [one.random for one in rounds.searches],
    }
    arrays = {
        "refine base": state.base,
        "refine divided": np.array(state.divided, np.float64),
        "refine chosen": np.flatnonzero(rounds.chosen),
    }
    for place, one in enumerate(rounds.searches):
        arrays[f"refine chosen {place}"] = np.flatnonzero(one.chosen)
        arrays[f"refine tabu {place}"] = one.tabu
        arrays[f"refine until {place}"] = one.until
    return document, arrays


def from_kept(kept: Kept | None, key: Mapping[str, Any], count: int) -> SearchState | None:
    """Return the state of the refinement with this key; None if it is of another one.

    Args:
        count: n, the number of rows of the pool.

    Raises:
        WrongStateError, KeyError, TypeError: the content is not that of a state.
    """
    if kept is None or kept[0].get("key") != dict(key):
        return None
    document, arrays = kept

    def mask(name: str) -> np.ndarray[Any, Any]:
        rows = _rows(arrays[name], count, name)
        chosen = np.zeros(count, bool)
        chosen[rows] = True
        return chosen

    searches = []
    for place, (move, random) in enumerate(zip(document["moves"], document["random"], strict=True)):
        tabu = _rows(arrays[f"refine tabu {place}"], count, "tabu")
        until = np.asarray(arrays[f"refine until {place}"]).astype(np.int64)
        _require(until.shape == tabu.shape, "until")
        _require(0 <= int(move) < 2**62 and 0 < int(random) < 2**64, "moves")
        searches.append(
            TabuSnapshot(mask(f"refine chosen {place}"), tabu, until, int(move), int(random))
        )
    rounds = RoundState(
        mask("refine chosen"),
        _number(document["step"]),
        int(document["failures"]),
        bool(document["found"]),
        tuple(searches),
    )
    _require(rounds.failures >= 0, "failures")
    divided = np.asarray(arrays["refine divided"], np.float64)
    _require(divided.ndim == 1 and bool(np.isfinite(divided).all()), "divided")
    return SearchState(
        _rows(arrays["refine base"], count, "base"),
        _number(document["distance"]),
        _number(document["top"]),
        tuple(divided.tolist()),
        rounds,
        _number(document["seconds"]),
    )


def _rows(array: Any, count: int, name: str) -> Int[np.ndarray, " p"]:
    rows: Int[np.ndarray, " p"] = np.asarray(array).astype(np.int64)
    inside = rows.ndim == 1 and bool(((rows >= 0) & (rows < count)).all())
    _require(inside and len(np.unique(rows)) == len(rows), name)
    return rows


def _number(value: Any) -> float:
    number = float(value)
    _require(0.0 <= number <= _LARGEST, "a number")
    return number


def _require(condition: Any, name: str) -> None:
    if not condition:
        raise WrongStateError(f"{name} of its refinement is not valid")
