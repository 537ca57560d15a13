"""Rows on workers are measured as rows on the disk of one machine: the same numbers."""

import json
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from evenly import measure, select_uniform
from evenly.cli.main import main
from evenly.distributed import gathering
from evenly.distributed.prepare import prepare
from evenly.errors import OptionError, RowError
from evenly.metrics.subset_distances import Sampling
from evenly.options import InputOptions
from tests.support.cluster import LocalCluster
from tests.support.encoders import TopicEncoder

ROWS = 9000
ENDS = [0, 100, 4096, 5000, 5001, 8500, ROWS]


def vectors():
    made = np.random.default_rng(0).standard_normal((ROWS, 12)).astype(np.float32)
    made[5000] = made[3]  # a worker's only row, and one of another's
    made[8999] = made[4999] = made[17] * np.float32(20)
    return made


@pytest.fixture
def cluster(monkeypatch):
    """What cluster= connects to."""
    started = LocalCluster(4)
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: started)
    return started


@pytest.fixture
def shards(tmp_path):
    (tmp_path / "s").mkdir()
    for number, (begin, end) in enumerate(pairwise(ENDS)):
        np.save(tmp_path / "s" / f"{number}.npy", vectors()[begin:end])
    return "s"


def numbers_of(measures):
    found = measures.as_dict()
    found.pop("seconds", None)
    return found


SUBSETS = {
    "some": np.random.default_rng(1).choice(ROWS, 600, replace=False),
    "twins": np.array([5000, 3, 17, 8999, 4999]),
    "one row": np.array([5000]),
    "of one worker": np.arange(10, 90),
    "all but a few": np.setdiff1d(np.arange(ROWS), [8999, 4999, 17, 2]),
}


def on_disk(shards, rows, **options):
    """Measure on one machine, whose memory the rows do not fit in."""
    return measure(shards, rows, engine="mapped", **options)


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("normalize", [True, False])
def test_all_rows_are_compared(cluster, shards, subset, normalize):
    options = {"normalize": normalize, "exact": True, "random_subsets": 2}
    alone = on_disk(shards, SUBSETS[subset], **options)

    together = measure(shards, SUBSETS[subset], cluster="auto", **options)

    assert numbers_of(together) == numbers_of(alone)
    assert any(call == "squared_to_chosen" for _, _, call in cluster.calls)


@pytest.mark.parametrize("subset", ["some", "twins", "of one worker"])
@pytest.mark.parametrize("normalize", [True, False])
def test_extremes_are_exact_and_means_are_of_the_same_sample(
    cluster, shards, subset, normalize, monkeypatch
):
    sampling = Sampling(rows=500, cheap=0.0)
    monkeypatch.setattr(import_module("evenly.metrics.measure"), "DEFAULT_SAMPLING", sampling)
    alone = on_disk(shards, SUBSETS[subset], normalize=normalize)

    together = measure(shards, SUBSETS[subset], normalize=normalize, cluster="auto")

    assert numbers_of(together) == numbers_of(alone)
    assert together.standard_errors
    assert any(call == "farthest_row" for _, _, call in cluster.calls)


def test_the_rows_do_not_come_to_the_driver(cluster):
    wide = np.random.default_rng(3).standard_normal((40_960, 128)).astype(np.float32)
    np.save("wide.npy", wide)
    cluster.workers = 2

    measure("wide.npy", np.arange(60), cluster="auto", random_subsets=0)

    # The chosen rows, a few numbers of each row, and the rows that a certificate is made of.
    assert cluster.bytes_moved < 0.5 * wide.nbytes


def test_a_worker_is_lost_between_two_questions(cluster, shards):
    alone = on_disk(shards, SUBSETS["some"])
    cluster.faults = lambda worker, generation, request: (
        "dies before"
        if worker == 1 and generation == 0 and request.call == "squared_to_chosen"
        else "calm"
    )

    together = measure(shards, SUBSETS["some"], cluster="auto")

    assert numbers_of(together) == numbers_of(alone)
    assert (1, 1) in cluster.started


def test_a_question_after_an_interrupt_is_not_about_other_rows(shards, monkeypatch):
    points = prepare(shards, InputOptions(cluster="auto"), transport=LocalCluster(3)).points
    crew, chosen = points.where.crew, np.array([1, 50, 90])
    before = points.squared_to_chosen(chosen, np.inf)
    ask = crew.ask

    def ask_and_stop(call, *arguments, **how):
        found = ask(call, *arguments, **how)
        if call == "aim":
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(crew, "ask", ask_and_stop)
    with pytest.raises(KeyboardInterrupt):
        points.squared_to_chosen(np.array([2, 40, 70]), np.inf)
    monkeypatch.setattr(crew, "ask", ask)

    after = points.squared_to_chosen(chosen, np.inf)
    assert [one.tobytes() for one in after] == [one.tobytes() for one in before]


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_a_selection_is_measured_in_its_own_space(cluster, shards):
    chosen = select_uniform(shards, 50, normalize=False)
    together = measure(shards, chosen, cluster="auto")
    assert numbers_of(together) == numbers_of(on_disk(shards, chosen))


def test_data_in_memory_are_measured_here(cluster):
    rows = SUBSETS["some"]
    together = measure(vectors(), rows, cluster="auto", random_subsets=1)
    assert numbers_of(together) == numbers_of(measure(vectors(), rows, random_subsets=1))
    assert not cluster.started


