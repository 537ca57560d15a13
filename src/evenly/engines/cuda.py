"""The engine on a GPU, by torch: bfloat16 products rule out, float64 decides, on the device."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from evenly.engines.protocol import FRONTIER, Frontier
from evenly.engines.sharded import ShardedEngine
from evenly.engines.sizes import EngineSizes
from evenly.engines.upper_bounds import Bounded
from evenly.geometry import TIE, Points, ProxyTransform
from evenly.shapes import Int

if TYPE_CHECKING:
    from evenly.engines.protocol import Engine

# Coordinates of the pairs that are decided at once.
_PAIR_NUMBERS = 1 << 26

# Bytes a row besides its vector: bound, factor, number of targets seen, and sorting.
_BYTES_A_ROW = 48


def make_cuda_engine(points: Points, budget: int, device: str = "auto") -> Engine:
    """Make an engine on a named GPU, or one that is sharded over all GPUs."""
    if device in ("auto", "cuda"):
        devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    else:
        devices = [device]
    bounds = np.linspace(0, len(points), len(devices) + 1).astype(int)
    engines: list[Engine] = [
        TorchEngine(points.part(slice(int(begin), int(end))), budget, name)
        for name, begin, end in zip(devices, bounds[:-1], bounds[1:], strict=True)
    ]
    return engines[0] if len(engines) == 1 else ShardedEngine(engines)


class TorchEngine(Bounded):
    """An engine on one torch device, with the same bounds as `MemoryEngine`.

    Vectors keep their own type. If they do not fit on the device, they stay in memory and are
    sent a tile at a time. Proxies are whole rows: products are cheap here, exact distances are
    not.

    Args:
        points: the rows.
        budget: how many will be chosen.
        device: such as "cuda:0"; "cpu" works too, and is slow.
        resident: whether the vectors are kept on the device; by default if they fit.
        sizes: see there.
    """

    def __init__(
        self,
        points: Points,
        budget: int,
        device: str,
        *,
        resident: bool | None = None,
        sizes: EngineSizes | None = None,
    ) -> None:
        self._points = points
        self._sizes = sizes or EngineSizes()
        self._device = torch.device(device)
        self._transform = ProxyTransform.of(points)
        self._shift = self._sent(self._transform.shift)
        if resident is None:
            resident = self._fits()
        self._stored = self._sent(points.stored[:]) if resident else None
        self._factors = None if points.factors is None else self._sent(points.factors)
        eligible = self._sent(points.eligible)
        infinity = torch.full((len(points),), torch.inf, dtype=torch.float64, device=self._device)
        super().__init__(torch.where(eligible, infinity, -infinity))
        self._seen = torch.zeros(len(points), dtype=torch.int64, device=self._device)
        self._count = 0
        self._chosen = torch.zeros(
            (budget, points.dimension), dtype=torch.float64, device=self._device
        )
        self._targets = torch.zeros(
            (budget, points.dimension), dtype=torch.bfloat16, device=self._device
        )
        self._lengths = torch.zeros(budget, dtype=torch.float32, device=self._device)

    def _fits(self) -> bool:
        if self._device.type != "cuda":
            return True
        free, _ = torch.cuda.mem_get_info(self._device)
        return bool(self._points.stored.nbytes + len(self._points) * _BYTES_A_ROW < 0.7 * free)

    def __len__(self) -> int:
        return len(self._points)

    def _sent(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable", category=UserWarning)
            return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _exact(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows as (m, d) float64, whose distances are exact."""
        if self._stored is not None:
            taken = self._stored.index_select(0, rows).double()
        else:
            taken = self._sent(self._points.stored[rows.cpu().numpy()]).double()
        if self._factors is not None:
            taken *= self._factors.index_select(0, rows)[:, None]
        return taken

    def _proxies(self, exact: torch.Tensor) -> torch.Tensor:
        return ((exact - self._shift) * self._transform.scale).float()

    def fetch(self, rows: Int[np.ndarray, " b"]) -> Points:
        """Return rows as points."""
        return self._points.take(rows)

    def add(self, rows: Int[np.ndarray, " b"], points: Points | None) -> None:
        """Mark rows as chosen: other rows are compared with them from now on."""
        assert points is not None
        new = slice(self._count, self._count + len(points))
        self._reserve(new.stop)
        self._chosen[new] = self._sent(points.exact(slice(None)))
        proxies = self._proxies(self._chosen[new])
        self._targets[new] = proxies.bfloat16()
        self._lengths[new] = torch.linalg.vecdot(proxies, proxies)
        self._count = new.stop
        self.squared[self._sent(rows[rows >= 0])] = -torch.inf

    def _reserve(self, count: int) -> None:
        if count > len(self._chosen):
            more = max(count, 2 * len(self._chosen)) - len(self._chosen)
            self._chosen = torch.nn.functional.pad(self._chosen, (0, 0, 0, more))
            self._targets = torch.nn.functional.pad(self._targets, (0, 0, 0, more))
            self._lengths = torch.nn.functional.pad(self._lengths, (0, more))

    def frontier(self, size: int = FRONTIER, floor: float = 0.0) -> Frontier:
        """Return the farthest rows, compared with every chosen row; see `Engine.frontier`."""
        fresh = self._fresh(size, floor)
        keys = self._keys[fresh]
        if len(fresh) > size:
            # The largest, and of those that tie the smallest row numbers; in ascending order.
            tied = torch.nonzero(keys >= keys.max() * (1.0 - TIE)).squeeze(1)
            kept = tied[:size]
            if len(tied) < size:
                kept = torch.topk(keys, size).indices.sort().values
            fresh = fresh[kept]
        squared = self.squared[fresh]
        outside = self._keys.clone()
        outside[fresh] = -torch.inf
        ceiling = float(outside.max())
        near_ceiling = outside >= ceiling * (1.0 - 2.0 * TIE)
        proxies = self._proxies(self._exact(fresh))
        weights = self._weights_of(fresh)
        rows = fresh.cpu().numpy()
        padded = np.zeros((len(rows), self._transform.width), np.float32)
        padded[:, : self._points.dimension] = proxies.cpu().numpy()
        return Frontier(
            rows=rows,
            points=self._points.take(rows),
            squared=squared.cpu().numpy(),
            between=lambda: _between(proxies).cpu().numpy(),
            proxies=padded,
            transform=self._transform,
            ceiling=ceiling,
            ceiling_row=int(near_ceiling.int().argmax()),
            weights=None if weights is None else weights.cpu().numpy(),
        )

    def _fresh(self, size: int, floor: float) -> torch.Tensor:
        """Return rows that are up to date and farther than all others: about `size`."""
        wanted, threshold = size, float("inf")
        while True:
            threshold = max(floor, min(threshold, self._threshold(wanted)))
            self._refresh(threshold)
            fresh = torch.nonzero(self._keys >= threshold).squeeze(1)
            largest = float(self._keys.max())
            enough = len(fresh) >= size // 8 and largest * (1.0 - TIE) >= threshold
            if threshold <= floor or enough:
                return fresh
            wanted *= 2

    def _threshold(self, wanted: int) -> float:
        if wanted >= len(self.squared):
            return 0.0
        value = float(torch.topk(self._keys, wanted).values[-1])
        return max(0.0, value * (1.0 - 2.0 * TIE))

    def _refresh(self, threshold: float) -> None:
        """Bring every row whose bound reaches the threshold up to date, or below the threshold."""
        stale = torch.nonzero((self._keys >= threshold) & (self._seen < self._count)).squeeze(1)
        stale = stale[torch.argsort(self._seen[stale], stable=True)]
        for rows in torch.split(stale, self._sizes.rows_on_device):
            self._refresh_rows(rows, threshold)

    def _refresh_rows(self, rows: torch.Tensor, threshold: float) -> None:
        while len(rows):
            begin = int(self._seen[rows[0]])
            end = min(begin + self._sizes.targets_on_device, self._count)
            now = rows[self._seen[rows] < end]
            self._lower_to(now, begin, end)
            self._seen[now] = end
            keys = self._keys_of(rows, self.squared[rows])
            rows = rows[(keys >= threshold) & (self._seen[rows] < self._count)]

    def _lower_to(self, rows: torch.Tensor, begin: int, end: int) -> None:
        """Lower the exact squared distances of rows to the nearest of some targets."""
        exact = self._exact(rows)
        proxies = self._proxies(exact)
        lengths = torch.linalg.vecdot(proxies, proxies)
        products = (proxies.bfloat16() @ self._targets[begin:end].T).float()
        products *= -2
        products += lengths[:, None]
        products += self._lengths[begin:end]
        squared = self.squared[rows]
        # The most promising target of each row first, because it rules out most of the others.
        smallest, first = products.min(dim=1)
        promising = torch.nonzero(smallest < self._limits(squared)).squeeze(1)
        self._decide(exact, squared, promising, begin + first[promising])
        products[promising, first[promising]] = torch.inf
        suspects = torch.nonzero(products < self._limits(squared)[:, None])
        self._decide(exact, squared, suspects[:, 0], begin + suspects[:, 1])
        self.squared[rows] = squared

    def _limits(self, squared: torch.Tensor) -> torch.Tensor:
        limits: torch.Tensor = self._transform.error_bound("bfloat16").limits(squared)
        return limits.float()

    def _decide(
        self,
        exact: torch.Tensor,
        squared: torch.Tensor,
        rows: torch.Tensor,
        targets: torch.Tensor,
    ) -> None:
        step = max(1, _PAIR_NUMBERS // self._points.dimension)
        for begin in range(0, len(rows), step):
            part = slice(begin, begin + step)
            terms = exact.index_select(0, rows[part])
            terms -= self._chosen.index_select(0, targets[part])
            terms *= terms
            decided = _sums(terms)
            decided[decided < self._points.coincident] = 0.0
            squared.scatter_reduce_(0, rows[part], decided, "amin")


def _sums(terms: torch.Tensor) -> torch.Tensor:
    """Return sums of rows with the same bits as `evenly.geometry.kernels.exact`."""
    count = terms.shape[1]
    while count > 1:
        half = (count + 1) // 2
        terms[:, : count - half] += terms[:, half:count]
        count = half
    return terms[:, 0].clone()


def _between(proxies: torch.Tensor) -> torch.Tensor:
    lengths: torch.Tensor = torch.linalg.vecdot(proxies, proxies)
    # In full float32, even if torch is set to a lower precision.
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        return lengths[:, None] + lengths - 2 * (proxies @ proxies.T)
    finally:
        torch.set_float32_matmul_precision(before)
