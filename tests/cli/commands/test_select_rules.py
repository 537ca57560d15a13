"""Rules of `evenly select`: the same rows as in the library, and errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evenly import Deduplication, Selection, StreamSelection, select_uniform
from tests.support.command_line import (
    MODEL,
    TEXTS,
    VECTORS,
    fail,
    select,
    select_texts,
    succeed,
    write_lines,
)

RECORDS = [
    {
        "id": f"w{row:02}",
        "number": 100 + row,
        "text": text,
        "kind": ["code", "maths", "talk"][row % 3],
        "kinds": [["code"], ["maths", "talk"], []][row % 3],
        "tokens": row % 7 + 1,
        "quality": row / 40,
    }
    for row, text in enumerate(TEXTS)
]


@pytest.fixture(autouse=True)
def data(folder_of_data):
    write_lines("train.jsonl", RECORDS)
    Path("rows.txt").write_text("3\n5\n\n")
    Path("ids.txt").write_text("w03\nw05\n")
    np.save("rows.npy", np.array([3, 5]))
    np.save("seen.npy", VECTORS[:4] + 0.1)
    np.save("costs.npy", np.arange(40) % 7 + 1)
    write_lines("seen.jsonl", [{"text": text} for text in TEXTS[:3]])


def of_vectors(**rules):
    return select_uniform(VECTORS, **rules)


def of_texts(**rules):
    return select_texts(data=RECORDS, text="text", **rules)


def rows_chosen(*arguments) -> list[int]:
    succeed("select", *arguments, "-o", "subset.npy", "--random-subsets", "0", "--force")
    return Selection.load("subset.manifest.json").indices.tolist()


def texts_chosen(*arguments) -> list[int]:
    select("train.jsonl", "--text", "text", *arguments, "-o", "subset.jsonl", "--force")
    return Selection.load("subset.manifest.json").indices.tolist()


@pytest.mark.parametrize("given", ["3,5", "rows.txt", "rows.npy", " 3, 5 "])
def test_rows_are_named_by_number_or_in_a_file(given):
    included = of_vectors(budget=6, include=[3, 5]).indices.tolist()
    excluded = of_vectors(budget=6, exclude=[3, 5]).indices.tolist()
    away = of_vectors(budget=6, away_from=[3, 5]).indices.tolist()

    assert rows_chosen("vectors.npy", "-b", 6, "--include", given) == included
    assert rows_chosen("vectors.npy", "-b", 6, "--exclude", given) == excluded
    assert rows_chosen("vectors.npy", "-b", 6, "--away-from", given) == away


@pytest.mark.parametrize(
    ("given", "column"), [("w03,w05", "id"), ("ids.txt", "id"), ("103,105", "number")]
)
def test_rows_are_named_by_id(given, column):
    expected = of_texts(budget=6, include=[3, 5]).indices.tolist()

    assert texts_chosen("-b", 6, "--include", given, "--id-column", column) == expected


def test_ids_keep_their_zeros():
    records = [{**record, "id": f"{row:03}"} for row, record in enumerate(RECORDS)]
    write_lines("train.jsonl", records)

    chosen = texts_chosen("-b", 6, "--include", "003,005", "--id-column", "id")

    assert chosen[:2] == [3, 5]


def test_chosen_rows_keep_away_from_other_data():
    expected = of_vectors(budget=6, away_from=VECTORS[:4] + 0.1).indices.tolist()
    assert rows_chosen("vectors.npy", "-b", 6, "--away-from", "seen.npy") == expected
    expected = of_texts(budget=6, away_from=TEXTS[:3]).indices.tolist()
    assert texts_chosen("-b", 6, "--away-from", "seen.jsonl") == expected


def test_a_manifest_names_rows():
    succeed("select", "vectors.npy", "-b", 5, "-o", "first.npy")
    first = of_vectors(budget=5).indices
    more = of_vectors(budget=6, away_from=first).indices.tolist()

    manifest = "first.manifest.json"
    assert rows_chosen("vectors.npy", "-b", 6, "--away-from", manifest) == more
    # The path is kept, so that the selection can be reproduced.
    again = succeed("select", "--from-manifest", "subset.manifest.json", "-o", "again.npy")
    assert "5 kept away from" in again.stdout
    both = rows_chosen("vectors.npy", "-b", 6, "--include", manifest)
    assert both[:5] == first.tolist()
    assert not {*rows_chosen("vectors.npy", "-b", 6, "--exclude", manifest)} & {*first}


def test_a_distance_or_tokens_need_no_budget():
    expected = of_vectors(min_distance=0.8).indices.tolist()
    assert rows_chosen("vectors.npy", "--min-distance", 0.8) == expected
    expected = of_vectors(token_budget=40, costs=np.arange(40) % 7 + 1).indices.tolist()
    options = ("--token-budget", 40, "--costs", "costs.npy")
    assert rows_chosen("vectors.npy", *options) == expected
    expected = of_texts(token_budget=40, costs="tokens").indices.tolist()
    assert texts_chosen("--token-budget", 40, "--costs", "tokens") == expected


@pytest.mark.parametrize(
    ("given", "quota"),
    [
        ("code=4", 4),
        ("code=0.5", 0.5),
        ("code=2..4", (2, 4)),
        ("code=..3", (None, 3)),
        ("code=5..", (5, None)),
        ("code=0.1..0.2", (0.1, 0.2)),
    ],
)
def test_quotas_are_numbers_fractions_or_ranges(given, quota):
    expected = of_texts(budget=10, groups="kind", quotas={"code": quota}).indices.tolist()

    assert texts_chosen("-b", 10, "--groups", "kind", "--quota", given) == expected


def test_quotas_of_overlapping_groups_and_balance():
    quotas = {"code": 4, "talk": (2, 3)}
    expected = of_texts(budget=10, groups="kinds", quotas=quotas).indices.tolist()
    options = ("--quota", "code=4", "--quota", "talk=2..3")
    assert texts_chosen("-b", 10, "--groups", "kinds", *options) == expected
    expected = of_texts(budget=9, groups="kind", balance="equal").indices.tolist()
    chosen = texts_chosen("-b", 9, "--groups", "kind", "--balance", "equal")
    assert chosen == expected


def test_quality_weights_distances():
    expected = of_texts(budget=8, quality="quality", quality_weight=2.0).indices.tolist()

    assert texts_chosen("-b", 8, "--quality", "quality", "--quality-weight", 2) == expected


def test_a_tokenizer_is_named_by_path():
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[X]": 0}, unk_token="[X]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save("tokenizer.json")
    expected = of_texts(token_budget=12, tokenizer=lambda text: len(text.split()))

    chosen = texts_chosen("--token-budget", 12, "--tokenizer", "tokenizer.json")

    assert chosen == expected.indices.tolist()


def test_the_table_lists_the_rules():
    ran = succeed(
        *("select", "vectors.npy", "-b", 9, "--include", "1", "--exclude", "2,3"),
        *("--away-from", "4", "--min-distance", 0.01, "--random-subsets", 0),
    )
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("rules")]
    assert line.split(maxsplit=1)[1] == (
        "1 included; 2 excluded; 1 kept away from; none nearer than 0.01"
    )
    options = ("--quota", "code=4", "--quota", "talk=1..3", "--quality", "quality")
    ran = select("train.jsonl", "--text", "text", "-b", 9, "--groups", "kind", *options)
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("rules")]
    assert line.split(maxsplit=1)[1] == "code 4, talk 2 (of 1 to 3); weighted by quality"


def test_a_selection_with_rules_can_be_measured_reproduced_and_extended():
    np.save("many.npy", np.random.default_rng(1).normal(size=(400, 5)))
    out = ",".join(map(str, range(150)))
    first = rows_chosen("many.npy", "-b", 9, "--include", "399", "--exclude", out)

    told = succeed("measure", "many.npy", "subset.manifest.json", "--json")
    assert json.loads(told.stdout)["size"] == 9
    # The manifest keeps only a hash of so many rows: they must be given again, and be the same.
    again = ("select", "--from-manifest", "subset.manifest.json", "-o", "again.npy")
    told = fail(*again)
    assert "exclude was too long to be kept, only its hash was (150 values" in told
    assert "Pass it again: --exclude" in told
    succeed(*again, "--exclude", out)
    extend = ("extend", "subset.manifest.json", "-b", 15, "-o", "more.npy")
    assert "exclude" in fail(*extend)
    assert "rules" in fail(*extend, "--exclude", "1,2")
    succeed(*extend, "--exclude", out)
    assert Selection.load("more.manifest.json").indices[:9].tolist() == first


@pytest.mark.parametrize("option", ["include", "exclude"])
def test_a_file_of_many_rows_is_read_again(option):
    np.save("many.npy", np.random.default_rng(1).normal(size=(400, 5)))
    Path("named.txt").write_text("".join(f"{row}\n" for row in range(150)))
    first = rows_chosen("many.npy", "-b", 160, f"--{option}", "named.txt")
    manifest = Selection.load("subset.manifest.json").provenance
    assert manifest.options[option] == "named.txt"

    succeed("select", "--from-manifest", "subset.manifest.json", "-o", "again.npy")
    extend = ("extend", "subset.manifest.json", "-b", 170, "-o", "more.npy")
    succeed(*extend)
    assert Selection.load("more.manifest.json").indices[:160].tolist() == first

    Path("named.txt").write_text("5\n")
    assert "rules" in fail(*extend, "--force")


def test_a_manifest_from_other_data_names_no_rows():
    np.save("others.npy", VECTORS[:30])
    np.save("changed.npy", VECTORS + 1)
    for other, rows in (("others.npy", 30), ("changed.npy", 40)):
        succeed("select", other, "-b", 5, "-o", "first.npy", "--force")
        for option in ("include", "exclude"):
            told = fail("select", "vectors.npy", "-b", 6, f"--{option}", "first.manifest.json")
            assert f"{option} is a selection from other data ({other}, {rows} rows)" in told
            assert "not those of vectors.npy (40 rows)" in told


def test_manifests_of_other_results_name_rows_too():
    succeed("deduplicate", "vectors.npy", "--min-distance", 1, "-o", "distinct.npy")
    kept = Deduplication.load("distinct.manifest.json").indices
    expected = of_vectors(budget=len(kept) + 3, include=kept).indices.tolist()
    manifest = ("--include", "distinct.manifest.json")
    assert rows_chosen("vectors.npy", "-b", len(kept) + 3, *manifest) == expected

    succeed("stream", "vectors.npy", "-b", 4, "-o", "streamed.npy")
    streamed = StreamSelection.load("streamed.manifest.json").indices
    expected = of_vectors(budget=6, exclude=streamed).indices.tolist()
    assert rows_chosen("vectors.npy", "-b", 6, "--exclude", "streamed.manifest.json") == expected
    expected = of_vectors(budget=6, away_from=streamed).indices.tolist()
    assert rows_chosen("vectors.npy", "-b", 6, "--away-from", "streamed.manifest.json") == expected


def test_texts_to_keep_away_from_may_be_lines():
    Path("seen.txt").write_text("".join(f"{text}\n" for text in TEXTS[:3]))

    expected = of_texts(budget=6, away_from=TEXTS[:3]).indices.tolist()
    assert texts_chosen("-b", 6, "--away-from", "seen.txt") == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "missing option '--budget' (500, or 0.5"),
        (("-b", 5, "--include", "99"), "include names row 99"),
        (("-b", 5, "--include", "-1"), "include names row -1"),
        (("-b", 5, "--include", "no.txt"), "--id-column"),
        (("-b", 5, "--away-from", "no.jsonl"), "no.jsonl"),
        (("-b", 5, "--include", "1", "--exclude", "1,2"), "cannot be in --include"),
        (("-b", 5, "--min-distance", "nan"), "--min-distance must be"),
        (("-b", 5, "--groups", "kind"), "--groups needs --quota"),
        (("-b", 5, "--groups", "kind", "--quota", "code"), "is not NAME=ROWS"),
        (("-b", 5, "--groups", "kind", "--quota", "code=x"), "does not say how many rows"),
        (("-b", 5, "--groups", "kind", "--quota", "code="), "does not say how many rows"),
        (("-b", 5, "--groups", "kind", "--quota", "a=1", "--quota", "a=2"), "two quotas"),
        (("-b", 5, "--groups", "kind", "--quota", "code=9"), "more than the budget 5"),
        (("-b", 5, "--balance", "even"), "'even' is not one of"),
        (("-b", 5, "--costs", "tokens"), "--costs needs --token-budget"),
        (("--token-budget", "many"), "'many' is not a valid integer"),
        (("-b", 5, "--quality", "text"), "quality: column 'text' at train.jsonl, line 1"),
    ],
)
def test_wrong_rules_are_reported_in_one_line(options, message):
    assert message in fail("select", "train.jsonl", "--text", "text", "--encoder", MODEL, *options)
