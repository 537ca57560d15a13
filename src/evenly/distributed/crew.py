"""The workers of a cluster as the driver sees them: questions to many, and new ones for the lost.

A worker is lost if it dies, or if its reply does not match the request: another generation, another
request, or another number of operations than it should have seen. It is stopped, and another one,
of the next generation, repeats the requests that made it what it was. If what it finds is not what
the first one found, the data have changed.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from evenly.distributed.messages import (
    Link,
    Recipe,
    Reply,
    Request,
    Transport,
    WorkerLostError,
    error_of,
    proof_of,
)
from evenly.errors import ClusterError, DataError

log = logging.getLogger("evenly")

MOST_LOSSES = 4
"""Workers of the same rows that may be lost, one after the other, before one has answered."""

Arguments = Callable[[int, int], tuple[tuple[Any, ...], tuple[tuple[Any, ...], ...]]]
"""Given a worker and the operations it has seen: the arguments of a call, and more operations."""


@dataclass(eq=False)
class _Member:
    """One range of rows, and the worker that holds it now.

    Attributes:
        name: words for its rows.
        generation: how many workers held them before this one.
        link: the worker; None before it is started, and after it was lost.
        seen: the operations that it has applied.
        losses: workers that were lost since one has answered.
        history: call, arguments and proof of the requests that made the worker what it is.
    """

    name: str
    generation: int = 0
    link: Link | None = None
    seen: int = 0
    losses: int = 0
    history: dict[str, tuple[tuple[Any, ...], Any]] = field(default_factory=dict)


class Crew:
    """The workers of one data set.

    Args:
        transport: starts workers.
        names: words for the rows of each.

    Attributes:
        lost: how many workers were lost so far.
        seconds_waited: how long the driver has waited for replies.
    """

    def __init__(self, transport: Transport, names: Sequence[str]) -> None:
        self.transport = transport
        self.lost, self.seconds_waited = 0, 0.0
        self._members = [_Member(name) for name in names]
        self._numbers = itertools.count()
        self._warned: set[str] = set()

    def __len__(self) -> int:
        return len(self._members)

    def ask(
        self, call: str, arguments: dict[int, tuple[Any, ...]], *, keep: bool = False
    ) -> dict[int, Any]:
        """Ask some workers at the same time, and return the answer of each.

        Args:
            call: a method of `Worker`.
            arguments: for each worker that is asked.
            keep: whether the request changes what the worker is, so that one that takes its place
                must repeat it. A second request of this name takes the place of the first.

        Raises:
            EvenlyError: the error of the first worker that has one.
            ClusterError: workers of the same rows are lost again and again.
            DataError: a worker that takes the place of another finds other data.
        """
        found = self.operate(call, lambda worker, _: (arguments[worker], ()), among=arguments)
        if keep:
            for worker, value in found.items():
                history = self._members[worker].history
                history.pop(call, None)
                history[call] = (arguments[worker], proof_of(value))
        return found

    def ask_all(self, call: str, *arguments: Any, keep: bool = False) -> list[Any]:
        """Ask all workers the same, and return their answers in order."""
        found = self.ask(call, dict.fromkeys(range(len(self)), arguments), keep=keep)
        return [found[worker] for worker in range(len(self))]

    def operate(
        self, call: str, arguments: Arguments, *, among: Iterable[int] | None = None
    ) -> dict[int, Any]:
        """Ask workers for what depends on the operations that each has seen; see `ask`."""
        waiting = list(range(len(self)) if among is None else among)
        found: dict[int, Any] = {}
        while waiting:
            sent = [(worker, self._send(worker, call, arguments)) for worker in waiting]
            waiting = []
            for worker, attempt in sent:
                try:
                    found[worker] = self._receive(worker, attempt)
                except WorkerLostError as why:
                    self._lose(worker, why)
                    waiting.append(worker)
        for worker in sorted(found):
            if found[worker].error is not None:
                raise error_of(*found[worker].error)
        return {worker: reply.value for worker, reply in found.items()}

    def recipe(self, worker: int, calls: Sequence[str]) -> Recipe:
        """Return the requests of some names that made a worker what it is."""
        history = self._members[worker].history
        return tuple((call, *history[call]) for call in history if call in calls)

    def forget(self, call: str) -> None:
        """No longer repeat a request."""
        for member in self._members:
            member.history.pop(call, None)

    def stop(self) -> None:
        """End all workers."""
        for member in self._members:
            if member.link is not None:
                member.link.stop()
            member.link = None

    def _send(self, worker: int, call: str, arguments: Arguments) -> list[Any] | WorkerLostError:
        """Send a request; to a new worker, first those that make it what the last one was."""
        member = self._members[worker]
        try:
            attempts = []
            if member.link is None:
                member.link = self.transport.start(worker, member.generation)
                member.seen = 0
                for past, (given, proof) in member.history.items():
                    request = Request(member.generation, next(self._numbers), past, given)
                    attempts.append((request, member.link.send(request), proof))
            given, operations = arguments(worker, member.seen)
            request = Request(
                member.generation, next(self._numbers), call, given, member.seen, operations
            )
            attempts.append((request, member.link.send(request), None))
        except WorkerLostError as why:
            return why
        return attempts

    def _receive(self, worker: int, attempts: list[Any] | WorkerLostError) -> Reply:
        if isinstance(attempts, WorkerLostError):
            raise attempts
        member = self._members[worker]
        assert member.link is not None
        began = time.perf_counter()
        try:
            for request, sent, proof in attempts:
                reply = member.link.receive(sent)
                self._check(member, request, reply)
                if request is attempts[-1][0]:
                    break
                if reply.error is not None:
                    raise error_of(*reply.error)
                if proof_of(reply.value) != proof:
                    raise DataError(
                        f"{member.name} changed after it was opened: a worker that was lost had "
                        "read something else. Nothing was written. Repeat the selection."
                    )
        finally:
            self.seconds_waited += time.perf_counter() - began
        member.seen, member.losses = reply.seen, 0
        for warning in (f"{member.name}: {one}" for one in reply.warnings):
            if warning not in self._warned:  # a request may be repeated
                self._warned.add(warning)
                log.warning("%s", warning)
        return reply

    @staticmethod
    def _check(member: _Member, request: Request, reply: Reply) -> None:
        """Raise WorkerLostError unless a reply is to this request, by a worker in this state."""
        seen = request.seen + len(request.operations)
        if request.call in ("begin", "end") or reply.error is not None:
            seen = reply.seen
        expected = (member.generation, request.number, seen)
        if reply.refused or (reply.generation, reply.number, reply.seen) != expected:
            raise WorkerLostError("it answered another request, or in another state")

    def _lose(self, worker: int, why: WorkerLostError) -> None:
        member = self._members[worker]
        if member.link is not None:
            with contextlib.suppress(WorkerLostError):
                member.link.stop()
        member.link, member.generation = None, member.generation + 1
        member.losses += 1
        self.lost += 1
        # As a text: records of the log are kept by some, and the error refers to the worker.
        log.warning("a worker of the cluster was lost (%s): %s", member.name, str(why))
        if member.losses > MOST_LOSSES:
            raise ClusterError(
                f"{member.losses} workers that held {member.name} were lost one after the other, "
                f"the last one because {why}. Look for the reason in the logs of the cluster, "
                "such as too little memory; with checkpoint=, the same call continues."
            ) from None
