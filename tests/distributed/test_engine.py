"""Rows on workers are chosen as on one machine: the same rows, radii and provenance."""

import csv
import json
import pickle
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from evenly import select_uniform
from evenly.errors import OptionError
from tests.support.cluster import LocalCluster, assert_same, select_on
from tests.support.encoders import TopicEncoder

pytestmark = pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")

WORDS = "soup rivers sort list python add four france map cook a b c d e f g".split()
ROWS = 300
CUTS = [(0, 3), (3, 160), (160, 161), (161, 300)]


def records():
    rng = np.random.default_rng(5)
    made = [
        {
            "id": f"r{row}",
            "text": " ".join(rng.choice(WORDS, 6)),
            "topic": str(rng.integers(0, 4)),
            "quality": float(rng.random()),
            "cost": int(rng.integers(1, 30)),
        }
        for row in range(ROWS)
    ]
    made[7]["text"] = made[200]["text"]  # equal texts on two workers
    return made


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_csv(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path, rows):
    pa = pytest.importorskip("pyarrow")
    pa.parquet.write_table(pa.Table.from_pylist(rows), path)


WRITERS = {"jsonl": write_jsonl, "csv": write_csv, "parquet": write_parquet}


def write_shards(folder, format):
    pytest.importorskip("pyarrow")
    import pyarrow.parquet  # noqa: F401

    shards = folder / format
    shards.mkdir()
    for number, (begin, end) in enumerate(CUTS):
        WRITERS[format](shards / f"{number}.{format}", records()[begin:end])
    return str(shards)


RULES = {
    "budget": {"budget": 40},
    "fraction": {"budget": 0.1},
    "start": {"budget": 20, "start": 299},
    "medoid": {"budget": 20, "start": "medoid"},
    "random": {"budget": 20, "start": "random"},
    "groups": {"budget": 40, "groups": "topic", "balance": "equal"},
    "quotas": {"budget": 40, "groups": "topic", "quotas": {"0": 3, "1": (0, 2)}},
    "quality": {"budget": 40, "quality": "quality", "quality_weight": 0.7},
    "tokens": {"token_budget": 200, "costs": "cost"},
    "away from rows": {"budget": 40, "away_from": [0, 170, 299]},
    "away from texts": {"budget": 40, "away_from": [{"text": "soup a b"}]},
    "include": {"budget": 40, "include": [299, 0]},
    "ids": {"budget": 40, "include": ["r161"], "exclude": ["r0", "r1"], "id_column": "id"},
    "distance": {"min_distance": 6.0},
    "all": {
        "budget": 30,
        "include": [200],
        "exclude": [3],
        "away_from": [1],
        "groups": "topic",
        "balance": "proportional",
        "quality": "quality",
    },
}


@pytest.mark.parametrize(
    ("rules", "format"),
    [*((rules, "jsonl") for rules in RULES), ("all", "csv"), ("all", "parquet"), ("ids", "csv")],
)
def test_every_rule_on_files_of_records(folder, rules, format):
    data, options = write_shards(folder, format), {"encoder": TopicEncoder(), "text": "text"}
    rules = RULES[rules]

    alone = select_uniform(data, **rules, **options)
    together = select_on(LocalCluster(3), data, **rules, **options)

    assert_same(together, alone)
    for own in WRITERS:
        alone.write(f"alone.{own}", force=True)
        together.write(f"together.{own}", force=True)
        written = [(folder / f"{who}.{own}").read_bytes() for who in ("alone", "together")]
        assert written[0] == written[1]


