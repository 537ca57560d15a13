"""Runs of experiments resume after a kill, and their statistics are those of the textbook."""

import json

import numpy as np
import pytest
from experiments.harness import Results, Run, carry_out, product_of
from experiments.statistics import Estimate, differences, means, rank_correlation, table
from scipy import stats


def runs_that_count(counted, values):
    def measure(value):
        counted.append(value)
        return {"double": 2 * value}

    return [
        Run({"arm": "a", "seed": value}, lambda value=value: measure(value)) for value in values
    ]


def test_only_runs_without_a_row_are_carried_out(tmp_path):
    results, counted = Results(tmp_path / "folder" / "rows.jsonl"), []
    carry_out("one", runs_that_count(counted, [1, 2]), results, seconds_a_run=1)
    rows = carry_out("one", runs_that_count(counted, [1, 2, 3]), results, seconds_a_run=1)

    assert counted == [1, 2, 3]
    assert [row["double"] for row in rows] == [2, 4, 6]
    assert len(results.rows()) == 3


def test_a_line_that_a_kill_cut_off_is_measured_again(tmp_path):
    results, counted = Results(tmp_path / "rows.jsonl"), []
    carry_out("one", runs_that_count(counted, [1, 2]), results, seconds_a_run=1)
    whole = results.path.read_text()
    results.path.write_text(whole[:-15])

    rows = carry_out("one", runs_that_count(counted, [1, 2]), results, seconds_a_run=1)

    assert counted == [1, 2, 2]
    assert [row["double"] for row in rows] == [2, 4]
    assert [json.loads(line)["double"] for line in results.path.read_text().splitlines()[::2]]


def test_what_a_run_costs_is_said_beforehand(tmp_path, capsys):
    results = Results(tmp_path / "rows.jsonl")
    carry_out("one", runs_that_count([], [1, 2]), results, seconds_a_run=90)

    assert "2 runs, 0 of them done; the others take about 3.0 minutes" in capsys.readouterr().out


def test_texts_to_embed_are_announced_while_a_run_is_waiting(tmp_path, capsys):
    results, runs = Results(tmp_path / "rows.jsonl"), runs_that_count([], [1])
    printed = []
    for _ in range(2):
        carry_out("one", runs, results, seconds_a_run=1, texts=10_000)
        printed.append("embeds 10,000 texts: 2.0 minutes or so" in capsys.readouterr().out)

    assert printed == [True, False]


def test_products_change_the_last_axis_fastest():
    assert product_of(a=[1, 2], b="xy") == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


def test_an_interval_is_students():
    values = [1.0, 2.0, 4.0, 7.0]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))

    found = Estimate.of(values)

    assert found.mean - found.half_width == pytest.approx(low)
    assert found.mean + found.half_width == pytest.approx(high)
    assert not found.is_clear
    assert Estimate.of([5.0, 5.1, 4.9]).is_clear


def test_draws_of_a_seed_are_averaged_and_arms_are_paired_by_seed():
    rows = [
        {"arm": "random", "seed": 0, "draw": 0, "budget": 9, "accuracy": 0.1},
        {"arm": "random", "seed": 0, "draw": 1, "budget": 9, "accuracy": 0.3},
        {"arm": "random", "seed": 1, "draw": 0, "budget": 9, "accuracy": 0.5},
        {"arm": "other", "seed": 1, "draw": 0, "budget": 9, "accuracy": 0.8},
        {"arm": "other", "seed": 0, "draw": 0, "budget": 9, "accuracy": 0.4},
        {"arm": "other", "seed": 0, "draw": 0, "budget": 5, "accuracy": 0.0},
    ]

    gap = differences(rows, "accuracy", baseline="random", of={"budget": 9})["other"]

    assert gap == Estimate.of([0.8 - 0.5, 0.4 - 0.2])
    assert means(rows, "accuracy", of={"budget": 9})["random"] == Estimate.of([0.2, 0.5])
    assert "other" in table(rows, "accuracy", baseline="random")


def test_ranks_are_compared_within_each_seed():
    rows = [
        {"arm": "abc"[place], "seed": seed, "one": 100 * seed + place, "other": value}
        for seed, values in ((0, [1, 2, 3]), (1, [3, 2, 1]), (2, [1, 2, 3]))
        for place, value in enumerate(values)
    ]

    assert rank_correlation(rows, "one", "other") == Estimate.of([1.0, -1.0, 1.0])
