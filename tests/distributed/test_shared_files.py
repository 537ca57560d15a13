"""Workers share one file of lines, with the answer, output and errors of one machine."""

import os
from pathlib import Path

import pytest

from evenly import measure, select_uniform
from evenly.errors import DataError
from tests.samples.test_spans import CONTENTS, LINES
from tests.support.cluster import LocalCluster, assert_same, select_on
from tests.support.encoders import TopicEncoder


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("name", ["blank at both ends", "CRLF", "byte order mark"])
def test_workers_share_a_file(name, workers):
    Path("a.jsonl").write_bytes(CONTENTS[name])
    options = {"budget": 12, "encoder": TopicEncoder(), "groups": "long", "balance": "equal"}
    alone = select_uniform("a.jsonl", **options)
    cluster = LocalCluster(workers)

    together = select_on(cluster, "a.jsonl", **options)

    assert_same(together, alone)
    assert len({worker for worker, _ in cluster.started}) == workers
    for output in ("o.jsonl", "o.csv", "o.parquet"):
        together.write(f"together-{output}")
        alone.write(f"alone-{output}")
        assert Path(f"together-{output}").read_bytes() == Path(f"alone-{output}").read_bytes()


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_a_shared_file_is_measured(monkeypatch):
    Path("a.jsonl").write_bytes(CONTENTS["plain"])
    Path("subset.jsonl").write_bytes(b"\n".join(LINES[10:50:4]))
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: LocalCluster(3))
    options = {"encoder": TopicEncoder(), "certificate": False}

    together = measure("a.jsonl", "subset.jsonl", cluster="auto", **options)

    alone = measure("a.jsonl", range(10, 50, 4), engine="mapped", **options)
    assert {**together.as_dict(), "seconds": 0} == {**alone.as_dict(), "seconds": 0}


@pytest.mark.parametrize("fault", [b'{"text": ', b'{"text": "\xff"}', b"[1]", b'{"text": 3}'])
@pytest.mark.parametrize("line", [0, 17, 59])
def test_an_error_names_the_line_of_the_file(fault, line):
    lines = [*LINES[:line], b"", fault, *LINES[line:]]
    Path("a.jsonl").write_bytes(b"\n".join(lines))
    options = {"text": "text", "encoder": TopicEncoder()}
    with pytest.raises(DataError) as alone:
        select_uniform("a.jsonl", 5, **options)

    with pytest.raises(type(alone.value)) as together:
        select_on(LocalCluster(4), "a.jsonl", budget=5, **options)

    assert str(together.value) == str(alone.value)
    assert f"a.jsonl, line {line + 2}" in str(alone.value)


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
@pytest.mark.parametrize("call", ["try_task", "open", "read_texts", "frontier", "packed"])
def test_a_worker_of_a_shared_file_is_lost(call):
    Path("a.jsonl").write_bytes(CONTENTS["blank lines"])
    options = {"budget": 12, "encoder": TopicEncoder()}
    cluster = LocalCluster(
        3,
        lambda worker, generation, request: (
            "dies before" if (worker, generation, request.call) == (1, 0, call) else "calm"
        ),
    )

    together = select_on(cluster, "a.jsonl", **options)

    assert_same(together, select_uniform("a.jsonl", **options))
    assert (call == "packed") or (1, 1) in cluster.started


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_a_shared_file_that_changes_is_an_error_when_a_worker_is_lost():
    Path("a.jsonl").write_bytes(CONTENTS["plain"])

    def faults(worker, generation, request):
        if request.call == "frontier" and worker == 2 and generation == 0:
            os.utime("a.jsonl", ns=(1, 1))
            return "dies before"
        return "calm"

    with pytest.raises(DataError, match=r"a\.jsonl changed"):
        select_on(LocalCluster(3, faults), "a.jsonl", budget=12, encoder=TopicEncoder())


def test_compressed_and_quoted_files_are_held_by_one_worker():
    Path("a.csv").write_text('text\n"a\nb"\nc\n')
    cluster = LocalCluster(3)
    select_on(cluster, "a.csv", budget=1, encoder=TopicEncoder())
    assert {worker for worker, _ in cluster.started} == {0}
