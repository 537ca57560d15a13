"""What the driver and its workers say to each other."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from evenly._version import __version__
from evenly.errors import ClusterError, EvenlyError
from evenly.samples import FileStamp

Recipe = tuple[tuple[str, tuple[Any, ...], Any], ...]
"""Requests that make a worker what another one is: calls, arguments, and proofs of the answers."""


class WorkerLostError(Exception):
    """A worker died, or answered what it was not asked; never leaves this package."""


@dataclass(frozen=True, eq=False)
class Request:
    """A question to a worker.

    Attributes:
        generation: which of the workers that held these rows one after the other is asked.
        number: differs from that of every other request.
        call: the method of `Worker` that answers.
        arguments: its arguments.
        seen: how many operations the worker has applied to its engine so far.
        operations: those that it applies before it answers, in order.
    """

    generation: int
    number: int
    call: str
    arguments: tuple[Any, ...] = ()
    seen: int = 0
    operations: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Reply:
    """An answer, with the generation and the number of the request.

    Attributes:
        seen: how many operations the worker has applied by now.
        refused: whether the request was meant for another worker, or for another state of it.
        value: the answer.
        error: class name and message of a deliberate error; None if there is none.
        seconds: how long the worker took.
        warnings: what it would have logged on one machine.
    """

    generation: int
    number: int
    seen: int
    refused: bool = False
    value: Any = None
    error: tuple[str, str] | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """What a worker found in its files.

    Attributes:
        rows: number of rows.
        format: see `Samples`.
        holds_vectors, holds_records: see `Samples`.
        dimension, dtype, file_dtype: see `StoredVectors`; None before texts are embedded.
        stamps: the files as they were opened.
    """

    rows: int
    format: str
    holds_vectors: bool
    holds_records: bool
    dimension: int
    dtype: str | None
    file_dtype: str | None
    stamps: tuple[FileStamp, ...]


class Link(Protocol):
    """One worker, as the driver reaches it."""

    def send(self, request: Request) -> Any:
        """Send a request, and return what `receive` takes; raises WorkerLostError."""

    def receive(self, sent: Any) -> Reply:
        """Wait for the reply to a request; raises WorkerLostError."""

    def stop(self) -> None:
        """End the worker, whatever state it is in."""


class Transport(Protocol):
    """Starts workers and counts what is sent.

    Attributes:
        bytes_moved: bytes of all requests and replies so far.
    """

    bytes_moved: int

    def places(self) -> int:
        """Return how many workers the cluster should have: one for each GPU, or else machine."""

    def start(self, worker: int, generation: int) -> Link:
        """Start a worker anywhere; raises WorkerLostError if no machine can have it."""


def versions() -> dict[str, str]:
    """Return the versions that driver and workers must share."""
    return {"evenly": __version__} | {name: version(name) for name in ("numpy", "numba")}


def proof_of(value: Any) -> Any:
    """Return what must be the same if another worker answers the same request."""
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if isinstance(value, Opened):
        return value
    return None


def error_of(name: str, message: str) -> EvenlyError:
    """Return an error that a worker raised."""
    kinds = {kind.__name__: kind for kind in _below(EvenlyError)}
    kind = kinds.get(name, ClusterError)
    # Not called: some classes compose their message from other arguments.
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


def _below(kind: type[EvenlyError]) -> list[type[EvenlyError]]:
    return [kind, *(one for own in kind.__subclasses__() for one in _below(own))]
