"""Classification of intents: which rows are best to label and train on?

A linear head (logistic regression) on frozen vectors is trained on the chosen rows of the training
file, and tested on the test file; with --fine-tune, the encoder is trained as well. Each seed
leaves out a random fifth of the training rows, so that arms without randomness of their own vary,
too, and all arms of a seed choose from the same rows. Quality is how frequent the words of a text
are among those of all texts (the geometric mean of their shares).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.arms import ARMS, WITH_QUALITY, Pool, add_arms, arms_of, keys_of, spread_of
from experiments.encoders import Encoder
from experiments.figures import draw_differences
from experiments.harness import Results, Row, Run, carry_out, digest_of, machine
from experiments.statistics import table
from experiments.texts import Labelled, Rows, ease_of, train_and_test, vectors_of

NAME = "classification"
METRICS = ("accuracy", "worst_class", "mean_distance", "h_min")
EVERY = {**ARMS, **WITH_QUALITY}
TUNED = (
    *("random", "k-means", "facility location", "farthest-first", "without outliers"),
    *("density", "clumps of 5"),
)
_POOL_SHARE = 0.8
_WORST = 0.1


class Task:
    """A training pool and a test set, as vectors to choose by and vectors to train on."""

    def __init__(self, train: Labelled, test: Labelled, choosing: str, training: str) -> None:
        self.train, self.test = train, test
        self.pool = Pool(vectors_of(train.texts, choosing), train.lengths, ease_of(train.texts))
        self.inputs = vectors_of(train.texts, training)
        self.tests = vectors_of(test.texts, training)

    def choose(self, arm: str, budget: int, seed: int, draw: int) -> tuple[Rows, Row]:
        """Return the rows that an arm chooses, and their spread."""
        rng = np.random.default_rng([seed, draw])
        among = self.among(seed)
        own = self.pool.take(among)
        found = EVERY[arm](own, budget, rng)
        return among[found], spread_of(own, found)

    def among(self, seed: int) -> Rows:
        """Return the rows that arms of a seed choose from."""
        rng = np.random.default_rng(seed)
        size = int(_POOL_SHARE * len(self.train.texts))
        return np.sort(rng.choice(len(self.train.texts), size, replace=False))

    def measure(self, arm: str, budget: int, seed: int, draw: int) -> Row:
        """Train a linear head on the rows that an arm chooses, and return its accuracy."""
        rows, spread = self.choose(arm, budget, seed, draw)
        found = predict(self.inputs[rows], self.train.labels[rows], self.tests)
        return {**accuracies(found, self.test.labels), **spread}

    def fine_tune(self, encoder: Encoder, steps: int, tests: int, **key: Any) -> Row:
        """Train encoder and head on the rows that an arm chooses, and return their accuracy."""
        rows, spread = self.choose(**key)
        chosen, test = self.train.take(rows), self.test
        # The file is sorted by label, so that its first rows would be those of a few labels.
        some = np.random.default_rng(0).permutation(len(test.texts))[:tests]
        asked = test.take(some)
        given = encoder.fine_tune(
            chosen.texts, chosen.labels, asked.texts, steps=steps, seed=key["seed"]
        )
        return {**accuracies(given, asked.labels), **spread}


def predict(inputs: Rows, labels: Rows, tests: Rows) -> Rows:
    """Return the labels that a linear head gives to tests."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:
        return np.full(len(tests), labels[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Rows = LogisticRegression(C=10.0, max_iter=200).fit(inputs, labels).predict(tests)
    return found


def accuracies(given: Rows, truth: Rows) -> Row:
    """Return the accuracy of labels, and its mean over the worst tenth of the classes."""
    right = given == truth
    by_class = np.sort([right[truth == label].mean() for label in np.unique(truth)])
    worst = by_class[: max(1, round(_WORST * len(by_class)))]
    return {"accuracy": float(right.mean()), "worst_class": float(worst.mean())}


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments classification --help`."""
    train, test, label = train_and_test(options)
    if options.quick or options.train is None:
        options.budgets, options.seeds, options.steps, options.tests = [20], 2, 2, 20
        encoders = [("static", "static")]
        if options.fine_tune:
            options.arms = ["random", "density"]
    else:
        choosing = options.chosen_by or dict.fromkeys((options.encoder, "static"))
        encoders = [(one, options.encoder) for one in choosing]
    tasks = {pair: cache(partial(Task, train, test, *pair)) for pair in encoders}
    texts, content = len(train.texts) + len(test.texts), digest_of(options.train, options.test)
    if options.fine_tune:
        return _fine_tune(tasks[encoders[0]], texts, label, encoders[0][0], options)
    rows: list[Row] = []
    for choosing, training in encoders:
        task = tasks[choosing, training]
        keys = keys_of(arms_of(options, EVERY), budget=options.budgets, seed=range(options.seeds))
        setting = {"data": label, "content": content, "chosen_by": choosing, "trained_on": training}
        runs = [
            Run({**key, **setting}, lambda task=task, key=key: task().measure(**key))
            for key in keys
        ]
        name = f"{NAME} ({label}, chosen by {choosing})"
        results = Results(options.folder / f"{NAME}.jsonl")
        found = carry_out(name, runs, results, seconds_a_run=3, texts=texts)
        rows += found
        _report(f"{name}, trained on {training}", found, options.baseline)
        _draw(found, options.budgets, options.folder / f"{NAME}_by_{Path(choosing).name}.svg")
    return rows


def _fine_tune(
    task: Callable[[], Task], texts: int, label: str, choosing: str, options: argparse.Namespace
) -> list[Row]:
    encoder = cache(partial(Encoder, options.encoder, options.device))
    content = digest_of(options.train, options.test)
    keys = keys_of(arms_of(options, TUNED), budget=options.budgets, seed=range(options.seeds))
    size = {"steps": options.steps, "tests": options.tests}
    setting = {"data": label, "content": content, "chosen_by": choosing, "trained": options.encoder}
    runs = [
        Run({**key, **setting, **size}, lambda key=key: task().fine_tune(encoder(), **size, **key))
        for key in keys
    ]
    results = Results(options.folder / f"{NAME}_fine_tuned.jsonl")
    name = f"{NAME} ({label}, {options.encoder} fine-tuned in {options.steps} steps)"
    seconds = 0.4 * options.steps + options.tests / 90
    found = carry_out(name, runs, results, seconds_a_run=seconds, texts=texts)
    _report(name, found, options.baseline)
    _draw(found, options.budgets, options.folder / f"{NAME}_fine_tuned.svg")
    return found


def _report(name: str, rows: Sequence[Row], baseline: str) -> None:
    print(f"\n{name}\n{machine()}\n")
    for metric in METRICS:
        print(table(rows, metric, baseline=baseline) + "\n")


def _draw(rows: Sequence[Row], budgets: Sequence[int], path: Path) -> None:
    panels = [(f"accuracy, {budget:,} rows", "accuracy", {"budget": budget}) for budget in budgets]
    draw_differences(rows, panels, path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--train", help="a CSV file with the columns text and category")
    parser.add_argument("--test", help="the same for testing")
    parser.add_argument(
        "--encoder", default="all-MiniLM-L6-v2", help="the encoder whose vectors are trained on"
    )
    parser.add_argument(
        "--chosen-by",
        nargs="+",
        metavar="ENCODER",
        help="the encoders whose vectors are chosen by: --encoder and static",
    )
    parser.add_argument(
        "--budgets", type=int, nargs="+", default=[150, 300, 1000], help="rows to choose"
    )
    add_arms(parser, EVERY)
    parser.add_argument("--seeds", type=int, default=20, help="each with a pool of its own")
    parser.add_argument(
        "--fine-tune", action="store_true", help="train the encoder as well, end to end"
    )
    parser.add_argument("--device", default="cpu", help="of torch, for fine-tuning")
    parser.add_argument("--steps", type=int, default=100, help="of fine-tuning, 16 rows each")
    parser.add_argument("--tests", type=int, default=1000, help="test rows used in fine-tuning")