def vectors(rows=9000):
    rng = np.random.default_rng(0)
    made = rng.standard_normal((rows, 12)).astype(np.float32)
    made[rows // 2] = made[3]
    return made


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("normalize", [True, False])
def test_blocks_of_the_mean_that_workers_share(folder, workers, normalize):
    (folder / "s").mkdir()
    ends = [0, 100, 4096, 5000, 5001, 8500, 9000]
    for number, (begin, end) in enumerate(pairwise(ends)):
        np.save(folder / "s" / f"{number}.npy", vectors()[begin:end] + np.float32(50))

    alone = select_uniform("s", 300, normalize=normalize)
    together = select_on(LocalCluster(workers), "s", budget=300, normalize=normalize)

    assert_same(together, alone)
    assert together.take(vectors()).tolist() == alone.take(vectors()).tolist()


def test_one_file_of_vectors_is_divided_by_rows(folder):
    np.save("one.npy", vectors())
    cluster = LocalCluster(4)

    together = select_on(cluster, "one.npy", budget=300)

    assert_same(together, select_uniform("one.npy", 300))
    assert {worker for worker, _ in cluster.started} == {0, 1, 2, 3}
    assert together.samples.locate(8999) == "one.npy, row 8999"
    together.write("chosen.npy")
    assert np.array_equal(np.load("chosen.npy"), vectors()[together.indices])


@pytest.mark.parametrize("engine", ["memory", "mapped", "faiss", "sharded"])
def test_whatever_workers_compute_with(folder, engine):
    np.save("one.npy", vectors())
    alone = select_uniform("one.npy", 300)
    together = select_on(LocalCluster(2), "one.npy", budget=300, engine=engine)
    assert together.indices.tolist() == alone.indices.tolist()
    assert together.radii.tobytes() == alone.radii.tobytes()


def test_an_array_in_memory(folder):
    together = select_on(LocalCluster(3), vectors(), budget=300)
    assert_same(together, select_uniform(vectors(), 300))


def test_types_of_numbers_that_differ_between_files(folder):
    (folder / "s").mkdir()
    np.save("s/0.npy", vectors()[:100].astype(np.float16))
    np.save("s/1.npy", vectors()[100:200])
    np.save("s/2.npy", (vectors()[200:300] * 100).astype(np.int16))

    together = select_on(LocalCluster(3), "s", budget=30)

    alone = select_uniform("s", 30)
    assert_same(together, alone)
    together.write("together.npy")
    alone.write("alone.npy")
    assert (folder / "together.npy").read_bytes() == (folder / "alone.npy").read_bytes()


def test_rows_without_text_and_vectors_that_are_zero(folder):
    rows = records()
    rows[5]["text"], rows[170]["text"], rows[160]["text"] = None, " ", ""  # 160 is a whole file
    (folder / "s").mkdir()
    for number, (begin, end) in enumerate(CUTS):
        write_jsonl(folder / "s" / f"{number}.jsonl", rows[begin:end])
    options = {"encoder": TopicEncoder(), "text": "text", "on_invalid": "drop"}
    assert_same(
        select_on(LocalCluster(4), "s", budget=20, **options), select_uniform("s", 20, **options)
    )

    (folder / "v").mkdir()
    zeros = vectors(300)
    zeros[[3, 290]] = 0
    for number, (begin, end) in enumerate(CUTS):
        np.save(folder / "v" / f"{number}.npy", zeros[begin:end])
    options = {"on_invalid": "drop"}
    assert_same(
        select_on(LocalCluster(4), "v", budget=20, **options), select_uniform("v", 20, **options)
    )


@pytest.mark.parametrize(
    "options",
    [
        {"budget": 20, "text": "nope"},
        {"budget": 20, "text": "quality"},
        {"budget": 20, "groups": "nope", "balance": "equal"},
        {"budget": 20, "quality": "topics"},
        {"budget": 900},
        {"budget": 20, "exclude": [300]},
        {"budget": 20, "start": 300},
    ],
    ids=str,
)
def test_errors_are_those_of_one_machine(folder, options):
    data = write_shards(folder, "jsonl")
    options = {"encoder": TopicEncoder(), "text": "text", **options}
    with pytest.raises(Exception) as alone:
        select_uniform(data, **options)

    with pytest.raises(type(alone.value)) as together:
        select_on(LocalCluster(3), data, **options)

    assert str(together.value) == str(alone.value)


def test_vectors_travel_once_and_few_messages_are_sent(folder):
    np.save("one.npy", vectors())
    cluster = LocalCluster(2)

    chosen = select_on(cluster, "one.npy", budget=2000)

    rounds = sum(call == "frontier" for _, _, call in cluster.calls) / 2
    assert len(chosen) / rounds >= 64
    # About four messages a pick: its vector to each worker, and its neighbours' from them.
    assert cluster.bytes_moved / len(chosen) < 20 * vectors()[0].nbytes


def warnings_of(act):
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        act()
    return [(one.category, str(one.message)) for one in raised]


def test_warnings_are_those_of_one_machine(folder):
    rows = vectors(9000)
    rows[[5000, 8999]] *= 9  # two rows far from all others, and
    rows[[17, 4100]] *= 7
    (folder / "s").mkdir()
    for number, (begin, end) in enumerate([(0, 4097), (4097, 9000)]):
        np.save(folder / "s" / f"{number}.npy", rows[begin:end])
    options = {"budget": 60, "normalize": False}

    alone = warnings_of(lambda: select_uniform("s", **options))
    together = warnings_of(lambda: select_on(LocalCluster(2), "s", **options))

    assert [kind.__name__ for kind, _ in alone] == ["IsolatedRowsWarning"]
    assert together == alone

    np.save("copies.npy", np.repeat(vectors(4), 50, axis=0))
    alone = warnings_of(lambda: select_uniform("copies.npy", 10))
    assert [kind.__name__ for kind, _ in alone] == ["DuplicateRowsWarning"]
    together = warnings_of(lambda: select_on(LocalCluster(3), "copies.npy", budget=10))
    assert together == alone


def test_a_selection_outlives_its_workers(folder):
    np.save("one.npy", vectors())
    cluster = LocalCluster(2)
    chosen = select_on(cluster, "one.npy", budget=100)
    copied = pickle.loads(pickle.dumps(chosen))

    assert np.array_equal(copied.take(vectors()), chosen.take(vectors()))
    copied.write("copied.npy")
    assert np.array_equal(np.load("copied.npy"), vectors()[chosen.indices])
    assert_same_rows(chosen.extend(200), select_uniform("one.npy", 200))
    assert chosen.explain(3).row == 3


def assert_same_rows(one, other):
    assert one.indices.tolist() == other.indices.tolist()


def test_what_needs_all_vectors_in_one_place_is_refused_before_the_work(folder):
    np.save("one.npy", vectors())
    write_jsonl(folder / "rows.jsonl", records())
    for options in (
        {"vectors": "embedding"},
        {"engine": "distances"},
    ):
        with pytest.raises(OptionError, match=f"^{next(iter(options))}="):
            select_uniform("one.npy", 10, cluster="auto", **options)
    with pytest.raises(OptionError, match=r"^token_budget= needs costs="):
        select_uniform("rows.jsonl", cluster="auto", token_budget=100)


@pytest.mark.parametrize(
    "options",
    [
        {"refine": True},
        {"drop_outliers": 0.05},
        {"max_outliers": 3},
        {"density_weight": 1, "density_neighbours": 4},
    ],
    ids=lambda options: next(iter(options)),
)
def test_vectors_that_are_needed_in_one_place_are_gathered(folder, options, monkeypatch, caplog):
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: LocalCluster(3))
    monkeypatch.setattr("evenly.distributed.gathering._NUMBERS", 500)
    caplog.set_level("INFO", "evenly")
    data, of_texts = write_shards(folder, "jsonl"), {"encoder": TopicEncoder(), "text": "text"}

    together = select_uniform(data, 30, cluster="auto", **of_texts, **options)

    assert_same(together, select_uniform(data, 30, **of_texts, **options))
    name = next(iter(options))
    assert any(f"because {name}= needs all in one place" in line for line in caplog.messages)
    assert together.provenance.seconds["gathering"] > 0
    together.write("chosen.jsonl")
    assert len(Path("chosen.jsonl").read_text().splitlines()) == 30


def test_vectors_that_do_not_fit_are_not_gathered(folder, monkeypatch):
    monkeypatch.setattr("evenly.distributed.rays.connect", lambda address: LocalCluster(2))
    np.save("one.npy", vectors())

    with pytest.raises(OptionError, match=r"^refine= needs all vectors .* do not fit\. Allow more"):
        select_uniform("one.npy", 10, cluster="auto", refine=True, memory=4e6)


def test_what_workers_warn_of_is_logged_here(folder, caplog):
    (folder / "s").mkdir()
    for number in range(2):
        rows = [{"text": f"soup {number} {row}", "x": float("nan")} for row in range(4)]
        write_jsonl(folder / "s" / f"{number}.jsonl", rows)
    chosen = select_on(LocalCluster(2), "s", budget=6, encoder=TopicEncoder(window=5), text="text")
    chosen.write("chosen.jsonl")

    cut_off = [one for one in caplog.messages if "longer than the 5 tokens" in one]
    assert [one.partition(":")[0] for one in cut_off] == ["s/0.jsonl", "s/1.jsonl"]
    assert [one for one in caplog.messages if "no NaN" in one]
