"""Sizes that engines work with: they change how fast an engine is, never what it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineSizes:
    """Sizes that engines work with; the defaults are measured.

    Attributes:
        single_round: a pool of at most this many rows is one frontier.
        cells: number of Voronoi cells; the first chosen rows, which are far apart, are their
            centres.
        least_unseen: rows with fewer targets left to compare with do not search their cell.
        rows_a_read: rows that are read from disk and compared at once.
        rows_on_device: rows that a GPU compares at once.
        targets_on_device: targets that a GPU compares rows with at once.
    """

    single_round: int = 2048
    cells: int = 256
    least_unseen: int = 2048
    rows_a_read: int = 4096
    rows_on_device: int = 1 << 16
    targets_on_device: int = 4096
