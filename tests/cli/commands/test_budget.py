"""`evenly budget`: a table, JSON, and what is refused."""

import json

import numpy as np
import pytest

from evenly import Selection, suggest_budget
from tests.support.command_line import fail, succeed

VECTORS = np.random.default_rng(21).standard_normal((240, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def vectors():
    np.save("vectors.npy", VECTORS)


def test_the_table_is_that_of_the_library():
    shown = succeed("budget", "vectors.npy", "--h-min", "0.5", "--coverage-radius", "0.9").stdout

    expected = str(suggest_budget("vectors.npy", h_min=0.5, coverage_radius=0.9))
    assert shown == expected + "\n"
    assert "h_min 0.5" in shown
    assert "coverage 0.9" in shown


def test_json_has_everything():
    options = ("-b", "50", "--h-min", "0.5", "--random-subsets", "0", "--include", "3,4")
    document = json.loads(succeed("budget", "vectors.npy", *options, "--json").stdout)

    found = suggest_budget("vectors.npy", 50, h_min=0.5, random_subsets=0, include=[3, 4])
    assert document["answers"] == found.answers
    assert document["curve"] == found.curve.as_dict()
    assert document["selection"]["indices"] == found.selection.indices.tolist()
    assert document["curve"]["random_subsets"] == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--quota", "a=3"], "--quota cannot be used for all budgets at once. With quotas, "),
        (["--balance", "equal"], "--balance cannot be used"),
        (["--groups", "topic"], "--groups cannot be used"),
        (["--token-budget", "100"], "give --tokens."),
        (["--min-distance", "0.5"], "give --h-min."),
        (["--refine", "search"], "--refine cannot be used"),
        (["--tokens", "100"], "no texts to count tokens in. Say what each row costs: --costs"),
        (["-b", "241"], "budget must be between 1 and the pool size 240"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_its_flag(flags, message):
    assert message in fail("budget", "vectors.npy", *flags)


def test_a_selection_continues_from_the_checkpoint_of_a_curve():
    succeed("budget", "vectors.npy", "-b", "100", "--checkpoint", "picks.ckpt")
    succeed(
        *("select", "vectors.npy", "-b", "40", "--checkpoint", "picks.ckpt", "-o", "subset.npy"),
    )

    assert Selection.load("subset.manifest.json").provenance.taken_over == 40
