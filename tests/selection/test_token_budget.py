"""A token budget is what a model is trained on, and what was spent of it is reported."""

import pytest

from evenly import Selection, select_uniform
from evenly.errors import BudgetError, ColumnError, OptionError
from evenly.metrics.measure import measure
from evenly.reporting import selection_table
from tests.support.encoders import TopicEncoder, texts_of

WORDS = str.split
PROMPTS = texts_of(40)
ANSWERS = ["the answer is " + "long " * (row % 7) for row in range(40)]
RECORDS = [
    {"id": f"r{row}", "instruction": PROMPTS[row], "output": ANSWERS[row]} for row in range(40)
]
CHATS = [
    {
        "messages": [
            {"role": "user", "content": PROMPTS[row]},
            {"role": "assistant", "content": ANSWERS[row]},
        ]
    }
    for row in range(40)
]
OPTIONS = {"encoder": TopicEncoder(), "tokenizer": WORDS, "cache_dir": False}
TOKENS = [
    len(f"{prompt} {answer}".split()) for prompt, answer in zip(PROMPTS, ANSWERS, strict=True)
]


@pytest.mark.parametrize("data", [RECORDS, CHATS], ids=["records", "chats"])
def test_answers_count(data):
    found = select_uniform(data, token_budget=150, **OPTIONS)

    spent = sum(TOKENS[row] for row in found.indices)
    assert 140 <= spent <= 150
    counted = "messages" if data is CHATS else "instruction + output"
    expected = {"budget": 150, "spent": spent, "counted": counted}
    assert found.provenance.details["tokens"] == expected
    same = select_uniform(data, token_budget=150, costs=TOKENS, **{**OPTIONS, "tokenizer": None})
    assert found.indices.tolist() == same.indices.tolist()
    assert same.provenance.details["tokens"]["counted"] == "costs="


@pytest.mark.parametrize(
    ("count", "counted"), [("instruction", "instruction"), (["id", "output"], "id + output")]
)
def test_other_columns_are_a_choice(count, counted):
    found = select_uniform(RECORDS, token_budget=100, count=count, **OPTIONS)

    names = [count] if isinstance(count, str) else count
    spent = sum(len(RECORDS[row][name].split()) for row in found.indices for name in names)
    expected = {"budget": 100, "spent": spent, "counted": counted}
    assert found.provenance.details["tokens"] == expected
    assert spent <= 100


def test_a_selection_is_extended_with_the_same_count(tmp_path):
    options = {**OPTIONS, "token_budget": 120, "drop_outliers": 0.1, "count": ["output"]}
    select_uniform(RECORDS, 5, **options).save(tmp_path / "short.json")
    expected = select_uniform(RECORDS, 12, **options)

    short = Selection.load(tmp_path / "short.json")
    found = short.extend(12, RECORDS, encoder=TopicEncoder(), tokenizer=WORDS, cache_dir=False)

    assert found.indices.tolist() == expected.indices.tolist()
    assert found.provenance.details == expected.provenance.details


def test_what_is_counted_is_checked_before_the_work():
    with pytest.raises(ColumnError, match="no column 'reply'"):
        select_uniform(RECORDS, token_budget=9, count="reply", **OPTIONS)
    with pytest.raises(OptionError, match="count= needs token_budget="):
        select_uniform(RECORDS, 5, count="output", **{**OPTIONS, "tokenizer": None})
    with pytest.raises(OptionError, match="count must be a column, a list of columns or a funct"):
        select_uniform(RECORDS, token_budget=9, count=[], **OPTIONS)
    with pytest.raises(OptionError, match="costs= and count= both say what rows cost"):
        select_uniform(RECORDS, token_budget=9, costs=TOKENS, count="output", **OPTIONS)
    with pytest.raises(BudgetError, match=r"row costs \d+ \(instruction \+ output\)"):
        select_uniform(RECORDS, token_budget=1, **OPTIONS)


def test_the_table_says_what_was_spent_and_what_each_group_got():
    kinds = ["long" if row % 7 > 3 else "short" for row in range(40)]
    found = select_uniform(
        RECORDS, token_budget=150, groups=kinds, quotas={"long": (0, 4)}, **OPTIONS
    )
    measuring = {"encoder": TopicEncoder(), "cache_dir": False, "random_subsets": 0}

    table = selection_table(found, measure(RECORDS, found, **measuring))

    tokens, groups = (found.provenance.details[name] for name in ("tokens", "groups"))
    share = f"{tokens['spent'] / 150:.1%}"
    assert f"{tokens['spent']} ({share} of the budget), counted in instruction + output" in table
    n_long = sum(kinds[row] == "long" for row in found.indices)
    assert groups == {"rows": {"long": n_long}}
    assert f"long {n_long} (of 0 to 4)" in table
    assert f"for any {len(found)} rows without quotas" in table
    plain = select_uniform(RECORDS, 5, encoder=TopicEncoder(), cache_dir=False)
    assert "without" not in str(measure(RECORDS, plain, **measuring))
