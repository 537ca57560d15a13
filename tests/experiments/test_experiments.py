"""Every experiment, in its quick mode, end to end."""

import copy
import csv
import json
import re
from dataclasses import fields

import numpy as np
import pytest
import torch
from experiments.__main__ import NAMES, main
from experiments.approximation import make_function, slopes_of
from experiments.arms import ARMS, WITH_QUALITY, Pool, spread_of
from experiments.density_and_h_min import draw_real, slope_of
from experiments.dirty_pool import broken
from experiments.finetuning import steps_of, with_thresholds
from experiments.gradient_descent import NETWORKS, Network, _without_diverged, descend
from experiments.harness import Results
from experiments.language_models import (
    QUICK,
    Example,
    Model,
    Sizes,
    loss_of_constant_logits,
    made_up_examples,
    make_small,
    read_examples,
)
from experiments.texts import ease_of, made_up

OWN = {
    "density_and_h_min": {"h_min", "bound"},
    "gradient_descent": {"steps_to_tenth", "smallest_eigenvalue", "h_min"},
    "approximation": {"mean_error", "largest_error", "coverage_radius"},
    "classification": {"accuracy", "worst_class", "mean_distance"},
    "finetuning": {"held_out_loss", "own_loss", "own_loss_before", "tokens"},
    "dirty_pool": {"broken_share", "accuracy"},
}


def a_pool(rows=120, normalize=True):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((rows, 8)).astype(np.float32)
    if normalize:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Pool(vectors, rng.integers(5, 90, rows), rng.random(rows), normalize)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_run_writes_rows_and_resumes(name, tmp_path, capsys):
    main([name, "--quick", "--folder", str(tmp_path)])
    first = capsys.readouterr().out
    rows = Results(tmp_path / f"{name}.jsonl").rows()

    assert rows
    assert list(tmp_path.glob(f"{name}*.svg"))
    assert all(OWN[name] <= set(row) for row in rows)
    assert all(np.isfinite(row[field]) for row in rows for field in OWN[name])
    assert f"{len(rows)} runs, 0 of them done" in first

    main([name, "--quick", "--folder", str(tmp_path)])
    again = capsys.readouterr().out

    assert f"{len(rows)} runs, {len(rows)} of them done" in again
    assert _tables(again) == _tables(first) != []


@pytest.mark.model
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["classification", "dirty_pool", "finetuning"])
def test_results_of_one_encoder_are_not_taken_for_those_of_another(name, tmp_path, capsys):
    for encoder in ("static", "all-MiniLM-L6-v2", "static"):
        main([*small_run(name, tmp_path), "--encoder", encoder])
    counts = re.findall(r"(\d+) runs, (\d+) of them done", capsys.readouterr().out)

    assert [int(done) for _, done in counts] == [0, 0, int(counts[0][0])]


def test_results_of_a_file_are_not_taken_for_those_of_what_it_held_before(tmp_path, capsys):
    arguments = [*small_run("dirty_pool", tmp_path), "--encoder", "static"]
    main(arguments)
    with (tmp_path / "texts.csv").open("a") as file:
        file.write("where is my money,0\n")
    main(arguments)

    assert re.findall(r"runs, (\d+) of them done", capsys.readouterr().out) == ["0", "0"]


def small_run(name, folder):
    """Return the command line of an experiment on files with a few made-up texts."""
    texts = made_up(60, 5)
    table = folder / "texts.csv"
    with table.open("w", newline="") as file:
        rows = zip(texts.texts, texts.labels, strict=True)
        csv.writer(file).writerows([("text", "label"), *rows])
    records = folder / "answers.jsonl"
    records.write_text("\n".join(json.dumps({"question": t, "answer": "1"}) for t in texts.texts))
    sizes = {field.name.replace("_", "-"): getattr(QUICK, field.name) for field in fields(Sizes)}
    sizes |= {"pool": 20, "held-out": 10, "budget": 5, "pretraining-steps": 1}
    of_texts = ["--train", str(table), "--test", str(table)]
    own = {
        "classification": [*of_texts, "--budgets", "9", "--chosen-by", "static"],
        "dirty_pool": [*of_texts, "--budget", "9"],
        "finetuning": ["--data", str(records), *_as_options(sizes)],
    }
    return [name, *own[name], "--seeds", "1", "--arms", "random", "--folder", str(folder)]


