"""The page of a subset: what it says, without a browser."""

import re
from html import unescape

import numpy as np
import pytest

from evenly import (
    Deduplication,
    deduplicate,
    measure,
    report,
    select_by_quality,
    select_stream,
    select_uniform,
)
from evenly.errors import (
    DataError,
    IsolatedRowsWarning,
    ManifestError,
    OptionError,
    OutputError,
    OutputExistsError,
)
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.pages import json_of, table, without_scripts

VECTORS = np.random.default_rng(0).normal(size=(200, 6))


def test_the_headline_compares_with_random_rows_and_with_the_best_possible():
    chosen = select_uniform(VECTORS, 20)
    measures = measure(VECTORS, chosen)

    times = measures.h_min / measures.random_h_min
    share = int(measures.certified_fraction * 100)
    assert report(chosen).headline == (
        f"20 of 200 rows, {times:.1f} times as far apart as random ones "
        f"and at least {share} % of what is possible."
    )


def test_the_tables_list_the_rows_that_they_promise():
    chosen = select_uniform(VECTORS, 20)
    measures = measure(VECTORS, chosen)

    html = report(chosen).html

    first = table(html, "first")
    assert [int(row[1]) for row in first] == chosen.indices.tolist()
    assert first[0][2:] == ["–", "the row farthest from the mean of all"]
    assert first[1][2] == f"{chosen.radii[1]:.4f}"
    assert int(table(html, "farthest")[0][0]) == measures.farthest_row
    closest = table(html, "closest")[0]
    assert {int(closest[0]), int(closest[1])} == set(measures.closest_pair)
    assert closest[2] == f"{measures.h_min:.4f}"


def test_isolated_rows_come_first():
    rows = np.vstack([VECTORS * 0.01, [[50.0] * 6]])
    with pytest.warns(IsolatedRowsWarning):
        chosen = select_uniform(rows, 10, normalize=False)

    html = report(chosen).html

    row, _, outcome, why = table(html, "isolated")[0]
    assert (int(row), outcome) == (200, "chosen")
    assert re.fullmatch(r"[\d.]+ times as far from its neighbours as usual", why)


def test_families_are_those_of_near_duplicates():
    near = VECTORS[[3, 3, 3, 7]] * np.linspace(1.0, 2.0, 4)[:, None]
    html = report(select_uniform(np.vstack([VECTORS, near]), 200)).html

    assert [row[:3] for row in table(html, "families")] == [
        ["3", "3", "row 200; row 201 and 1 more"],
        ["7", "1", "row 203"],
    ]


def test_a_deduplication_shows_its_own_families():
    texts = [*texts_of(20), *texts_of(3)]
    found = deduplicate(texts, min_distance=0.05, encoder=TopicEncoder())

    page = report(found, encoder=TopicEncoder())

    assert isinstance(found, Deduplication)
    assert page.headline.startswith(f"{len(found)} of 23 rows were kept")
    sizes = {int(row[0]): int(row[2]) for row in table(page.html, "families")}
    assert sizes == {kept: len(others) for kept, others in found.groups.items()}


def test_a_selection_by_quality_says_why_rows_were_picked():
    quality = np.arange(200.0)
    page = report(select_by_quality(VECTORS, quality=quality, budget=10))

    assert "the best of the rows that are far enough from earlier ones" in page.html


