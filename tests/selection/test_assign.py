"""Who stands for whom, and why a row was taken or left: against the definitions."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from evenly import Selection, cli, errors, select_uniform
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.oracle import gaps_by_definition
from tests.support.pools import pools

TEXTS = texts_of(30)
LINE = np.array([[0.0], [1.0], [1.5], [5.0], [9.0], [10.0]])


class CachedTopicEncoder(TopicEncoder):
    fingerprint = "topics 1"


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def on_a_line():
    return select_uniform(LINE, 3, normalize=False, start=0)  # 0, 10, then 5


@pytest.mark.filterwarnings("ignore::evenly.errors.DuplicateRowsWarning")
@given(vectors=pools(max_rows=60), normalize=st.booleans(), data=st.data())
def test_every_row_goes_to_the_nearest_chosen_row(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    selection = select_uniform(vectors, budget, normalize=normalize)
    gaps = gaps_by_definition(vectors, normalize)[:, selection.indices]

    found = selection.assignments()

    own = found.nearest[selection.indices]
    assert found.rows.tolist() == list(range(len(vectors)))
    assert own.tolist() == selection.indices.tolist()
    assert set(found.distances[selection.indices]) == {0.0}
    for row, nearest, distance in zip(found.rows, found.nearest, found.distances, strict=True):
        assert nearest in selection.indices
        assert distance == pytest.approx(gaps[row].min(), rel=1e-9, abs=1e-13)
        at = selection.indices.tolist().index(nearest)
        assert gaps[row, at] == pytest.approx(gaps[row].min(), rel=1e-9, abs=1e-13)
    assert found.chosen.tolist() == selection.indices.tolist()
    assert found.sizes.sum() == len(vectors)
    for row, size in zip(found.chosen.tolist(), found.sizes, strict=True):
        represented = found.of(row)
        assert len(represented) == size
        assert represented[0] == row
        assert sorted(represented) == np.flatnonzero(found.nearest == row).tolist()
        assert (np.diff(found.distances[represented]) >= 0).all()
    assert found.distances.max() == pytest.approx(selection.coverage_radius, rel=1e-9, abs=1e-13)


def test_of_chosen_rows_equally_near_the_smallest_number_is_named():
    found = select_uniform(LINE[[5, 0, 3]], 2, normalize=False, start=0).assignments()

    assert found.nearest.tolist() == [0, 1, 0]
    assert found.distances.tolist() == [0.0, 0.0, 5.0]


def test_a_chosen_row_stands_for_itself_beside_its_duplicate():
    with pytest.warns(errors.DuplicateRowsWarning):
        selection = select_uniform(np.ones((4, 2)), 2)

    found = selection.assignments()

    assert found.nearest.tolist() == [0, 1, 0, 0]
    assert found.sizes.tolist() == [3, 1]
    assert found.of(0) == [0, 2, 3]


def test_rows_that_were_dropped_belong_to_nobody(tmp_path):
    texts = [*TEXTS[:6], "", *TEXTS[6:]]

    found = select_uniform(texts, 4, encoder=CachedTopicEncoder(), on_invalid="drop").assignments(
        encoder=CachedTopicEncoder()
    )

    assert found.nearest[6] == -1
    assert math.isnan(found.distances[6])
    assert found.sizes.sum() == len(texts) - 1
    found.write(tmp_path / "explanation.csv")
    assert (tmp_path / "explanation.csv").read_text().splitlines()[7] == "6,,,"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet", "csv.gz"])
def test_the_table_comes_back_from_every_format(on_a_line, tmp_path, suffix):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / f"explanation.{suffix}"

    on_a_line.assignments().write(path)

    if suffix == "parquet":
        table = pandas.read_parquet(path)
    elif suffix.startswith("json"):
        table = pandas.read_json(path, lines=suffix == "jsonl")
    else:
        table = pandas.read_csv(path, sep="\t" if suffix == "tsv" else ",")
    assert table.to_dict("list") == {
        "row": [0, 1, 2, 3, 4, 5],
        "nearest": [0, 0, 0, 3, 5, 5],
        "distance": [0.0, 1.0, 1.5, 0.0, 1.0, 0.0],
        "rank": [0, 0, 0, 2, 1, 1],
    }
    with pytest.raises(errors.OutputExistsError):
        on_a_line.assignments().write(path)
    on_a_line.assignments().write(path, force=True)


def test_a_table_is_not_vectors(on_a_line, tmp_path):
    with pytest.raises(errors.OutputError, match=r"as \.npy"):
        on_a_line.assignments().write(tmp_path / "explanation.npy")


def test_by_distances_of_another_metric(tmp_path):
    rows = np.random.default_rng(3).standard_normal((20, 3))
    gaps = np.abs(rows[:, None] - rows[None]).sum(axis=2)
    selection = select_uniform(gaps, 4, engine="distances")

    found = selection.assignments()

    np.testing.assert_array_equal(found.distances, gaps[:, selection.indices].min(axis=1))
    left = next(row for row in range(20) if row not in selection.indices)
    assert selection.explain(left).distance == found.distances[left]
    assert selection.explain(int(selection.indices[2])).distance == selection.radii[2]


def test_rows_are_compared_in_blocks():
    vectors = np.random.default_rng(2).standard_normal((2500, 3))
    selection = select_uniform(vectors, 40, normalize=False)
    gaps = gaps_by_definition(vectors, False)[:, selection.indices]

    found = selection.assignments()

    np.testing.assert_array_equal(found.nearest, selection.indices[gaps.argmin(axis=1)])
    np.testing.assert_allclose(found.distances, gaps.min(axis=1), rtol=1e-9, atol=1e-13)


def test_vectors_on_disk_are_read_in_blocks(tmp_path):
    vectors = np.random.default_rng(1).standard_normal((5000, 64)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    selection = select_uniform(tmp_path / "vectors.npy", 20)

    found = selection.assignments(memory=4e6)

    np.testing.assert_array_equal(found.distances, selection.assignments().distances)
    np.testing.assert_array_equal(found.nearest, select_uniform(vectors, 20).assignments().nearest)
    assert selection.explain(7, memory=4e6).as_dict() == selection.explain(7).as_dict()


def test_loaded_from_a_manifest_the_input_is_taken_in_again(tmp_path):
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS))
    chosen = select_uniform(tmp_path / "train.jsonl", 5, encoder=CachedTopicEncoder())
    chosen.save(tmp_path / "subset.json")
    loaded = Selection.load(tmp_path / "subset.json")

    found = loaded.assignments(encoder=CachedTopicEncoder())

    np.testing.assert_array_equal(
        found.nearest, chosen.assignments(encoder=CachedTopicEncoder()).nearest
    )
    with pytest.raises(errors.ManifestError, match="encoder was a Python object"):
        loaded.assignments()
    with pytest.raises(errors.DataError, match="has 29 rows"):
        loaded.assignments(TEXTS[1:], encoder=CachedTopicEncoder())
    with pytest.raises(errors.ManifestError, match="not what this selection was made from"):
        loaded.assignments(TEXTS[::-1], encoder=CachedTopicEncoder())
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"text": "a"}) + "\n" for _ in TEXTS))
    with pytest.raises(errors.ManifestError, match="changed since"):
        loaded.explain(0, encoder=CachedTopicEncoder())


def test_only_chosen_rows_represent_others(on_a_line):
    with pytest.raises(errors.RowError, match="row 1 was not chosen, so it represents no rows"):
        on_a_line.assignments().of(1)


@pytest.mark.filterwarnings("ignore::evenly.errors.DuplicateRowsWarning")
@given(vectors=pools(max_rows=30), normalize=st.booleans(), data=st.data())
def test_explanations_are_what_the_definitions_say(vectors, normalize, data):
    budget = data.draw(st.integers(1, len(vectors)))
    selection = select_uniform(vectors, budget, normalize=normalize)
    row = data.draw(st.integers(0, len(vectors) - 1))
    gaps = gaps_by_definition(vectors, normalize)[row]
    picks = selection.indices.tolist()

    explanation = selection.explain(row)

    assert (explanation.outcome, explanation.rows) == ("chosen" if row in picks else "left", budget)
    before = picks[: picks.index(row)] if row in picks else picks
    if before:
        assert explanation.nearest in before
        assert explanation.distance == pytest.approx(gaps[before].min(), rel=1e-9, abs=1e-13)
        assert gaps[explanation.nearest] == pytest.approx(gaps[before].min(), rel=1e-9, abs=1e-13)
        assert picks[explanation.nearest_position] == explanation.nearest
    if row in picks:
        assert explanation.position == picks.index(row)
        if before:
            assert explanation.radius == selection.radii[explanation.position]
            assert explanation.radius == pytest.approx(explanation.distance, rel=1e-9, abs=1e-13)
    else:
        assert explanation.position is None
        assert explanation.distance <= selection.coverage_radius * (1 + 1e-9)
    assert explanation.h_min == (None if budget == 1 else selection.h_min)
    assert json.loads(json.dumps(explanation.as_dict(), allow_nan=False))["row"] == row


def test_the_explanation_of_a_chosen_row(on_a_line):
    assert str(on_a_line.explain(0)) == (
        "row 0 was chosen, as pick 1 of 3: there is no earlier pick."
    )
    assert str(on_a_line.explain(3)) == (
        "row 3 was chosen, as pick 3 of 3. The nearest pick before it is row 0 (pick 1), at "
        "distance 5; the radius was 5 then."
    )


def test_the_explanation_of_a_row_that_was_left_out(on_a_line):
    assert str(on_a_line.explain(2)) == (
        "row 2 was left out. The nearest chosen row is row 0 (pick 1), at distance 1.5, so that "
        "row represents it. Chosen rows are at least 5 (h_min) apart; this one could be picked "
        "once the radius has fallen to 1.5."
    )
    assert str(on_a_line.prefix(1).explain(4)).endswith("at distance 9. Only one row was chosen.")


def test_texts_are_shown_short(tmp_path):
    texts = [*TEXTS, "a  \n b" + " c" * 200]
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps({"id": n, "prompt": text}) + "\n" for n, text in enumerate(texts))
    )
    chosen = select_uniform(tmp_path / "train.jsonl", 5, encoder=CachedTopicEncoder(), start=3)

    explanation = chosen.explain(30, encoder=CachedTopicEncoder())

    assert explanation.text.startswith("a b c c")
    assert (len(explanation.text), explanation.text[-1]) == (70, "…")
    assert explanation.location == f"row 30 ({tmp_path / 'train.jsonl'}, line 31)"
    assert explanation.nearest_text == texts[explanation.nearest]
    assert f"row {explanation.nearest:>2}: {texts[explanation.nearest]}" in str(explanation)
    assert chosen.explain(3, encoder=CachedTopicEncoder()).nearest_text is None


def test_a_function_that_gave_the_texts_is_passed_again():
    records = [{"id": text} for text in TEXTS]
    chosen = select_uniform(
        records, 5, text=lambda record: record["id"].upper().lower(), encoder=CachedTopicEncoder()
    )
    again = {"encoder": CachedTopicEncoder(), "text": lambda record: record["id"]}

    assert chosen.explain(4, **again).text == TEXTS[4]
    with pytest.raises(errors.ManifestError, match="text was a Python object"):
        chosen.explain(4, encoder=CachedTopicEncoder())


def test_why_a_row_was_dropped():
    vectors = np.array([[0.0, 0.0], [1, 0], [0, 1]])

    explanation = select_uniform(vectors, 1, on_invalid="drop").explain(0)

    assert explanation.outcome == "dropped"
    assert str(explanation).startswith("row 0 was dropped: it is a zero vector")


def test_why_a_row_was_excluded():
    by_number = select_uniform(LINE, 2, normalize=False, start=0, exclude=[5])
    records = [{"id": f"r{n}", "text": text} for n, text in enumerate(TEXTS)]
    by_id = select_uniform(
        records, 4, text="text", encoder=CachedTopicEncoder(), exclude=["r7"], id_column="id"
    )

    assert str(by_number.explain(5)) == (
        "row 5 was excluded by the option exclude. The nearest chosen row is row 4 (pick 2), at "
        "distance 1."
    )
    assert by_number.explain(1).outcome == "left"
    assert by_id.explain(7, encoder=CachedTopicEncoder()).outcome == "excluded"
    mask = np.arange(200) == 5
    of_many = select_uniform(np.arange(200.0)[:, None], 2, normalize=False, exclude=mask)
    assert of_many.explain(5).outcome == "left"  # of so long a mask only a hash is kept


def test_a_row_that_a_rule_kept_out_is_not_said_to_be_too_near():
    chosen = select_uniform(
        LINE, 2, normalize=False, start=0, groups=list("aabbbb"), quotas={"a": 2}
    )

    explanation = str(chosen.explain(5))

    assert "That is more than h_min, 1: a rule of the selection (groups, quotas)" in explanation


@pytest.mark.parametrize("row", [-1, 6, 1.5, "0", None, True])
def test_rows_that_are_none(on_a_line, row):
    with pytest.raises(errors.EvenlyError, match=r"row"):
        on_a_line.explain(row)


def test_a_row_number_of_numpy_is_one(on_a_line):
    assert on_a_line.explain(on_a_line.indices[1]).position == 1


def evenly_(*arguments):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


def test_the_command_line_explains_and_assigns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("vectors.npy", LINE)
    select_uniform("vectors.npy", 3, normalize=False, start=0).save("subset.json")

    explanation = evenly_("explain", "subset.json", 3)
    assert explanation.exit_code == 0
    assert explanation.output.startswith("row 3 (vectors.npy, row 3) was chosen, as pick 3 of 3.")
    explanation = evenly_("explain", "subset.json", 2, "vectors.npy", "--json")
    assert json.loads(explanation.output)["nearest"] == 0
    explanation = evenly_("explain", "subset.json", 6)
    assert (explanation.exit_code, explanation.output.count("\n")) == (2, 1)
    assert "row numbers go from 0 to 5, got 6" in explanation.output

    explanation = evenly_("assign", "subset.json", "-o", "explanation.csv")
    assert (
        explanation.output == "6 rows, 3 of them chosen; each represents 1 to 3 rows.\n"
        "Written: explanation.csv, a line for each row.\n"
    )
    assert len((tmp_path / "explanation.csv").read_text().splitlines()) == 7
    assert evenly_("assign", "subset.json", "-o", "explanation.csv").exit_code == 2
    told = json.loads(evenly_("assign", "subset.json", "-o", "told.csv", "--json").output)
    assert (told["rows"], sum(told["sizes"]), told["output"]) == (6, 6, "told.csv")
    assert told["chosen"] == Selection.load("subset.json").indices.tolist()
    assert evenly_("assign", "subset.json", "-o", "explanation.csv", "--force").exit_code == 0
    assert (
        "cannot determine the output format"
        in evenly_("assign", "subset.json", "-o", "explanation.x").output
    )