@pytest.mark.parametrize("name", ["classification", "dirty_pool"])
def test_texts_to_train_on_need_texts_to_test_on(name, tmp_path):
    with pytest.raises(SystemExit, match="--train needs --test"):
        main([name, "--train", str(tmp_path / "texts.csv"), "--folder", str(tmp_path)])


def test_too_few_rows_for_fine_tuning_are_refused_before_anything_is_trained(tmp_path):
    arguments = small_run("finetuning", tmp_path)

    with pytest.raises(SystemExit, match=r"need 45 rows; answers\.jsonl has 30 of them"):
        main([*arguments, "--budget", "35"])

    assert not list(tmp_path.glob("small*"))


def test_random_rows_are_always_among_the_arms(tmp_path, capsys):
    arguments = small_run("dirty_pool", tmp_path)
    main([*arguments, "--encoder", "static", "--arms", "farthest-first"])

    rows = Results(tmp_path / "dirty_pool.jsonl").rows()

    assert [row["arm"] for row in rows if row["share"] == 0.02] == [
        *["random"] * 3,
        "farthest-first",
    ]
    assert "nan" not in capsys.readouterr().out.replace("± nan", "")


def test_tables_compare_with_another_baseline(tmp_path, capsys):
    main([*small_run("dirty_pool", tmp_path), "--encoder", "static", "--baseline", "density"])
    first, *_ = [line for line in _tables(capsys.readouterr().out) if line.startswith("| density")]

    assert "(" not in first  # the baseline itself has no difference


def test_all_rows_take_more_steps_at_equal_epochs_alone():
    sizes = Sizes(pool=100, budget=20, epochs=2, batch=4, accumulate=2)

    assert steps_of("random", sizes, 100) == steps_of("all rows, equal steps", sizes, 100) == 5
    assert steps_of("all rows, equal epochs", sizes, 96) == 24


def test_records_may_hold_any_line_separator_but_the_newline(tmp_path):
    path = tmp_path / "some.jsonl"
    path.write_text('{"question": "one\u2028two", "answer": "3"}\n\n', encoding="utf-8")

    assert read_examples(path) == [Example("one\u2028two", "3")]


def _as_options(values):
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]


def _tables(printed):
    return [line for line in printed.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("name", [*ARMS, *WITH_QUALITY])
def test_an_arm_returns_as_many_distinct_rows_as_are_wanted(name, normalize):
    arm = {**ARMS, **WITH_QUALITY}[name]

    found = arm(a_pool(normalize=normalize), 30, np.random.default_rng(1))

    assert len(set(found.tolist())) == len(found) == 30
    assert found.min() >= 0
    assert found.max() < 120


def test_facility_location_maximises_what_it_says():
    pool = a_pool(40)
    distances = pool.distances_to(np.arange(40)).astype(float)
    similarities = distances.max() - distances
    chosen: list[int] = []
    for _ in range(6):
        covered = similarities[chosen].max(axis=0, initial=0.0)
        gains = np.maximum(similarities, covered).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))

    found = ARMS["facility location"](pool, 6, np.random.default_rng(0))

    assert found.tolist() == chosen


def test_clumps_have_a_smaller_h_min_than_random_rows():
    pool = a_pool(400)
    h_min = {
        name: np.mean(
            [
                spread_of(pool, ARMS[name](pool, 40, np.random.default_rng(seed)))["h_min"]
                for seed in range(5)
            ]
        )
        for name in ("clumps of 20", "clumps of 2", "random", "farthest-first")
    }

    assert h_min["clumps of 2"] < h_min["random"] < h_min["farthest-first"]
    assert h_min["clumps of 20"] < h_min["random"]


def test_lengths_are_matched_to_those_of_farthest_first():
    pool = a_pool(400)
    pool.lengths[:] = 10
    far = ARMS["farthest-first"](pool, 30, np.random.default_rng(0))
    pool.lengths[far] = 1000

    found = ARMS["random, lengths matched"](pool, 30, np.random.default_rng(0))

    assert (pool.lengths[found] == 1000).mean() > 0.8


def test_the_share_of_rows_that_was_asked_for_is_broken():
    data = made_up(200, 1)

    dirty, is_broken = broken(data, 0.1, 0)

    changed = [one != other for one, other in zip(data.texts, dirty.texts, strict=True)]
    assert is_broken.sum() == 20
    assert not any(np.array(changed) & ~is_broken)
    assert np.mean(np.array(changed)[is_broken]) > 0.9


