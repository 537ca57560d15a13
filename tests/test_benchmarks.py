"""The benchmark harness, end to end on tiny pools: all it reports but the seconds is checked."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import (
    cluster,
    cluster_model,
    estimates,
    growth,
    jobs,
    pools,
    profile,
    ray_workers,
    refine,
    rules,
    run,
    table,
    typical,
)
from benchmarks.cases import all_cases, clustered_case, named_cases
from benchmarks.checking import exact_h_min, mean_distance, same_picks, same_rows
from benchmarks.measuring import Task, measure, measure_apart
from benchmarks.peers import OTHERS, Peer

from evenly import measure as measure_by_evenly
from evenly import select_uniform
from tests.support import oracle

KEYS = {
    *("kind", "case", "pool", "n", "d", "dtype", "budget", "peer", "memory_option"),
    *("repeats", "seconds", "first_seconds", "ratio", "extrapolated_from", "distinct_rows"),
    *("h_min", "same_picks", "same_rows", "peak_memory_bytes", "peak_gpu_bytes", "vectors_bytes"),
    "read",
}
COMMON = {
    "machine": {
        "cpu": "abacus",
        "simd": "BEADS",
        "cache_mb": 2,
        "cores": 1,
        "memory_gb": 1.0,
        "gpu": None,
        "system": "Linux",
    },
    "versions": {"python": "3"},
    "command": "python -m benchmarks.run",
}
TINY = clustered_case("tiny", 300, 30)
TINY_ROW = {
    "kind": "time",
    **{key: getattr(TINY, key) for key in ("pool", "n", "d", "dtype", "budget")},
    "case": TINY.name,
    "memory_option": None,
}


def rows_of(case, folder, **options) -> dict[str, dict]:
    rows = run.run_case(case, folder, **{"repeats": 1, "measure": measure, **options})
    return {row["peer"]: row for row in rows}


def replace_peers(monkeypatch, *peers: Peer) -> None:
    monkeypatch.setattr("benchmarks.peers.OTHERS", peers)


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[str, dict]:
    peers = ["evenly", "numpy-loop", "torch-loop", "kCenterGreedy", "skmatter", "fpsample"]
    peers.append("lightly-mundig")
    return rows_of(TINY, tmp_path_factory.mktemp("pools"), peers=peers, repeats=2)


def test_rows_are_complete_and_plain(measured):
    assert set(measured) >= {"evenly", "numpy-loop", "torch-loop"}
    for row in measured.values():
        assert "skipped" in row or set(row) == KEYS
        json.dumps(row, allow_nan=False)


def test_installed_peers_choose_the_rows_of_evenly(measured):
    complete = [row for row in measured.values() if "skipped" not in row]

    assert {"evenly", "numpy-loop"} <= {row["peer"] for row in complete}
    assert all(row["same_picks"] == row["same_rows"] == 1.0 for row in complete)
    assert all(row["repeats"] == 2 and row["distinct_rows"] == 30 for row in complete)
    assert measured["numpy-loop"]["ratio"] == 1.0


def test_h_min_follows_its_definition(measured):
    vectors = pools.clustered(300).astype(np.float64)
    picks, radii, _ = oracle.farthest_first(
        vectors, 30, normalize=False, start=pools.farthest_from_mean(vectors)
    )

    assert measured["evenly"]["h_min"] == pytest.approx(radii[-1], rel=1e-12)
    assert measured["evenly"]["h_min"] == pytest.approx(oracle.h_min(vectors[picks]), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_exact_h_min_across_blocks(dtype):
    vectors = pools.unit_rows(np.random.default_rng(5).standard_normal((6000, 3), np.float32))
    vectors = vectors.astype(dtype)
    rows = np.random.default_rng(6).permutation(6000)[:4500]

    found = exact_h_min(vectors, rows)

    measures = measure_by_evenly(vectors, rows, normalize=False, random_subsets=0, progress=False)
    assert found == pytest.approx(measures.h_min, rel=1e-12)


def test_exact_h_min_of_repeated_and_of_single_rows():
    vectors = pools.clustered(10, d=4)

    assert exact_h_min(vectors, np.array([3, 5, 3])) == 0.0
    assert exact_h_min(vectors, np.array([3])) == np.inf


def test_mean_distance_across_blocks():
    vectors = pools.clustered(2_500, d=4)
    rows = np.array([7, 2_400, 90])
    gaps = vectors[:, None].astype(float) - vectors[rows].astype(float)

    expected = np.sqrt((gaps**2).sum(axis=2)).min(axis=1).mean()

    assert mean_distance(vectors, rows) == pytest.approx(expected, rel=1e-9)
    assert mean_distance(vectors, np.arange(2_500)) == pytest.approx(0.0, abs=1e-7)


def test_agreement_of_picks_and_of_rows():
    reference = np.array([5, 1, 2, 9, 4])

    assert same_picks(np.array([5, 1, 9, 2]), reference) == 0.5
    assert same_rows(np.array([5, 1, 9, 2]), reference) == 1.0
    assert same_picks(reference, reference) == 1.0
    assert same_picks(np.array([7]), reference) == same_rows(np.array([7]), reference) == 0.0


def test_a_peer_that_is_not_installed_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fpsample", None)

    rows = rows_of(TINY, tmp_path, peers=["fpsample", "numpy-loop"])

    assert rows["fpsample"]["skipped"] == "fpsample is not installed"
    assert rows["numpy-loop"]["same_picks"] is None  # evenly was not measured
    assert rows["numpy-loop"]["h_min"] > 0


def test_a_peer_that_fails_has_a_row_with_the_reason(tmp_path, monkeypatch):
    def fail(vectors, budget, first_row):
        raise ValueError("too many\nrows")

    replace_peers(monkeypatch, Peer("numpy-loop", fail, "numpy"))

    rows = rows_of(TINY, tmp_path, peers=["numpy-loop", "evenly"])

    assert rows["numpy-loop"]["skipped"] == "failed: ValueError: too many rows"
    assert rows["evenly"]["ratio"] is None


def test_an_unknown_engine_is_skipped(tmp_path):
    rows = rows_of(replace(TINY, peers=("evenly-abacus", "numpy-loop")), tmp_path)

    assert rows["evenly-abacus"]["skipped"] == "there is no evenly-abacus here"


def test_a_cuda_case_without_a_device(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "cuda_is_there", lambda: False)
    [case] = named_cases(["cuda"], None, 0.001)

    rows = rows_of(case, tmp_path)

    assert set(rows) == set(case.peers)
    assert {row["skipped"] for row in rows.values()} == {"no CUDA device"}
    assert not list(tmp_path.iterdir())


def test_a_loop_without_time_is_stopped_and_extrapolated(tmp_path):
    rows = rows_of(TINY, tmp_path, peers=["numpy-loop", "evenly"], loop_seconds=0.0)

    stopped = rows["numpy-loop"]
    assert 1 < stopped["extrapolated_from"] < 30
    assert stopped["h_min"] is None
    assert stopped["same_picks"] == 1.0
    assert rows["evenly"]["extrapolated_from"] is None
    assert rows["evenly"]["h_min"] > 0


def test_extrapolation_counts_the_set_up_once(tmp_path, monkeypatch):
    now = 0.0

    def choose(vectors, budget, first_row):
        nonlocal now
        now += 1.0 + 0.5 * budget
        return np.arange(budget)

    monkeypatch.setattr("benchmarks.measuring.perf_counter", lambda: now)
    replace_peers(monkeypatch, Peer("numpy-loop", choose, "numpy", per_pick=True))

    row = rows_of(TINY, tmp_path, peers=["numpy-loop"], loop_seconds=10.0)["numpy-loop"]

    assert row["extrapolated_from"] == 17
    assert row["seconds"]["median"] == pytest.approx(1.0 + 0.5 * 30)


@pytest.mark.parametrize(("loop_seconds", "expected"), [(10.0, (2.0, 7.0)), (5.0, (7.0, None))])
def test_the_second_call_on_a_pool_counts_if_the_first_is_quick(
    tmp_path, monkeypatch, loop_seconds, expected
):
    now, seconds = 0.0, iter([1.0, 7.0, 2.0])

    def choose(vectors, budget, first_row):
        nonlocal now
        now += next(seconds)
        return np.arange(budget)

    monkeypatch.setattr("benchmarks.measuring.perf_counter", lambda: now)
    replace_peers(monkeypatch, Peer("max-div", choose, "max-div"))

    row = rows_of(TINY, tmp_path, peers=["max-div"], loop_seconds=loop_seconds)["max-div"]

    assert (row["seconds"]["median"], row["first_seconds"]) == expected


def test_peers_without_an_order_are_compared_by_rows_only(tmp_path, monkeypatch):
    def backwards(vectors, budget, first_row):
        return OTHERS[0].choose(vectors, budget, first_row)[::-1]

    replace_peers(monkeypatch, Peer("numpy-loop", backwards, "numpy", ordered=False))

    row = rows_of(TINY, tmp_path, peers=["numpy-loop", "evenly"])["numpy-loop"]

    assert row["same_picks"] is None
    assert row["same_rows"] == 1.0


def test_a_pool_on_disk_stays_there(tmp_path):
    [case] = named_cases(["on-disk"], None, 0.0005)

    rows = rows_of(case, tmp_path, peers=["numpy-loop", "evenly"])

    [file] = [path for path in tmp_path.iterdir() if not path.stem.endswith("small")]
    assert np.array_equal(np.load(file), pools.clustered(1000).astype(np.float16))
    assert set(rows["numpy-loop"]["read"]) == {"told_bytes", "called_bytes", "storage_bytes"}
    assert "skipped" in rows["evenly"] or rows["evenly"]["memory_option"] == "1GB"


def test_a_separate_process_returns_the_same(tmp_path):
    pool, small = TINY.files(tmp_path)
    task = Task("numpy-loop", str(pool), str(small), 30, 7)

    separate, here = measure_apart(task), measure(task)

    assert separate.rows.tolist() == here.rows.tolist()
    assert set(separate.stats) == set(here.stats)
    assert measure_apart(replace(task, peer="abacus")).stats == {
        "skipped": "there is no abacus here"
    }
    assert measure_apart(task, timeout=0.001).stats == {"skipped": "not done after 0.001 seconds"}


def test_pools_are_float32_rows_of_unit_length(tmp_path):
    np.save(tmp_path / "given.npy", np.arange(1, 61, dtype=np.float16).reshape(20, 3))

    for pool in (
        pools.clustered(50, 6),
        pools.embeddings_alike(50, 6),
        pools.from_npy(tmp_path / "given.npy"),
    ):
        assert pool.dtype == np.float32
        assert np.linalg.norm(pool, axis=1) == pytest.approx(1.0)
    assert not np.array_equal(pools.clustered(50, 6, seed=1), pools.clustered(50, 6))
    with pytest.raises(ValueError, match="row 1 has no length"):
        pools.unit_rows(np.array([[1, 0], [0, 0]], np.float32))


def test_a_file_of_embeddings_is_named_without_its_folder(tmp_path):
    np.save(tmp_path / "given.npy", np.ones((20, 3), np.float32))

    [case] = named_cases(["embeddings"], str(tmp_path / "given.npy"), 1.0)

    assert (case.n, case.d, case.budget) == (20, 3, 10)
    assert case.pool == "embeddings of given.npy"
    with pytest.raises(ValueError, match="there is no abacus"):
        named_cases(["abacus"], None, 1.0)


def test_commands_are_recorded_without_folders():
    given = ["--npy", "a/b/given.npy", "--out=c/rows.jsonl", "--repeats", "3"]

    recorded = run.reproducible("benchmarks.run", given)

    assert recorded == "python -m benchmarks.run --npy given.npy --out=rows.jsonl --repeats 3"


def test_the_command_measures_and_writes_the_page(tmp_path, capsys):
    out, page = tmp_path / "rows.jsonl", tmp_path / "benchmarks.md"

    run.main(
        [
            *("--cases", "small,cuda", "--scale", "0.1", "--repeats", "1"),
            *("--peers", "numpy-loop,evenly", "--folder", str(tmp_path / "pools")),
            *("--out", str(out), "--docs", str(page)),
        ]
    )

    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == table.read_rows([out])
    small = [row for row in printed if row["case"] == "small"]
    assert {row["peer"] for row in small} == {"numpy-loop", "evenly"}
    assert all(set(row) == KEYS | {"machine", "versions", "command"} for row in small)
    text = page.read_text("utf-8")
    assert "### small: 10 of 100 rows" in text
    assert f"| {small[0]['h_min']:.6f} |" in text
    assert str(tmp_path) not in text + out.read_text("utf-8")


def test_unknown_names_are_rejected(capsys):
    for wrong in (["--cases", "abacus"], ["--peers", "abacus"], ["--docs", "page.md"]):
        with pytest.raises(SystemExit):
            run.main(wrong)
        assert "abacus" in (message := capsys.readouterr().err) or "--out" in message


def test_the_page_shows_the_rows(measured):
    rows = [COMMON | row for row in measured.values()]
    older = [row | {"h_min": 123.0} for row in rows if "skipped" not in row]
    skipped = COMMON | {**TINY_ROW, "peer": "abacus", "skipped": "no beads"}
    stopped = rows[0] | {"peer": "slow", "extrapolated_from": 1234, "h_min": None}

    text = table.page([*older, *rows, skipped, stopped])

    assert "123.0" not in text  # the last row about a subject counts
    for row in rows:
        if "skipped" not in row:
            assert f"| {row['peer']} | " in text
            assert f"| {row['h_min']:.6f} | 100.0 % | 100.0 % |" in text
    assert "- `abacus` was not measured: no beads." in text
    assert "- `slow` was stopped after 1,234 picks; its time is extrapolated." in text
    assert text.count("\n## abacus, BEADS, 1 cores, 2 MB of last-level cache, 1 GB\n") == 1
    assert "nan" not in text
    assert "None" not in text


def test_each_machine_has_a_section(measured):
    other_hardware = {"gpu": "slide rule", "simd": None, "cache_mb": None}
    other = COMMON | {"machine": COMMON["machine"] | other_hardware}
    row = measured["evenly"]

    text = table.page([COMMON | row, other | row])

    assert "\n## abacus, BEADS, 1 cores, 2 MB of last-level cache, 1 GB\n" in text
    assert "\n## abacus, 1 cores, 1 GB, slide rule\n" in text


def test_shares_are_not_rounded_to_100_percent():
    assert table.percent(0.999999) == "99.99 %"
    assert table.percent(1.0) == "100.0 %"


def test_growth_fits_its_measurements(tmp_path):
    sizes = [(100, 10), (200, 20), (400, 40)]

    rows = list(growth.growth("n", sizes, tmp_path, repeats=1, measure=measure))

    assert [row["peer"] for row in rows] == ["evenly", "numpy-loop"]
    for row in rows:
        assert [(point["n"], point["budget"]) for point in row["points"]] == sizes
        assert row["exponent"] == pytest.approx(
            growth.exponent([100, 200, 400], [point["seconds"] for point in row["points"]])
        )
    assert growth.exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2.0)
    assert growth.doublings(5, 45) == [5, 10, 20, 40]
    assert "| 100 to 400 |" in table.page([COMMON | row | {"plot": None} for row in rows])


def test_the_plot_of_growth_is_small(tmp_path):
    pytest.importorskip("matplotlib")
    points = [{"n": n, "budget": n // 10, "seconds": n / 1e4} for n in (100, 200, 400)]
    rows = [
        {"peer": peer, "along": along, "points": points, "exponent": 1.0}
        for along in ("n", "budget")
        for peer in growth.PEERS
    ]

    growth.plot(rows, tmp_path / "growth.svg")

    svg = (tmp_path / "growth.svg").read_text("utf-8")
    assert len(svg) < 100_000
    assert "evenly (exponent 1.00)" in svg


def test_profile_accounts_for_all_the_time(tmp_path):
    row = profile.profile(TINY, tmp_path)

    assert sum(row["groups"].values()) >= row["seconds_profiled"] * (1 - 1e-9)
    assert {part["group"] for part in row["parts"]} <= set(row["groups"])
    assert row["groups"][profile.COMPILED] > 0
    text = table.page([COMMON | row])
    assert "### Where the time goes: tiny" in text
    assert "None" not in text


def test_products_are_counted_inside_the_block_only():
    product = np.matmul

    with profile.timed_products() as products:
        np.matmul(np.ones((2, 3)), np.ones((3, 5)))

    assert np.matmul is product
    assert (products.calls, products.operations) == (1, 2 * 2 * 3 * 5)


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_rules_are_compared_with_the_plain_selection(capsys):
    rules.main(
        ["-n", "200", "-d", "8", "--budget", "20", "--repeats", "1", "--only", "deduplicate"]
    )

    plain, other = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (plain["rule"], plain["rows"], plain["ratio"]) == ("plain", 20, 1.0)
    assert other["rule"] == "deduplicate"
    assert other["ratio"] == pytest.approx(other["seconds"] / plain["seconds"], rel=0.2)
    with pytest.raises(ValueError, match="there is no best"):
        list(rules.measure(200, 8, 20, only=["best"]))


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_every_rule_can_be_timed():
    timed = rules.rules(pools.clustered(120, 8), 12)

    assert {len(run()) > 0 for run in timed.values()} == {True}


@pytest.mark.filterwarnings("ignore::evenly.errors.EvenlyWarning")
def test_refinement_is_compared_with_greedy_and_the_best_known(tmp_path, capsys):
    points = np.random.default_rng(0).uniform(size=(40, 3)) * 100
    lines = "".join(f"{row} {' '.join(map(str, point))}\n" for row, point in enumerate(points))
    (tmp_path / "Geo 40 1.txt").write_text(f"40 3\n{lines}")
    best = oracle.h_min(points)
    (tmp_path / "best_known.csv").write_text(
        f"family,instance,n,k,best_known,proven_optimal\nGeo,Geo 40 1.txt,40,6,{best},True\n"
    )

    [instance] = refine.mmdp_instances(tmp_path)
    instance = replace(instance, peers=("greedy", "refine", "exact"))
    np.testing.assert_array_equal(instance.load(), points)
    greedy, refined, exact = refine.measure(instance)
    assert greedy["h_min"] <= refined["h_min"] <= exact["h_min"]
    assert exact["proven"]
    assert exact["h_min"] == pytest.approx(exact["upper_bound"])

    out = tmp_path / "rows"
    refine.main(["--mmdp", str(tmp_path), "--only", "Geo", "--scale", "0.1", "--out", str(out)])
    rows = table.read_rows([out])
    assert len(capsys.readouterr().out.splitlines()) == len(rows)
    page = table.page(rows)
    assert "MDPLIB Geo 40, 6 rows | exact, at most 1 s | 1 | +" in page
    assert str(tmp_path) not in page
    names = [one.name for one in refine.instances("x.npy", None)]
    assert names[0] == "clustered 20,000, 2,000 rows"
    assert names[-1] == "embeddings 20,000, 10,000 rows"


@pytest.mark.filterwarnings("ignore::evenly.errors.IsolatedRowsWarning")
def test_density_is_compared_with_facility_location(tmp_path, capsys):
    np.save(tmp_path / "given.npy", pools.embeddings_alike(400, 16))
    out = tmp_path / "rows.jsonl"

    typical.main(
        [
            *("--npy", str(tmp_path / "given.npy"), "--scale", "0.02"),
            *("--repeats", "1", "--out", str(out), "--note", "a test was running"),
        ]
    )

    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == table.read_rows([out])
    cases = ["clustered 400, 4 rows", "clustered 400, 40 rows"]
    cases += ["embeddings 400, 4 rows", "embeddings 400, 40 rows"]
    assert list(dict.fromkeys(row["case"] for row in printed)) == cases
    for begin in range(0, len(printed), len(typical.PEERS)):
        of_case = printed[begin : begin + len(typical.PEERS)]
        first = of_case[0]
        assert [row["peer"] for row in of_case] == list(typical.PEERS)
        assert first["distance_ratio"] == first["seconds_ratio"] == 1.0
        for row in of_case:
            assert row["distance_ratio"] == row["mean_distance"] / first["mean_distance"]
            assert row["seconds_ratio"] == pytest.approx(
                row["seconds"]["median"] / first["seconds"]["median"]
            )
    large = printed[0] | {"case": "clustered 20,000, 2,000 rows"}
    page = table.page([*printed, large])
    assert "\n- clustered 20,000: Gaussian clusters.\n" in page
    assert page.count("\n- a test was running.\n") == 1
    assert "| clustered 400, 4 rows | facility location | " in page
    assert "| +0.00 % | " in page
    assert "- embeddings 400: embeddings of given.npy." in page
    assert str(tmp_path) not in page


def test_neighbours_are_searched_for_in_every_measurement(monkeypatch):
    from evenly.selection.rules import density

    searched: list[int] = []
    search = density.mean_distances_of_all

    def counted(points, rows, *arguments, **options):
        searched.append(len(rows))
        return search(points, rows, *arguments, **options)

    monkeypatch.setattr(density, "mean_distances_of_all", counted)
    pool = typical.TypicalPool("tiny", "Gaussian clusters", pools.clustered(500, 8))

    rows = list(typical.measure(pool, 20, repeats=3))

    assert searched == [250, 500] * 6  # with and without refinement
    assert {row["repeats"] for row in rows} == {3}

    searched.clear()
    large = np.random.default_rng(0).standard_normal((10_000, 3), np.float32)
    for vectors in (large, large[:50], large):  # densities of large pools are kept on disk, too
        with typical.empty_cache():
            select_uniform(vectors, 3, density_weight=1)
    assert searched == [10_000, 50, 10_000]


def test_whole_jobs_of_two_versions_are_measured_in_turn(tmp_path):
    pool = tmp_path / "pool.npy"
    np.save(pool, pools.clustered(200, 32))
    job = jobs.Job("tiny", "Gaussian clusters", ("--budget", "20"), lambda _: pool)
    source = jobs.ROOT / "src"

    rows = [
        COMMON | row
        for row in jobs.run_job(
            job, tmp_path, {"before": source, "now": source}, repeats=1, warm_up=False
        )
    ]

    assert [row["peer"] for row in rows] == ["before", "now"]
    for row in rows:
        assert (row["n"], row["budget"]) == (200, 20)
        assert row["steps"]["embedding"] == 0.0
        assert row["steps"]["rest"] > 0.05  # to start Python takes as long
        assert row["seconds"]["median"] == pytest.approx(sum(row["steps"].values()))
        assert row["peak_memory_bytes"] > 5e7
    shown = table.page(rows)
    assert "### The whole job" in shown
    assert "| tiny | before | 200 | 20 |" in shown
    assert "- tiny: Gaussian clusters.\n" in shown


def test_jobs_need_their_input():
    assert [job.name for job in jobs.all_jobs()] == ["clustered-200k", "million"]
    assert [job.name for job in jobs.all_jobs("a.npy", "b.json")][:2] == ["alpaca", "embeddings"]


def test_files_are_short_and_the_cases_are_listed():
    folder = Path(run.__file__).parent

    assert [case.name for case in all_cases()] == [
        *("small", "middle", "embeddings", "clustered-50k", "clustered-200k", "on-disk", "cuda")
    ]
    for file in folder.glob("*.py"):
        assert len(file.read_text("utf-8").splitlines()) < 400


def test_estimates_stand_beside_the_truth(tmp_path):
    pool = tmp_path / "pool.npy"
    np.save(pool, pools.clustered(300, 32))
    job = jobs.Job("tiny", "Gaussian clusters", ("--budget", "30"), lambda _: pool)

    row = estimates.compare_job(job, tmp_path)

    assert (row["n"], row["budget"], row["disk"]) == (300, 30, 0)
    assert row["memory"] > 5e7
    assert row["estimated_memory"] > 5e7
    assert "| tiny | 300 | 30 |" in estimates.table_of([row])


def test_varied_texts_are_all_different(tmp_path):
    records = [{"instruction": f"do this thing number {row} well", "id": row} for row in range(9)]

    jobs.write_varied(records, 4, tmp_path / "varied.jsonl")

    lines = (tmp_path / "varied.jsonl").read_text().splitlines()
    written = [json.loads(line) for line in lines]
    assert len(written) == 36
    assert len({record["instruction"] for record in written}) > 27
    assert written[:9] == records


def test_a_simulated_cluster_counts_barriers_and_bytes(tmp_path):
    case = cluster.Case("clustered", 600, 16, 60, 6)
    row = cluster.simulate(case)

    vectors = pools.clustered(600, 16)
    first = pools.farthest_from_mean(vectors)
    expected = oracle.farthest_first(vectors, 60, True, first)
    assert row["h_min"] == pytest.approx(expected[1].min(), rel=1e-6)
    assert row["picks_per_barrier"] == 60 / row["barriers"]
    assert row["bytes_per_pick"]["received"] == pytest.approx(
        row["rows_per_barrier"] * row["barriers"] * (4 * 16 + 24) / 60
    )
    # Every pick is sent to each worker, except for the last ones, which nothing follows.
    assert 0 < row["bytes_per_pick"]["sent"] <= 4 * 16 + 8
    seconds = row["seconds"]
    assert seconds["network"] > row["barriers"] * (1e-3 + 6e-4)
    assert seconds["all"] == pytest.approx(
        seconds["driver"] + seconds["slowest worker"] + seconds["network"]
    )


def test_a_model_of_clusters_predicts_what_it_was_made_of():
    network = cluster_model.Network(latency=0.0, message_seconds=0.0, bytes_per_second=float("inf"))
    rows = [
        {
            "n": n,
            "d": d,
            "budget": budget,
            "shards": shards,
            "barriers": budget / 100,
            "picks_per_barrier": 100.0,
            "rows_per_barrier": 1000.0,
            "products_per_barrier": 700.0**2,
            "seconds": {
                "driver": budget / 100 * (1e-3 + 1e-5 * shards + 1e-8 * 1000 * d),
                "slowest worker": budget / 100 * (2e-3 + 1e-8 * n / shards)
                + 1e-12 * n / shards * budget * d,
            },
        }
        for n, d, budget, shards in [
            *((50_000, 384, 5_000, 8), (50_000, 384, 5_000, 64), (90_000, 64, 5_000, 512)),
            *((200_000, 64, 10_000, 8), (200_000, 384, 5_000, 64), (10_000, 768, 1_000, 4)),
        ]
    ]
    for row in rows:
        row["seconds"]["all"] = sum(row["seconds"].values())
    assert max(map(abs, cluster_model.errors(rows, 1e-8, network))) < 0.02
    plan = cluster_model.Plan(1e6, 384, 1e4, 16, cores=2.0, pair_speed=10.0)
    found = cluster_model.Model.fit(rows, 1e-8).predict(plan, network)
    assert found["comparisons"] == pytest.approx(1e-12 * 1e6 / 16 * 1e4 * 384 / 20, rel=0.02)
    assert found["all"] == pytest.approx(sum(found.values()) - found["all"] - found["barriers"])


def test_the_page_of_clusters_is_made_of_rows(tmp_path):
    out, page = tmp_path / "rows.jsonl", tmp_path / "page.md"
    page.write_text(f"before\n{cluster_model.BEGIN}old\n{cluster_model.END}after\n")
    passes = cluster.measure_passes(5000, repeats=1)
    made = [cluster.simulate(cluster.Case("curved", 300, 16, 20, p)) for p in (2, 5, 10)]
    made.insert(0, passes)
    out.write_text("\n".join(json.dumps({**row, **COMMON}) for row in made) + "\n")
    cluster.main(["--rows", str(out), "--docs", str(page)])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("| curved, 20 of 300") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="nodes are bound to cores, as Linux can")
def test_real_workers_choose_what_one_process_chooses(tmp_path):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    folder, case = tmp_path / "pool", ray_workers.Case("clustered", 400, 8, 40)
    folder.mkdir()
    ray_workers.write_pool(case, folder)

    alone = ray_workers.measure(case, "one process, 2 cores", str(folder), repeats=1)
    workers = ray_workers.measure_apart(case, "2 workers, 1 core each", str(folder))

    assert {row["h_min"] for row in (alone, workers)} == {workers["h_min"]}
    assert alone["coverage_radius"] == workers["coverage_radius"]
    assert workers["picks_per_round"] == 40 / workers["rounds"]
    assert workers["bytes_per_pick"] > 8 * 4
    assert 0 < workers["driver_seconds"] < workers["seconds"]
    assert workers["peak_memory"] > 50e6
    common = {"machine": {"cpu": "a processor"}, "command": "a command"}
    made = ray_workers.section([row | common for row in (alone, workers)])
    assert "| 2 workers, 1 core each |" in made
    assert f"| {workers['seconds'] / alone['seconds']:.2f} |" in made
