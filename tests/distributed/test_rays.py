"""A real cluster: two nodes of Ray on this machine."""

import importlib
import importlib.util
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from evenly import deduplicate, estimate, measure, select_uniform
from evenly.distributed import prepare as preparing
from evenly.distributed.messages import WorkerLostError
from evenly.distributed.rays import RayTransport, _lost, connect, print_on_stderr
from evenly.errors import ClusterError, DataError, OptionError
from evenly.options import InputOptions
from evenly.selection.packing.on_workers import packing_on_workers
from tests.support.cluster import Killing, assert_same, select_on
from tests.support.encoders import TopicEncoder, texts_of

pytest.importorskip("ray", reason="the extra ray is not installed")

from tests.support.ray import MEGABYTES, ray_cluster


def free_port():
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


# Clients need another package of the extra.
CLIENT_PORT = free_port() if importlib.util.find_spec("grpc") else None


@pytest.fixture(scope="module")
def cluster():
    with ray_cluster(client_port=CLIENT_PORT) as started:
        yield started


def write_vectors(folder, rows=6000):
    rng = np.random.default_rng(1)
    (folder / "s").mkdir()
    for number in range(4):
        shard = rng.standard_normal((rows // 4 + number, 12)).astype(np.float32)
        np.save(folder / "s" / f"{number}.npy", shard)
    return "s"


def test_an_address_without_a_cluster(folder):
    with pytest.raises(ClusterError, match="ray start --head"):
        select_uniform(np.eye(4), 2, cluster="127.0.0.1:1")


@pytest.mark.parametrize(("failures", "reached"), [(1, True), (2, False)])
def test_the_server_for_clients_is_asked_twice(monkeypatch, failures, reached):
    import ray

    asked = []

    def init(address, **how):
        asked.append(address)
        if len(asked) <= failures:
            raise ConnectionAbortedError("Traceback:\n  line 1\nRuntimeError: no server started")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(socket, "create_connection", lambda *address, **how: socket.socket())
    if reached:
        assert isinstance(connect("ray://here:1"), RayTransport)
    else:
        with pytest.raises(ClusterError, match="='ray://here:1': RuntimeError: no server started"):
            connect("ray://here:1")
    assert asked == ["ray://here:1"] * 2


def test_a_handler_of_sigterm_stays(monkeypatch):
    import ray

    def handler(*_):
        pass

    def init(**_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as Ray sets its own

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    before = signal.signal(signal.SIGTERM, handler)
    try:
        connect("auto")
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_ray_prints_of_its_nodes_goes_to_stderr_unless_quiet(monkeypatch, capsys, caplog):
    from ray._private import worker
    from ray.util.client.logsclient import LogstreamClient

    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    monkeypatch.setattr(LogstreamClient, "stdstream", LogstreamClient.stdstream)
    print_on_stderr()
    print_on_stderr()
    message = {"lines": ["a node is lost"], "pid": "raylet", "is_err": False}

    worker.print_to_stdstream(message, ignore_prefix=False)
    LogstreamClient.stdstream(None, logging.INFO, "the server lost it")

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("a node is lost") == printed.err.count("the server lost it") == 1

    caplog.set_level(logging.ERROR, "evenly")  # as with --quiet
    worker.print_to_stdstream(message, ignore_prefix=False)
    LogstreamClient.stdstream(None, logging.INFO, "the server lost it")

    assert capsys.readouterr() == ("", "")


def test_files_of_vectors_and_an_array(cluster, folder):
    data = write_vectors(folder)
    alone = select_uniform(data, 300)

    together = select_uniform(data, 300, cluster="auto")

    assert_same(together, alone)
    array = np.concatenate([np.load(f"s/{number}.npy") for number in range(4)])
    assert_same(select_uniform(array, 300, cluster="auto"), select_uniform(array, 300))


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_files_at_urls(cluster, folder):
    write_vectors(folder)
    with zipfile.ZipFile("s.zip", "w") as archive:
        for number in range(4):
            archive.write(f"s/{number}.npy")
    alone = select_uniform("s", 100)

    for url in (f"file://{folder}/s/*.npy", f"zip://s/*.npy::file://{folder}/s.zip"):
        together = select_uniform(url, 100, cluster="auto")

        # The variable of the cache folder is set here only, and not where the nodes were started.
        assert len(list(folder.glob("cache/files/*"))) == (4 if "zip" in url else 0)
        assert_same(select_uniform(url, 100), together)
        assert together.provenance.input.path == url
        assert together.indices.tolist() == alone.indices.tolist()
        together.write("together.npy", force=True)
        alone.write("alone.npy", force=True)
        assert Path("together.npy").read_bytes() == Path("alone.npy").read_bytes()


def test_texts_are_embedded_by_workers(cluster, folder):
    for number in range(3):
        lines = [json.dumps({"text": text, "row": number}) for text in texts_of(40 + number)]
        (folder / f"{number}.jsonl").write_text("\n".join(lines))
    alone = select_uniform("*.jsonl", 12, encoder=TopicEncoder())

    together = select_uniform("*.jsonl", 12, encoder=TopicEncoder(), cluster="auto")

    assert_same(together, alone)
    alone.write("alone.jsonl")
    together.write("together.jsonl")
    assert (folder / "alone.jsonl").read_bytes() == (folder / "together.jsonl").read_bytes()


def test_workers_are_killed_while_rows_are_chosen(cluster, folder):
    data = write_vectors(folder)
    rounds = dict.fromkeys(range(2), 0)

    def kills(worker, generation, request):
        if request.call != "frontier":
            return False
        rounds[worker] += 1
        return rounds[worker] in (1, 3, 6)

    killing = Killing(RayTransport(), kills)

    assert_same(select_on(killing, data, budget=600), select_uniform(data, 600))
    assert len(killing.killed) == 6
    assert {worker for worker, _, _ in killing.killed} == {0, 1}


def test_two_rounds_and_a_worker_that_is_killed_in_the_first(cluster, folder):
    data = write_vectors(folder)
    options = {"budget": 60, "method": "coreset"}
    killing = Killing(
        RayTransport(),
        lambda worker, generation, request: (worker, generation, request.call) == (1, 0, "compute"),
    )

    together = select_on(killing, data, **options)

    assert_same(together, select_uniform(data, **options))
    assert len(killing.killed) == 1


def test_duplicates_are_found_and_costs_estimated(cluster, folder):
    data = write_vectors(folder)
    alone = deduplicate(data, 0.4)
    killing = Killing(
        RayTransport(),
        lambda worker, generation, request: (
            (worker, generation, request.call) == (1, 0, "ask_points")
        ),
    )

    together = deduplicate(data, 0.4, cluster="auto")

    assert 0 < together.merged == alone.merged
    assert together.representative.tolist() == alone.representative.tolist()
    assert together.distances.tobytes() == alone.distances.tobytes()
    points = preparing.prepare(data, InputOptions(cluster="auto"), transport=killing).points
    order = np.arange(len(points))
    kept = packing_on_workers(points, order, 0.4, check=abs, progress=abs, block=1000)
    assert kept.tolist() == alone.indices.tolist()
    assert len(killing.killed) == 1
    assert estimate(data, 100, cluster="auto").cluster.workers == 2


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_workers_are_killed_while_they_embed_measure_and_give_records(cluster, folder):
    for number in range(2):
        lines = [json.dumps({"text": text}) for text in texts_of(40, seed=number)]
        (folder / f"{number}.jsonl").write_text("\n".join(lines))
    options = {"budget": 12, "encoder": TopicEncoder()}
    alone = select_uniform("*.jsonl", **options)
    killing = Killing(
        RayTransport(),
        lambda worker, generation, request: (
            generation == 0 and (worker, request.call) in [(0, "embed"), (1, "copies")]
        ),
    )

    together = select_on(killing, "*.jsonl", **options)

    assert_same(together, alone)
    together.write("together.jsonl")
    alone.write("alone.jsonl")
    assert (folder / "alone.jsonl").read_bytes() == (folder / "together.jsonl").read_bytes()
    assert {call for _, _, call in killing.killed} == {"embed", "copies"}


def test_a_node_is_removed_and_another_one_added(cluster, folder):
    data, rounds = write_vectors(folder), []

    def moves(worker, generation, request):
        rounds.append(request.call)
        if rounds.count("frontier") == 5 and request.call == "frontier":
            nodes = [node for node in cluster.list_all_nodes() if node is not cluster.head_node]
            cluster.remove_node(nodes[0], allow_graceful=False)
            cluster.add_node(num_cpus=1, object_store_memory=MEGABYTES << 20)
        return False

    together = select_on(Killing(RayTransport(), moves), data, budget=600)

    assert_same(together, select_uniform(data, 600))
    assert rounds.count("begin") >= 2


def test_a_worker_that_stands_still_for_a_while(cluster, folder):
    data, stopped = write_vectors(folder), []

    def stops(worker, generation, request):
        if request.call == "frontier" and not stopped:
            stopped.append(worker)
            process = killing.links[worker].process
            os.kill(process, signal.SIGSTOP)
            threading.Timer(1.0, os.kill, (process, signal.SIGCONT)).start()
        return False

    killing = Killing(RayTransport(), stops)

    assert_same(select_on(killing, data, budget=300), select_uniform(data, 300))
    assert stopped


DRIVER = """
import sys
import evenly.selection.greedy.checkpoint as checkpoint
from evenly import measure, select_uniform

checkpoint._SECONDS_BETWEEN = checkpoint._TIMES_A_WRITE = 0.0
keep = checkpoint.Checkpoint.keep

def kept(self, picks):
    keep(self, picks)
    if len(picks) > 200:
        print("kept", flush=True)
        sys.stdin.read()

checkpoint.Checkpoint.keep = kept
select_uniform("s", 600, cluster=sys.argv[1], checkpoint="c")
"""


def test_a_driver_is_killed_and_another_one_continues(cluster, folder):
    data = write_vectors(folder)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, cluster.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    # Ray may print before it that a node of an earlier test is dead.
    assert b"kept\n" in iter(driver.stdout.readline, b"")
    driver.kill()
    driver.communicate()

    chosen = select_uniform(data, 600, cluster="auto", checkpoint="c")

    assert chosen.indices.tolist() == select_uniform(data, 600).indices.tolist()
    assert chosen.provenance.taken_over > 200


def test_workers_of_another_version_are_refused(cluster, folder, monkeypatch):
    data, found = write_vectors(folder), preparing.versions()
    monkeypatch.setattr(preparing, "versions", lambda: {**found, "numpy": "1.0"})

    with pytest.raises(ClusterError, match=r"has numpy .*, and this one 1\.0"):
        select_uniform(data, 10, cluster="auto")


def test_the_command_line(cluster, folder):
    data = write_vectors(folder)
    command = [sys.executable, "-m", "evenly", "select", data, "--budget", "50", "-q"]
    for more in (["-o", "alone.npy"], ["-o", "together.npy", "--cluster", cluster.address]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert Path("alone.npy").read_bytes() == Path("together.npy").read_bytes()


@pytest.mark.skipif(CLIENT_PORT is None, reason="grpcio, of the extra ray, is not installed")
def test_a_client_of_the_cluster(cluster, folder):
    data = write_vectors(folder)
    script = (
        "import sys; from evenly import select_uniform;"
        f"print(*select_uniform({data!r}, 50, cluster=sys.argv[1]).indices)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, f"ray://127.0.0.1:{CLIENT_PORT}"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert list(map(int, done.stdout.split())) == select_uniform(data, 50).indices.tolist()


def test_an_encoder_that_workers_cannot_import(cluster, folder, monkeypatch):
    (folder / "only_here.py").write_text(
        "import numpy as np\n"
        "class Encoder:\n"
        "    def encode(self, texts):\n"
        "        return np.eye(len(texts))\n"
    )
    monkeypatch.syspath_prepend(folder)
    (folder / "a.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    encoder = importlib.import_module("only_here").Encoder()

    with pytest.raises(ClusterError, match=r"No module named 'only_here'\. Install"):
        select_uniform("a.jsonl", 1, encoder=encoder, cluster="auto")


def test_an_actor_that_cannot_start_says_why():
    from ray.exceptions import ActorDiedError, RayTaskError

    cause = RayTaskError("start", "Traceback\n\nOSError: [Errno 28] Full", OSError(28, "Full"))
    with (
        pytest.raises(WorkerLostError, match=r"^ActorDiedError: OSError: \[Errno 28\] Full"),
        _lost(),
    ):
        raise ActorDiedError(cause)


def test_messages_that_are_larger_than_the_object_stores(cluster, folder):
    """Two workers are sent 120 MB each, and each machine has 100 MB: Ray takes the disk."""
    array = np.random.default_rng(3).standard_normal((240_000, 250)).astype(np.float32)
    assert array.nbytes > 2.2 * (MEGABYTES << 20)

    together = select_uniform(array, 20, start=0, cluster="auto")

    assert_same(together, select_uniform(array, 20, start=0))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own
@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_references_to_arrays_and_a_dataset_of_arrays(cluster, folder):
    import ray
    import ray.data

    array = np.random.default_rng(2).standard_normal((3000, 12)).astype(np.float32)
    alone = select_uniform(array, 200)
    cuts = [array[:1], array[1:1700], array[1700:1700], array[1700:]]
    dataset = ray.data.from_numpy_refs([ray.put(one) for one in (array[:1800], array[1800:])])

    for data in ([ray.put(one) for one in cuts], dataset):
        together = select_uniform(data, 200, cluster="auto")

        assert together.indices.tolist() == alone.indices.tolist()
        assert together.radii.tobytes() == alone.radii.tobytes()
        assert together.coverage_radius == alone.coverage_radius
        together.write("chosen.npy", force=True)
        assert np.array_equal(np.load("chosen.npy"), array[alone.indices])
        np.save("array.npy", array)
        measured = [
            measure("array.npy", alone, engine="mapped"),
            measure(data, alone, cluster="auto"),
            measure(data, "chosen.npy", cluster="auto"),
        ]
        assert len({json.dumps(one.as_dict() | {"seconds": 0}) for one in measured}) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own
@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_a_dataset_of_texts(cluster, folder):
    pa = pytest.importorskip("pyarrow")
    import ray.data

    records = [{"text": text, "row": row} for row, text in enumerate(texts_of(90))]
    tables = [pa.Table.from_pylist(records[begin : begin + 30]) for begin in (0, 30, 60)]
    alone = select_uniform(pa.concat_tables(tables), 12, encoder=TopicEncoder())

    dataset = ray.data.from_arrow(tables)
    together = select_uniform(dataset, 12, encoder=TopicEncoder(), cluster="auto")

    assert together.indices.tolist() == alone.indices.tolist()
    assert together.radii.tobytes() == alone.radii.tobytes()
    alone.write("alone.jsonl")
    together.write("together.jsonl")
    assert (folder / "alone.jsonl").read_bytes() == (folder / "together.jsonl").read_bytes()
    options = {"encoder": TopicEncoder(), "certificate": False}
    measured = [
        measure(pa.concat_tables(tables), alone, **options),
        measure(dataset, "together.jsonl", cluster="auto", **options),
    ]
    assert len({json.dumps(one.as_dict() | {"seconds": 0, "rules": 0}) for one in measured}) == 1


def test_data_in_ray_need_a_cluster_and_blocks_of_one_kind(cluster, folder):
    import ray

    with pytest.raises(OptionError, match='cluster="auto"'):
        select_uniform([ray.put(np.eye(3))], 2)
    with pytest.raises(DataError, match="NumPy arrays"):
        select_uniform([ray.put("text")], 2, cluster="auto")
