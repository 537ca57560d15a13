"""Ranges of rows that do not end where workers' rows end, each computed with by one worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from evenly.distributed.measuring import MeasuredRows
from evenly.distributed.messages import Recipe, proof_of
from evenly.engines import make_engine
from evenly.engines.sharded import ShardedEngine
from evenly.errors import DataError
from evenly.geometry import Points, single_threaded_blas
from evenly.geometry.window import window
from evenly.inputs.memory_plan import room_for_work
from evenly.shapes import Bool, Float

T = TypeVar("T")

RECIPE = ("hold", "open", "read_texts", "embed", "measure")
"""The requests after which a worker has its vectors."""


@dataclass(frozen=True, eq=False)
class Piece:
    """The rows of a range that one worker holds.

    Attributes:
        rows: as this worker counts.
        eligible: (m,) which of them may be chosen.
        factors: (m,) see `Points`.
        holder: a number of this worker.
        recipe: what makes a worker what it is; empty for the worker that computes.
    """

    rows: slice
    eligible: Bool[np.ndarray, " m"]
    factors: Float[np.ndarray, " m"] | None
    holder: int
    recipe: Recipe


class SharedRanges(MeasuredRows):
    """Rows that one machine holds; those of others are read where they are stored."""

    def compute(
        self,
        task: Callable[..., T],
        ranges: Sequence[tuple[Sequence[Piece], tuple[Any, ...]]],
        budget: int,
        longest: float,
        engine: str,
    ) -> list[T]:
        """Return the results of a task for some ranges of rows.

        Args:
            task: takes an engine, to which nothing was added yet, and more arguments.
            ranges: the pieces of each, in order, and the arguments.
            budget, engine: see `make_engine`.
            longest: see `Points`.
        """
        self._others: dict[int, SharedRanges] = {}
        found, device = [], self._options.device
        try:
            with single_threaded_blas():
                for pieces, arguments in ranges:
                    engines = [
                        make_engine(self._rows_of(one, longest), budget, engine, device=device)
                        for one in pieces
                    ]
                    whole = engines[0] if len(engines) == 1 else ShardedEngine(engines)
                    found.append(task(whole, *arguments))
        finally:
            self._others = {}  # frees what was opened of others
        return found

    def try_task(self, task: Callable[..., T], *arguments: Any) -> T:
        """Return the result of a task about the records; None stands for data that are not here."""
        return task(getattr(self, "_samples", None), *arguments)

    def ask_points(
        self,
        task: Callable[..., T],
        eligible: np.ndarray[Any, Any],
        longest: float,
        *arguments: Any,
    ) -> T:
        """Return the result of a task about the rows as points.

        Args:
            task: takes the points, and more arguments.
            eligible: which rows are, as bits.
            longest: see `Points`.
        """
        own = np.unpackbits(eligible, count=len(self._stored)).astype(bool)
        return task(self._points(own, longest), *arguments)

    def _rows_of(self, piece: Piece, longest: float) -> Points:
        holder = self._other(piece) if piece.recipe else self
        room = room_for_work(len(holder._stored), self._options)
        stored = window(holder._stored, piece.rows)
        return Points(stored, piece.factors, piece.eligible, longest, room)

    def _other(self, piece: Piece) -> SharedRanges:
        """Return a worker, in this process, that holds the rows of another one."""
        if piece.holder not in self._others:
            other = type(self)(0)  # type: ignore[call-arg]
            for call, arguments, proof in piece.recipe:
                if proof_of(getattr(other, call)(*arguments)) != proof:
                    raise DataError(
                        "the data changed after they were opened: a worker that reads rows of "
                        "another one found something else. Nothing was written. Repeat the "
                        "selection."
                    )
            self._others[piece.holder] = other
        return self._others[piece.holder]
