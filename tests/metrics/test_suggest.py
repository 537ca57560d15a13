"""`suggest_budget`: one run answers for every budget what a selection of that size would."""

import json

import numpy as np
import pytest

from evenly import BudgetSuggestion, errors, measure, select_uniform, suggest_budget
from tests.support.encoders import TopicEncoder, texts_of

VECTORS = np.random.default_rng(11).standard_normal((300, 4))


def suggest(data=VECTORS, budget=None, **options):
    return suggest_budget(data, budget, **{"normalize": False, "random_subsets": 0, **options})


def test_answers_are_exact_to_the_row():
    whole = select_uniform(VECTORS, 300, normalize=False)
    costs = np.arange(300) % 7
    for wanted in (0.3, 0.8, 1.5):
        found = suggest(
            budget=300, h_min=wanted, coverage_radius=wanted, tokens=int(200 * wanted), costs=costs
        )

        apart, covering = found.answers["h_min"], found.answers["coverage_radius"]
        assert whole.prefix(apart).h_min >= wanted > whole.prefix(apart + 1).h_min
        assert whole.prefix(covering).coverage_radius <= wanted
        assert whole.prefix(covering - 1).coverage_radius > wanted
        paid = found.answers["tokens"]
        spent = np.cumsum(costs[whole.indices])
        assert spent[paid - 1] <= int(200 * wanted) < spent[paid]
        # Each answer is a line of the curve, too.
        at = dict(zip(found.curve.budgets.tolist(), found.curve.rows, strict=True))
        assert at[apart]["h_min"] == whole.prefix(apart).h_min
        assert at[paid]["tokens"] == spent[paid - 1]
        assert list(found.wanted) == ["h_min", "coverage_radius", "tokens"]


def test_what_the_largest_budget_does_not_tell_is_unknown():
    found = suggest(
        budget=20, h_min=1e-3, coverage_radius=1e-3, tokens=10**6, costs=np.ones(300, int)
    )
    assert found.answers == {"h_min": None, "coverage_radius": None, "tokens": None}

    # All rows are the largest budget that there is.
    found = suggest(budget=300, h_min=0.0, coverage_radius=0.0, tokens=300, costs=np.ones(300, int))
    assert found.answers == {"h_min": 300, "coverage_radius": 300, "tokens": 300}


def test_no_budget_may_meet_a_wish():
    found = suggest(include=[3, 4], h_min=1e6, tokens=1, costs=np.ones(300, int))

    assert found.answers == {"h_min": 0, "tokens": 0}
    assert "no rows" in str(found)


def test_the_first_rows_are_the_selection_of_any_smaller_budget():
    found = suggest()

    assert len(found.selection) == found.curve.budgets[-1] == 150
    for budget in (1, 17, 150):
        chosen = select_uniform(VECTORS, budget, normalize=False)
        assert found.selection.prefix(budget).indices.tolist() == chosen.indices.tolist()


def test_a_pool_is_looked_at_up_to_half_of_it():
    assert len(suggest(VECTORS[:9]).selection) == 5  # fractions are rounded as everywhere
    assert len(suggest(VECTORS[:1]).selection) == 1
    assert len(suggest(budget=0.1).selection) == 30
    assert len(suggest(exclude=np.arange(100)).selection) == 100
    with pytest.raises(errors.BudgetError, match="budget must be between 1 and the pool size 300"):
        suggest(budget=301)


def test_a_large_pool_is_looked_at_up_to_20_000_rows():
    vectors = np.random.default_rng(12).random((40_100, 1))

    assert len(suggest(vectors).selection) == 20_000


def test_rules_apply_to_the_curve():
    options = {"include": [5, 6], "exclude": np.arange(100, 150), "away_from": [7]}

    found = suggest(**options)

    assert found.pool_size == 249
    assert found.selection.indices[:2].tolist() == [5, 6]
    assert not set(found.selection.indices.tolist()) & {7, *range(100, 150)}
    assert found.curve.budgets[0] == 2
    assert found.curve.h_min[-1] == found.selection.h_min
    assert found.curve.coverage_radius[-1] == found.selection.coverage_radius


def test_with_weights_the_curve_answers_for_its_own_budgets():
    found = suggest(density_weight=1.0, coverage_radius=1.5, h_min=0.5)

    assert found.answers["coverage_radius"] in found.curve.budgets.tolist()
    at = dict(zip(found.curve.budgets.tolist(), found.curve.rows, strict=True))
    answer = found.answers["coverage_radius"]
    chosen = found.selection.indices[:answer]
    assert measure(VECTORS, chosen, normalize=False).coverage_radius == pytest.approx(
        at[answer]["coverage_radius"]
    )
    assert at[answer]["coverage_radius"] <= 1.5
    assert at[found.answers["h_min"]]["h_min"] >= 0.5


def test_distances_are_enough():
    gaps = np.sqrt(((VECTORS[:, None] - VECTORS[None]) ** 2).sum(axis=2))

    found = suggest(gaps, engine="distances", coverage_radius=1.0, random_subsets=1)
    other = suggest(coverage_radius=1.0, random_subsets=1)

    assert found.answers == other.answers
    for name in ("h_min", "coverage_radius", "mean_distance", "random_h_min"):
        np.testing.assert_allclose(found.curve.columns[name], other.curve.columns[name])


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("quotas", {"a": 3}, "With quotas"),
        ("groups", "topic", "With quotas"),
        ("balance", "equal", "With quotas"),
        ("min_distance", 0.5, "h_min="),
        ("token_budget", 100, "tokens="),
        ("refine", True, "one budget"),
    ],
)
def test_what_makes_no_sense_for_all_budgets_is_refused_by_name(name, value, advice):
    with pytest.raises(errors.OptionError, match=f"{name}= cannot be used .*{advice}"):
        suggest(**{name: value})


