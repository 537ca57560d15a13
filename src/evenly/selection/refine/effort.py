"""How much work and time a refinement may take."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from time import perf_counter


@dataclass(frozen=True)
class SearchEffort:
    """Amounts of work, none of which depends on the machine, so that results do not either.

    Attributes:
        least_work, most_work: steps from a row to a neighbour in one round of a tabu search; in
            between, as many as the graph has entries.
        least_rounds, idle_work: a search ends after this many rounds in a row without a
            success, or after this many steps if that is longer; up to `most_patience` times as
            many if more than `few_rows` rows are chosen, which leave more to exchange.
        all_pairs_rows: pools of at most this many rows are searched up to twice the h_min of
            farthest-first, which no selection exceeds.
        max_rows, max_pairs: rows that are searched, and pairs of neighbours among them: 0.9 GB.
            At 384 dimensions, finding the neighbours takes minutes.
        few_pairs: pairs of neighbours that are searched in a pool that has more than `max_pairs`,
            if at most `few_rows` rows are chosen.
        grouped_rows: of at least so many rows, neighbours are looked for in groups of rows.
        block_rows: rows that are compared with a sample at once.
        bound_work, optimum_work: 64-bit words that branch and bound may process, for an upper
            bound and for the optimum itself.
    """

    least_work: int = 1_000_000
    most_work: int = 12_000_000
    least_rounds: int = 6
    idle_work: int = 12_000_000
    few_rows: int = 600
    few_pairs: float = 5_000_000
    most_patience: float = 3.5
    all_pairs_rows: int = 2048
    max_rows: int = 1 << 18
    max_pairs: float = 16_000_000
    grouped_rows: int = 1 << 14
    block_rows: int = 1 << 16
    bound_work: float = 1e9
    optimum_work: float = 2e10


class TimeIsUp(Exception):  # noqa: N818  # not an error: the best so far is the answer
    """The time limit has passed."""


class Clock:
    """Measure the time since construction against a limit.

    Args:
        seconds: the limit; None for none.
        spent: seconds that count as spent already.
    """

    def __init__(self, seconds: float | None, spent: float = 0.0) -> None:
        self._began = perf_counter() - spent
        self._seconds = inf if seconds is None else seconds

    @property
    def spent(self) -> float:
        """Seconds since construction."""
        return perf_counter() - self._began

    def check(self) -> None:
        """Raise TimeIsUp if the limit has passed."""
        if self.spent >= self._seconds:
            raise TimeIsUp