def test_random_rows_are_broken_as_often_as_the_pool(tmp_path, capsys):
    main(["dirty_pool", "--quick", "--folder", str(tmp_path)])
    rows = Results(tmp_path / "dirty_pool.jsonl").rows()

    # A tenth of the pool is broken; a generator shared with what breaks it would find all of them.
    assert max(row["broken_share"] for row in rows if row["arm"] == "random") < 0.35


@pytest.mark.model
@pytest.mark.filterwarnings("ignore")
def test_the_encoder_is_trained_end_to_end(tmp_path):
    main(["classification", "--quick", "--fine-tune", "--folder", str(tmp_path)])
    rows = Results(tmp_path / "classification_fine_tuned.jsonl").rows()

    assert {row["arm"] for row in rows} == {"random", "density"}
    # Five labels, twenty rows: the head begins with the means of labels, which are far from chance.
    assert np.mean([row["accuracy"] for row in rows]) > 0.4


@pytest.mark.filterwarnings("ignore")
def test_descent_of_several_networks_at_once_is_that_of_each_alone():
    torch.manual_seed(0)
    inputs, targets = torch.rand(2, 10, 3), torch.rand(2, 10)
    for kind in NETWORKS:
        networks = [Network(kind), Network(kind)]
        together = descend(networks, inputs, targets, 4)

        for network, own, values, losses in zip(networks, inputs, targets, together, strict=True):
            optimizer = torch.optim.SGD(network.parameters(), lr=0.02)
            for loss in losses:
                error = ((network(own) - values) ** 2).mean()
                assert error.item() == pytest.approx(float(loss), rel=1e-4)
                optimizer.zero_grad()
                error.backward()
                optimizer.step()


def test_slopes_are_those_of_the_function():
    rows = np.array([[0.3, -0.2], [1.0, 0.5]])

    found = slopes_of(lambda x: 3 * x[:, 0] - 4 * x[:, 1], rows)

    assert found == pytest.approx([5.0, 5.0])
    assert slopes_of(make_function(2, np.random.default_rng(0)), rows).shape == (2,)


def test_a_text_of_frequent_words_is_easier_than_one_of_rare_words():
    common, mixed, rare, empty = ease_of(["the the", "the card", "zymurgy", ""])

    assert common == pytest.approx(3 / 6)
    assert mixed == pytest.approx(np.sqrt(3 / 6 * 1 / 6))
    assert common > mixed > rare == empty > 0


def test_biased_draws_come_from_the_neighbourhood_of_a_row():
    vectors = a_pool(400).vectors
    spread = {
        bias: np.mean(
            [
                np.linalg.norm(vectors[rows] - vectors[rows].mean(axis=0), axis=1).mean()
                for rows in (
                    draw_real(vectors, 20, bias, np.random.default_rng(s)) for s in range(9)
                )
            ]
        )
        for bias in (0.0, 0.9)
    }

    assert len(set(draw_real(vectors, 20, 0.9, np.random.default_rng(0)).tolist())) == 20
    assert spread[0.9] < 0.9 * spread[0.0]


def test_the_power_of_n_is_fitted_to_each_seed():
    rows = [{"seed": s, "n": n, "h_min": s * n ** (-2 / 3)} for s in (1, 2) for n in (10, 90, 200)]

    found = slope_of(rows)

    assert found.mean == pytest.approx(-2 / 3)
    assert found.count == 2