def test_a_misspelt_option_is_a_type_error():
    with pytest.raises(TypeError, match="unexpected keyword argument 'h_mim'"):
        suggest(h_mim=0.5)


class CountingEncoder(TopicEncoder):
    """An encoder whose tokenizer counts words."""

    tokenizer = staticmethod(str.split)


RECORDS = [{"text": text, "answer": "one two three"} for text in texts_of(30)]


def test_tokens_of_the_chosen_rows_are_counted_in_texts():
    found = suggest_budget(RECORDS, text="text", encoder=CountingEncoder(), cache_dir=False)

    rows = found.selection.indices
    words = [len(RECORDS[row]["text"].split()) + 3 for row in rows]
    assert found.curve.tokens[-1] == sum(words)
    assert "answer" in found.counted
    assert "tokens" in found.curve.rows[0]


def test_tokens_are_left_out_if_nothing_counts_them():
    found = suggest_budget(RECORDS, text="text", encoder=TopicEncoder(), cache_dir=False)

    assert found.curve.tokens is None
    assert found.counted is None
    assert "tokens" not in found.curve.columns


class Untouched:
    def encode(self, texts):
        raise AssertionError("a text was embedded")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 5}, "has no tokenizer to count tokens with"),
        ({"costs": "nope"}, "nope"),
        ({"costs": "text"}, "costs"),
        ({"costs": "answer", "count": "text"}, "costs= and count= both say"),
        ({"include": [99]}, "include"),
        ({"budget": 99}, "budget must be between"),
        ({"density_neighbours": 3}, "density_neighbours= needs density_weight="),
    ],
)
def test_errors_come_before_a_text_is_embedded(options, message):
    with pytest.raises(errors.EvenlyError, match=message):
        suggest_budget(RECORDS, text="text", encoder=Untouched(), **options)


def test_vectors_have_no_tokens_to_count():
    with pytest.raises(errors.OptionError, match=r"holds vectors, and no texts.*costs="):
        suggest(tokens=5)


def test_a_run_is_continued_from_the_checkpoint_of_a_selection(tmp_path):
    picks = tmp_path / "picks.ckpt"
    select_uniform(VECTORS, 40, normalize=False, checkpoint=picks)

    found = suggest(budget=100, checkpoint=picks)
    again = select_uniform(VECTORS, 60, normalize=False, checkpoint=picks)

    assert found.selection.provenance.taken_over == 40
    assert again.provenance.taken_over == 60
    assert again.indices.tolist() == found.selection.indices[:60].tolist()


def test_a_saved_suggestion_is_loaded_as_it_was(tmp_path):
    found = suggest(h_min=0.5, tokens=10**6, costs=np.ones(300, int), random_subsets=2)
    path = tmp_path / "budget.json"

    found.save(path)
    loaded = BudgetSuggestion.load(path)

    assert loaded.as_dict() == found.as_dict()
    assert str(loaded) == str(found)
    assert repr(loaded) == repr(found)
    assert loaded.answers == {"h_min": found.answers["h_min"], "tokens": None}
    assert loaded.selection.prefix(3).indices.tolist() == found.selection.indices[:3].tolist()
    with pytest.raises(errors.OutputExistsError):
        found.save(path)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "budget.json"
    suggest().save(path)
    document = json.loads(path.read_text("utf-8"))
    document["curve"]["h_min"].pop()
    path.write_text(json.dumps(document), "utf-8")

    with pytest.raises(errors.ManifestError, match="checksum"):
        BudgetSuggestion.load(path)
    with pytest.raises(errors.ManifestError, match="does not exist"):
        BudgetSuggestion.load(tmp_path / "nope.json")


def test_a_curve_of_unequal_columns_is_refused(tmp_path):
    found = suggest()
    document = found.as_dict()
    document["curve"]["h_min"].pop()
    path = tmp_path / "budget.json"
    path.write_bytes(BudgetSuggestion.codec.to_json(document))

    with pytest.raises(errors.ManifestError, match="h_min does not have one value"):
        BudgetSuggestion.load(path)


def test_the_input_is_not_overwritten(tmp_path):
    path = tmp_path / "vectors.npy"
    np.save(path, VECTORS)

    with pytest.raises(errors.OutputError, match="is the input"):
        suggest(path).save(path, force=True)


def test_the_table_marks_the_knee_and_the_answers():
    clusters = np.repeat(np.eye(20) * 10, 10, axis=0)
    clusters += np.random.default_rng(0).random((200, 20)) / 10

    found = suggest(clusters, h_min=5.0, random_subsets=1)
    lines = str(found).splitlines()

    assert found.answers["h_min"] == found.knee == 20
    marked = [line for line in lines if line.lstrip().startswith("20 ")]
    assert len(marked) == 1
    assert marked[0].endswith("knee, h_min 5")
    assert "20 rows, the most that are so far apart" in str(found)
    assert max(map(len, lines)) <= 120
    assert repr(found) == (
        "BudgetSuggestion(knee=20, answers={'h_min': 20}, up to 100 of 200 rows)"
    )


def test_a_curve_without_a_bend_has_no_knee():
    found = suggest(budget=2)

    assert found.knee is None
    assert "hardly bends" in str(found)