def test_a_selection_from_a_manifest_names_the_command(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    select_uniform(tmp_path / "vectors.npy", 20).save(tmp_path / "it's.manifest.json")

    html = unescape(report(tmp_path / "it's.manifest.json").html)

    assert "evenly select --from-manifest '" in html
    assert """it'"'"'s.manifest.json'""" in html


def test_a_selection_in_memory_names_the_call():
    chosen = select_uniform(texts_of(30), 5, encoder=TopicEncoder(), start="medoid")

    html = unescape(report(chosen, encoder=TopicEncoder()).html)

    assert "select_uniform(data, encoder=…, budget=5, start='medoid')" in html


def test_the_page_needs_the_data_of_the_selection(tmp_path):
    chosen = select_uniform(VECTORS, 20)
    chosen.save(tmp_path / "chosen.manifest.json")

    with pytest.raises(OptionError, match="Pass the same data"):
        report(tmp_path / "chosen.manifest.json")
    with pytest.raises(DataError, match="199 rows"):
        report(tmp_path / "chosen.manifest.json", VECTORS[1:])
    with pytest.raises(ManifestError, match="is not what this selection was made from"):
        report(tmp_path / "chosen.manifest.json", VECTORS + 1.0)
    pages = [report(tmp_path / "chosen.manifest.json", VECTORS).html for _ in range(2)]
    assert without_scripts(pages[0]) == without_scripts(pages[1])


def test_rows_that_the_selection_dropped_are_not_in_the_page():
    rows = np.vstack([VECTORS, [[50.0] * 6]])
    chosen = select_uniform(rows, 10, normalize=False, drop_outliers=0.005)

    html = report(chosen).html

    assert "1 row; the first is row 200: is an outlier" in html
    assert 200 not in [int(row[0]) for row in table(html, "isolated")]


def test_other_budgets_are_shown_up_to_twice_as_many_rows():
    chosen, longer = select_uniform(VECTORS, 20), select_uniform(VECTORS, 40)

    html = report(chosen).html

    rows = {int(row[0]): row[1:] for row in table(html, "budgets")}
    assert max(rows) == 40
    assert rows[40][0] == f"{longer.h_min:.4f}"
    assert rows[40][2] == f"{longer.coverage_radius:.4f}"
    says = json_of(html, "values")["budgets"]
    assert len(says) == len(rows)
    assert says[-1].startswith(f"40 rows: h_min {longer.h_min:.4f} (random ")


def test_the_budget_of_the_subset_has_the_proven_share_of_the_headline():
    clusters = np.repeat(VECTORS[:40], 20, axis=0) + np.random.default_rng(1).normal(
        scale=0.05, size=(800, 6)
    )
    page = report(select_uniform(clusters, 60))

    share = re.search(r"at least \d+ %", page.headline)[0]
    [said] = [one for one in json_of(page.html, "values")["budgets"] if one.startswith("60 rows")]
    assert share in said


def test_the_curve_of_a_selection_under_rules_is_one_without_them():
    html = report(select_uniform(VECTORS, 20, exclude=range(100))).html

    assert "a plain selection, without rules," in html
    plain = {int(row[0]): row[1] for row in table(html, "budgets")}
    assert plain[40] == f"{select_uniform(VECTORS, 40).h_min:.4f}"


@pytest.mark.parametrize("budget", [1, 2, 200])
def test_extreme_budgets(budget):
    page = report(select_uniform(VECTORS, budget))

    assert page.headline.startswith(f"{budget} of 200 rows")


def test_equal_rows():
    with pytest.warns(UserWarning, match="distinct"):
        chosen = select_uniform(np.ones((50, 3)), 5)

    assert "the data set has too few different rows" in report(chosen).headline


def test_other_results_are_rejected_by_name():
    stream = select_stream([VECTORS], 5)

    with pytest.raises(OptionError, match="a stream was read in passes"):
        report(stream)
    with pytest.raises(OptionError, match="got list"):
        report([1, 2, 3])


def test_a_page_is_saved_whole_and_overwrites_nothing(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    page = report(select_uniform(tmp_path / "vectors.npy", 5))

    page.save(tmp_path / "page.html")

    assert (tmp_path / "page.html").read_text("utf-8") == page.html
    with pytest.raises(OutputExistsError):
        page.save(tmp_path / "page.html")
    with pytest.raises(OutputError, match="input"):
        page.save(tmp_path / "vectors.npy", force=True)
