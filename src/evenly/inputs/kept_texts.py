"""Texts that stay in memory from the first reading of a data set to their embedding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evenly.shapes import Int32

# Texts that are joined: strings by themselves take 50 bytes more each.
_BLOCK_BYTES = 1 << 20


class KeptTexts:
    """Texts in the order in which they were added, as UTF-8; none if they need too much memory.

    Args:
        room: the most bytes that they may take.

    Attributes:
        complete: whether all texts are here: there was room, and they were not dropped.
    """

    def __init__(self, room: float) -> None:
        self.complete = True
        self._room = room
        self._blocks: list[tuple[bytes, Int32[np.ndarray, " m"]]] = []
        self._last: list[bytes] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Keep a text, if there is room for it and all others."""
        if not self.complete:
            return
        encoded = text.encode()
        self._last.append(encoded)
        self._size += len(encoded)
        self._room -= len(encoded) + 4
        if self._room < 0:
            self.drop()
        elif self._size >= _BLOCK_BYTES:
            self._join()

    def drop(self) -> None:
        """Free the memory."""
        self.complete = False
        self._blocks, self._last, self._size = [], [], 0

    def __iter__(self) -> Iterator[str]:
        self._join()
        for block, sizes in self._blocks:
            begin = 0
            for size in sizes.tolist():
                yield block[begin : begin + size].decode()
                begin += size

    def _join(self) -> None:
        sizes = np.fromiter(map(len, self._last), np.int32, len(self._last))
        self._blocks.append((b"".join(self._last), sizes))
        self._last, self._size = [], 0
