"""The radii curve of a pool: how far apart the first m farthest-first picks are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenly.distributed.engine import make_engine_at
from evenly.geometry import DistanceMatrix, Points, first_of_the_farthest
from evenly.geometry.clustering.cells import NearPicks
from evenly.selection.greedy.driver import farthest_first
from evenly.selection.greedy.picks import Picks
from evenly.selection.greedy.progress import progress_bar
from evenly.selection.greedy.run import near_picks
from evenly.shapes import Float

# A slope over fewer picks than this is noise.
_MIN_PICKS = 20


@dataclass(frozen=True, eq=False)
class Curve:
    """Radii of a farthest-first run over a whole pool, without rules or weights.

    Attributes:
        radii: (k,) radii[m] is the distance of pick m to the nearest earlier pick, and the
            covering radius of the first m picks; radii[0] is inf. Non-increasing.
        pool_size: number of usable rows in the pool.
        near: a pick of the run near every row, or bounds on the distances to them, if the engine
            knows them.
    """

    radii: Float[np.ndarray, " k"]
    pool_size: int
    near: NearPicks | None = None

    @property
    def tree(self) -> NearPicks | None:
        """A pick near every row, if they are known."""
        return None if self.near is None or self.near.near is None else self.near

    @classmethod
    def of(
        cls, points: Points | DistanceMatrix, size: int, *, progress: bool | None = None
    ) -> Curve:
        """Run farthest-first to `size` picks, from the row farthest from the mean.

        Cost: that of selecting as many rows.
        """
        picks, near = _picks(points, size, None, progress)
        return cls(picks.radii, int(np.count_nonzero(points.eligible)), near)

    @classmethod
    def down_to(
        cls, points: Points | DistanceMatrix, distance: float, *, progress: bool | None = None
    ) -> Curve:
        """Run farthest-first until a radius is below `distance`, or all rows are picked."""
        pool_size = int(np.count_nonzero(points.eligible))
        picks, size = None, min(64, pool_size)
        while True:
            picks, _ = _picks(points, size, picks, progress)
            if picks.radii[-1] < distance or size == pool_size:
                return cls(picks.radii, pool_size)
            size = min(4 * size, pool_size)

    def rows_at(self, distance: float) -> int:
        """Return how many picks of the curve are at least `distance` from all earlier ones."""
        return int(np.count_nonzero(self.radii >= distance))

    @property
    def dimension(self) -> float | None:
        """The d for which radii fall as the power -1 / d of the number of picks.

        Fitted in logarithms to the last nine tenths of the picks. A pool of dimension d holds
        about (1/r)^d balls of radius r, hence the name. None for fewer than 20 distinct rows.
        """
        count = int(np.count_nonzero(self.radii))
        begin = max(count // 10, 1)
        if count < _MIN_PICKS:
            return None
        # Evenly spaced in the logarithm, or the last tenth of the picks would decide alone.
        picks = np.unique(np.geomspace(begin, count - 1, 200).astype(int))
        slope = np.polyfit(np.log(picks), np.log(self.radii[picks]), 1)[0]
        return float(-1.0 / slope) if slope < 0 else float("inf")


def _picks(
    points: Points | DistanceMatrix, size: int, initial: Picks | None, progress: bool | None
) -> tuple[Picks, NearPicks | None]:
    if initial is None:
        initial = Picks.first(first_of_the_farthest(points.squared_distances_to_mean()))
    with progress_bar(size, len(initial), progress) as show:
        engine = make_engine_at(points, size)
        picks, _ = farthest_first(engine, size, initial, progress=show)
    return picks, near_picks(engine, picks)
