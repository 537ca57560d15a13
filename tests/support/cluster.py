"""Workers in this process, which can die, repeat themselves and answer out of turn."""

import os
import pickle
import signal
import threading
import weakref

from evenly.distributed.messages import WorkerLostError
from evenly.distributed.prepare import prepare
from evenly.distributed.worker import Worker
from evenly.options import InputOptions, RuleOptions, UniformOptions
from evenly.selection.uniform import select_prepared

CALM = "calm"


class LocalCluster:
    """A transport whose workers are objects in this process.

    Args:
        workers: how many there are.
        faults: given a worker, its generation and a request, returns what happens to it: CALM,
            "dies before", "dies after", "twice", "late" or "empty".

    Attributes:
        started: worker and generation of each that was started, in order.
        calls: worker, generation and call of each request, in order.
        links: those that something refers to.
    """

    def __init__(self, workers, faults=lambda worker, generation, request: CALM):
        self.workers, self.faults = workers, faults
        self.bytes_moved = 0
        self.thread = threading.get_ident()
        self.started, self.calls = [], []
        self.links = weakref.WeakSet()

    def places(self):
        return self.workers

    def start(self, worker, generation):
        self.started.append((worker, generation))
        link = LocalLink(self, worker, generation)
        self.links.add(link)
        return link


class LocalLink:
    def __init__(self, cluster, worker, generation):
        self.cluster, self.name, self.generation = cluster, worker, generation
        self.worker, self.last = Worker(generation), pickle.dumps(KeyError("nothing was asked"))

    def send(self, request):
        assert threading.get_ident() == self.cluster.thread, "workers are asked by one thread"
        message = pickle.dumps(request)
        self.cluster.bytes_moved += len(message)
        self.cluster.calls.append((self.name, self.generation, request.call))
        fault = self.cluster.faults(self.name, self.generation, request)
        if self.worker is None:
            return lambda: self._gone("it is dead")
        if fault == "dies before":
            self.worker = None
            return lambda: self._gone("it died before it answered")
        if fault == "empty":  # as an actor that was restarted behind the driver's back
            self.worker = Worker(self.generation)
        reply = self._answer(message)
        if fault == "dies after":
            self.worker = None
            return lambda: self._gone("its answer was lost")
        if fault == "twice":
            reply = self._answer(message)
        if fault == "late":
            reply = self.last
        self.last = reply
        return lambda: pickle.loads(reply)

    def receive(self, sent):
        reply = sent()
        self.cluster.bytes_moved += len(pickle.dumps(reply))
        if isinstance(reply, Exception):
            self._gone(repr(reply))
        return reply

    def stop(self):
        self.worker = None

    def _answer(self, message):
        request = pickle.loads(message)
        try:
            reply = pickle.dumps(self.worker.handle(request))
            if request.call == "frontier":
                self.worker.look_ahead()
            return reply
        except Exception as error:  # as Ray reports what is not a reply
            return pickle.dumps(error)

    def _gone(self, why):
        raise WorkerLostError(why)


class Killing:
    """A transport whose workers are processes, some of which are killed while they answer.

    Args:
        transport: starts the workers.
        kills: given a worker, its generation and a request, returns whether its process is killed
            as soon as the request was sent.
    """

    def __init__(self, transport, kills):
        self.transport, self.kills = transport, kills
        self.killed, self.links = [], {}

    @property
    def bytes_moved(self):
        return self.transport.bytes_moved

    def places(self):
        return self.transport.places()

    def start(self, worker, generation):
        link = self.transport.start(worker, generation)
        self.links[worker] = KillingLink(self, worker, generation, link)
        return self.links[worker]


class KillingLink:
    def __init__(self, cluster, worker, generation, link):
        self.cluster, self.name, self.generation = cluster, worker, generation
        self.link, self.process = link, None

    def send(self, request):
        sent = self.link.send(request), request.call
        if self.process is not None and self.cluster.kills(self.name, self.generation, request):
            self.cluster.killed.append((self.name, self.generation, request.call))
            os.kill(self.process, signal.SIGKILL)
        return sent

    def receive(self, sent):
        reply = self.link.receive(sent[0])
        if sent[1] == "hello":
            self.process = reply.value
        return reply

    def stop(self):
        self.link.stop()


def select_on(transport, data, *, start="farthest-from-mean", checkpoint=None, **options):
    """Select on workers that a transport starts, as `select_uniform` does with `cluster=`."""
    options = {"cluster": "auto", "start": start, "checkpoint": checkpoint, **options}
    rules, how = RuleOptions.of(options), UniformOptions.of(options)
    prepared = prepare(data, InputOptions.of(options), transport=transport)
    return select_prepared(prepared, rules, how)


def assert_same(one, other):
    """Two selections agree to the last bit, and say the same of where they come from."""
    assert one.indices.tolist() == other.indices.tolist()
    assert one.radii.tobytes() == other.radii.tobytes()
    assert one.h_min == other.h_min
    assert one.coverage_radius == other.coverage_radius
    for name in ("input", "options", "encoder", "text", "dropped", "rules", "details"):
        assert getattr(one.provenance, name) == getattr(other.provenance, name)