def a_row(arm, losses, steps=30):
    curve = [[steps * look // 2, loss] for look, loss in enumerate(losses)]
    return {
        **{"arm": arm, "seed": 0, "preset": "adamw", "steps": steps, "tokens": 10 * steps},
        "held_out_curve": curve,
    }


def test_steps_are_counted_until_the_loss_of_random_rows_after_half_of_the_steps():
    rows = [
        a_row("random", [8.0, 6.0, 5.0]),
        a_row("faster", [8.0, 4.0, 4.0]),
        a_row("never", [8.0, 7.0, 7.0]),
    ]

    random, faster, never = with_thresholds(rows)

    assert random["steps_to_threshold"] == pytest.approx(15)
    assert faster["steps_to_threshold"] == pytest.approx(7.5)
    assert faster["tokens_to_threshold"] == pytest.approx(75)
    assert never["steps_to_threshold"] == 30


@pytest.mark.filterwarnings("ignore")
def test_a_small_model_learns_from_answers_and_can_be_reset(tmp_path):
    examples = made_up_examples(60)
    make_small(examples, QUICK, tmp_path / "small")
    model = Model(str(tmp_path / "small"), "cpu")
    encoded = model.encode(examples, QUICK.length)
    for preset in ("adamw", "l2"):
        model.reset(preset)
        before, _ = model.losses(encoded, 4, preset)
        model.train(encoded, 30, preset, QUICK, np.random.default_rng(0))
        after, _ = model.losses(encoded, 4, preset)
        model.reset(preset)

        assert after.mean() < before.mean()
        assert model.losses(encoded, 4, preset)[0] == pytest.approx(before)
    assert not (tmp_path / "small.partial").exists()


@pytest.mark.filterwarnings("ignore")
def test_the_loss_l2_is_the_mean_squared_distance_to_one_hot_vectors(tmp_path):
    examples = made_up_examples(20)
    make_small(examples, QUICK, tmp_path / "small")
    model = Model(str(tmp_path / "small"), "cpu")
    [(tokens, prompt)] = encoded = model.encode(examples[:1], QUICK.length)
    with torch.no_grad():
        logits = model.network(torch.tensor([tokens])).logits[0, prompt - 1 : -1]
    wanted = torch.nn.functional.one_hot(torch.tensor(tokens[prompt:]), logits.shape[-1])

    found, _ = model.losses(encoded, 1, "l2")

    assert found[0] == pytest.approx(float((logits - wanted).square().sum(-1).mean()), rel=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("tied", [False, True])
def test_the_preset_l2_starts_from_logits_of_zero_and_beats_the_best_constant_ones(tmp_path, tied):
    examples = made_up_examples(60)
    make_small(examples, QUICK, tmp_path / "small")
    model = Model(str(tmp_path / "small"), "cpu")
    if tied:
        model.network.config.tie_word_embeddings = True
        model.network.tie_weights()
        model.weights = copy.deepcopy(model.network.state_dict())
    encoded = model.encode(examples, QUICK.length)
    before, _ = model.losses(encoded, 4, "adamw")

    model.reset("l2")
    of_zeros, _ = model.losses(encoded, 4, "l2")
    model.train(encoded, 60, "l2", QUICK, np.random.default_rng(0))
    after, _ = model.losses(encoded, 4, "l2")
    model.reset()

    assert of_zeros == pytest.approx(1)
    assert after.mean() < loss_of_constant_logits(encoded) < 1
    assert model.losses(encoded, 4, "adamw")[0] == pytest.approx(before)


def test_the_best_constant_logits_are_the_shares_of_the_tokens():
    encoded = [([9, 9, 1, 2], 2), ([9, 1], 1)]
    shares = np.array([0.75, 0.25])

    distances = [((shares - one_hot) ** 2).sum() for one_hot in np.eye(2)]
    by_definition = (distances[0] + distances[1]) / 2 / 2 + distances[0] / 2

    assert loss_of_constant_logits(encoded) == pytest.approx(by_definition)


@pytest.mark.filterwarnings("ignore")
def test_a_small_step_changes_the_weights_of_a_model_that_computes_in_bfloat16(tmp_path):
    examples = made_up_examples(20)
    make_small(examples, QUICK, tmp_path / "small")
    model = Model(str(tmp_path / "small"), "cpu", bfloat16=True)
    before = model.network.lm_head.weight.detach().clone()

    model.train(model.encode(examples, 32), 1, "adamw", QUICK, np.random.default_rng(0), rate=1e-5)
    after = model.network.lm_head.weight.detach()

    assert (after != before).float().mean() > 0.9


def test_seeds_whose_descent_diverges_are_left_out_and_told(capsys):
    rows = [
        {"network": network, "seed": seed, "last_loss": loss}
        for network, seed, loss in (
            ("plain", 0, 0.1),
            ("plain", 1, 0.2),
            ("attention", 0, 0.3),
            ("attention", 1, float("nan")),
            ("attention", 1, 0.4),
        )
    ]

    assert _without_diverged(rows) == rows[:3]
    assert capsys.readouterr().out.startswith("attention: the descent diverges for seed 1,")