@pytest.mark.parametrize("options", [{"details": True}, {"certificate": "thorough"}], ids=str)
def test_what_needs_all_vectors_gathers_them(cluster, shards, options, monkeypatch):
    rows, options = SUBSETS["of one worker"], {"random_subsets": 1, **options}
    together = measure(shards, rows, cluster="auto", **options)
    assert numbers_of(together) == numbers_of(measure(shards, rows, **options))
    of_memory = measure(vectors(), rows, cluster="auto", **options)
    assert of_memory.upper_bound == together.upper_bound

    monkeypatch.setattr(gathering, "fits_in_memory", lambda *sizes: False)
    with pytest.raises(OptionError, match=f"^{next(reversed(options))}= needs all vectors"):
        measure(shards, rows, cluster="auto", **options)


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_a_page_of_what_is_selected_on_a_cluster(cluster, shards):
    command = ["select", shards, "-b", "40", "--cluster", "auto"]
    selected = CliRunner().invoke(main, [*command, "-o", "c.npy", "--report", "p.html"])
    less = ["-o", "d.npy", "--report", "d.html", "--memory", "3MB"]
    refused = CliRunner().invoke(main, [*command, *less])

    assert selected.exit_code == 0, selected.output
    assert "<html" in Path("p.html").read_text()
    assert "--report needs all vectors" in refused.output
    assert not list(Path().glob("d*"))


def write_records(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def records(tmp_path):
    rng = np.random.default_rng(2)
    words = "soup rivers sort list python add four france map cook".split()
    rows = [{"id": f"r{row}", "text": " ".join(rng.choice(words, 6))} for row in range(60)]
    (tmp_path / "d").mkdir()
    write_records(tmp_path / "d" / "0.jsonl", rows[:25])
    write_records(tmp_path / "d" / "1.jsonl", rows[25:])
    write_records(tmp_path / "subset.jsonl", rows[20:30])
    return "d"


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
@pytest.mark.parametrize("how", [{}, {"id_column": "id"}], ids=["texts", "ids"])
def test_records_of_a_subset_are_found_on_the_workers(cluster, records, how):
    options = {"encoder": TopicEncoder(), "random_subsets": 0, **how}

    together = measure(records, "subset.jsonl", cluster="auto", **options)

    assert numbers_of(together) == numbers_of(
        measure(records, "subset.jsonl", engine="mapped", **options)
    )


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_the_first_of_equal_texts_is_the_first_in_the_data(cluster, records):
    lines = Path("d/1.jsonl").read_bytes().splitlines(keepends=True)
    Path("d/2.jsonl").write_bytes(b"".join(reversed(lines)))
    Path("subset.jsonl").write_bytes(lines[5] + lines[7] + lines[5])
    options = {"encoder": TopicEncoder(), "random_subsets": 0}

    together = measure(records, "subset.jsonl", cluster="auto", **options)

    rows = [30, 32, 60 + len(lines) - 6]
    assert numbers_of(together) == numbers_of(measure(records, rows, engine="mapped", **options))


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_a_record_that_no_worker_has(cluster, records):
    write_records(Path("other.jsonl"), [{"id": "x", "text": "nobody has this"}])
    with pytest.raises(RowError, match=r"other\.jsonl, line 1: not among the rows of 2 files"):
        measure(records, "other.jsonl", cluster="auto", encoder=TopicEncoder())


def test_vectors_of_a_subset_are_found_on_the_workers(cluster, shards):
    rows = [8999, 5000, 3, 17]  # 5000 equals 3, and is behind it
    np.save("subset.npy", vectors()[rows].astype(np.float64))

    together = measure(shards, "subset.npy", cluster="auto")

    assert numbers_of(together) == numbers_of(on_disk(shards, np.array([8999, 3, 5000, 17])))


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_records_with_vectors_are_found_as_they_are(cluster, tmp_path, monkeypatch):
    """Blocks of data in Ray, which are opened by workers."""
    made = vectors()[:60]
    tables = [made[:20], made[20:]]
    monkeypatch.setattr("evenly.distributed.parts.fetch", list)
    monkeypatch.setattr("evenly.distributed.prepare.references_of", lambda data: (tables, "blocks"))
    references = [type("ObjectRef", (), {"__module__": "ray._raylet"})() for _ in tables]
    np.save(tmp_path / "subset.npy", made[[30, 2, 19]])

    for subset in ([30, 2, 19], tmp_path / "subset.npy"):
        together = measure(references, subset, cluster="auto", random_subsets=1)

        alone = measure(made, [30, 2, 19], random_subsets=1)
        assert (
            numbers_of(together).items()
            >= {
                name: value for name, value in numbers_of(alone).items() if "bound" not in name
            }.items()
        )


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_the_command_line_measures_what_it_selects_on_a_cluster(cluster, shards):
    run = CliRunner()
    selected = run.invoke(main, ["select", shards, "-b", "40", "--cluster", "auto", "-o", "c.npy"])
    measured = run.invoke(main, ["measure", shards, "c.manifest.json", "--cluster", "auto"])

    assert selected.exit_code == 0, selected.output
    assert "coverage" in selected.output
    assert measured.exit_code == 0, measured.output
    assert "coverage" in measured.output
