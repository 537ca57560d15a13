"""Workers as Ray actors: with references.py, the only file that imports Ray."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import signal
import socket
import sys
import threading
from typing import Any

from evenly.distributed.messages import Reply, Request, WorkerLostError
from evenly.errors import ClusterError, MissingExtraError

log = logging.getLogger("evenly")

# After that, a cluster is said to have no room for another worker.
_SECONDS_TO_START = 300.0


def connect(cluster: str) -> RayTransport:
    """Connect to a cluster, unless this process is connected to one.

    Args:
        cluster: "auto" for the cluster of this machine, or an address.

    Raises:
        MissingExtraError: Ray is not installed.
        ClusterError: there is no such cluster.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("ray", "ray", "cluster=")
    import ray

    if not ray.is_initialized():
        try:
            _check_address(cluster)
            _init(cluster)
        except Exception as error:  # Ray raises errors of many classes
            # The last line of what a server sends back says what failed; a traceback precedes it.
            reason = " ".join((str(error).strip() or repr(error)).splitlines()[-1].split())[:200]
            raise ClusterError(
                f"no Ray cluster could be reached with cluster={cluster!r}: {reason}. Start one "
                "with: ray start --head"
            ) from error
    return RayTransport()


def _init(cluster: str) -> None:
    """Connect to a cluster, and through Ray's server for clients once more if it fails.

    That server forks beside running threads of gRPC, and the process for the first client of a
    cluster now and then ends at once.
    """
    import ray

    print_on_stderr()
    on_sigterm = signal.getsignal(signal.SIGTERM)
    for attempt in (1, 2):
        try:
            ray.init(
                address=cluster,
                log_to_driver=False,
                logging_level=logging.ERROR,
                configure_logging=False,
            )
            if callable(on_sigterm) and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts its own in its place
            return
        except ConnectionError:
            if attempt == 2 or not cluster.startswith("ray://"):
                raise
            log.info("Ray's server for clients gave no connection; asking it once more")


def print_on_stderr() -> None:
    """Let Ray print on stderr, and only if warnings are: standard output may be records.

    It prints that it lost a node or a worker, from a thread of its own, whatever `log_to_driver`
    is, and has no setting for it.
    """
    from ray._private import worker

    printed = getattr(worker, "print_to_stdstream", None)
    if printed is not None and printed.__module__ != __name__:

        def print_to_stderr(data: dict[str, Any], *how: Any, **more: Any) -> None:
            if log.isEnabledFor(logging.WARNING):
                printed({**data, "is_err": True}, *how, **more)

        worker.print_to_stdstream = print_to_stderr
    with contextlib.suppress(ImportError):  # clients need another package of the extra
        from ray.util.client.logsclient import LogstreamClient

        def write_to_stderr(_: Any, level: int, message: str) -> None:
            if log.isEnabledFor(logging.WARNING):
                sys.stderr.write(message)

        LogstreamClient.stdstream = write_to_stderr


def _check_address(address: str) -> None:
    """Raise OSError if nothing listens at an address, for which Ray would wait for minutes."""
    host, found, port = address.removeprefix("ray://").rpartition(":")
    if found:
        socket.create_connection((host, int(port)), timeout=10).close()


class RayTransport:
    """Workers as actors, each on a machine of its own while there are enough.

    Nothing is tried again by Ray: an actor that it restarted would answer from an empty state, and
    a task that it repeated would be applied twice. Workers need a processor to be placed, and none
    afterwards, so that a machine that is left can have more of them.
    """

    def __init__(self) -> None:
        self.bytes_moved = 0

    def places(self) -> int:
        """Return one worker for each GPU of a machine, or one if it has none."""
        with_processors = [found for found in _machines() if found.get("CPU", 0) >= 1]
        return max(1, sum(max(1, int(found.get("GPU", 0))) for found in with_processors))

    def start(self, worker: int, generation: int) -> RayLink:
        """Start an actor on any machine that has room."""
        import ray

        options = {"max_restarts": 0, "max_task_retries": 0, "scheduling_strategy": "SPREAD"}
        if any(found.get("GPU", 0) >= 1 for found in _machines()):
            options["num_gpus"] = 1
        with _lost():
            remote: Any = ray.remote(RemoteWorker)
            return RayLink(self, remote.options(**options).remote(generation))


def _machines() -> list[dict[str, float]]:
    """Return the resources of each machine."""
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()
    return [node["Resources"] for node in nodes if node["Alive"]]


def _own_processors() -> int:
    """Return the processors of this machine, divided by the workers that it should have."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    (found,) = [node["Resources"] for node in ray.nodes() if node["NodeID"] == own]
    return max(1, int(found.get("CPU", 1)) // max(1, int(found.get("GPU", 0))))


class RemoteWorker:
    """A worker in a process of its own. Messages are bytes, so that they can be counted."""

    def __init__(self, generation: int) -> None:
        threads = str(_own_processors())
        # Ray lets an actor use one processor; a worker is alone on its machine, or with its GPU.
        os.environ["OMP_NUM_THREADS"] = threads
        from threadpoolctl import threadpool_limits

        from evenly.distributed.worker import Worker

        threadpool_limits(int(threads))
        self._worker = Worker(generation)

    def handle(self, message: bytes) -> bytes:
        """Answer a request."""
        from ray import cloudpickle

        reply: bytes = cloudpickle.dumps(self._worker.handle(cloudpickle.loads(message)))
        return reply

    def look_ahead(self) -> None:
        """See `Worker.look_ahead`."""
        self._worker.look_ahead()


class RayLink:
    """An actor."""

    def __init__(self, transport: RayTransport, actor: Any) -> None:
        self._transport, self._actor = transport, actor
        self._patience: float | None = _SECONDS_TO_START

    def send(self, request: Request) -> Any:
        """Send a request; see `Link.send`."""
        from ray import cloudpickle

        message = cloudpickle.dumps(request)
        self._transport.bytes_moved += len(message)
        with _lost():
            sent = self._actor.handle.remote(message)
            if request.call == "frontier":
                # While the driver makes picks, and slower workers answer; there is no reply.
                self._actor.look_ahead.options(num_returns=0).remote()
            return sent

    def receive(self, sent: Any) -> Reply:
        """Wait for a reply; see `Link.receive`."""
        import ray
        from ray import cloudpickle

        with _lost():
            message = ray.get(sent, timeout=self._patience)
        self._patience = None
        self._transport.bytes_moved += len(message)
        reply: Reply = cloudpickle.loads(message)
        return reply

    def stop(self) -> None:
        """Kill the actor."""
        import ray

        with contextlib.suppress(Exception):
            ray.kill(self._actor, no_restart=True)


@contextlib.contextmanager
def _lost() -> Any:
    """Turn errors of Ray into the loss of a worker."""
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        if isinstance(getattr(error, "cause", None), ImportError):
            raise ClusterError(
                f"a worker of the cluster cannot import what it needs: {error.cause}. Install the "
                "package of the encoder, or of the function that was passed, on all machines."
            ) from error
        lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
        # What a worker raised follows a traceback.
        raised = isinstance(error, ray.exceptions.RayTaskError) or "creation task" in lines[0]
        why = lines[-1 if raised else 0]
        raise WorkerLostError(f"{type(error).__name__}: {why[:300]}") from error
