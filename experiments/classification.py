"""Classification of intents: which rows are best to label and train on?

A linear head (logistic regression) on frozen vectors is trained on the chosen rows of the training
file, and tested on the test file. Each seed leaves out a random fifth of the training rows, so that
arms without randomness of their own vary, too, and all arms of a seed choose from the same rows.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

from experiments.arms import ARMS, Pool, spread_of, with_draws
from experiments.harness import Results, Row, Run, carry_out, machine, product_of
from experiments.statistics import table
from experiments.texts import Labelled, Rows, made_up, read_labelled, vectors_of

NAME = "classification"
METRICS = ("accuracy", "worst_class", "mean_distance", "h_min")
_POOL_SHARE = 0.8
_WORST = 0.1


class Task:
    """A training pool and a test set, as vectors to choose by and vectors to train on."""

    def __init__(self, train: Labelled, test: Labelled, choosing: str, training: str) -> None:
        self.train, self.test = train, test
        self.pool = Pool(vectors_of(train.texts, choosing), train.lengths)
        self.inputs = vectors_of(train.texts, training)
        self.tests = vectors_of(test.texts, training)

    def measure(self, arm: str, budget: int, seed: int, draw: int) -> Row:
        """Train on the rows that an arm chooses, and return the accuracy on the test set."""
        rng = np.random.default_rng([seed, draw])
        among = self.among(seed)
        own = self.pool.take(among)
        found = ARMS[arm](own, budget, rng)
        accuracy, worst = evaluate(
            self.inputs[among[found]], self.train.labels[among[found]], self.tests, self.test.labels
        )
        return {"accuracy": accuracy, "worst_class": worst, **spread_of(own, found)}

    def among(self, seed: int) -> Rows:
        """Return the rows that arms of a seed choose from."""
        rng = np.random.default_rng(seed)
        size = int(_POOL_SHARE * len(self.train.texts))
        return np.sort(rng.choice(len(self.train.texts), size, replace=False))


def evaluate(inputs: Rows, labels: Rows, tests: Rows, truth: Rows) -> tuple[float, float]:
    """Return the accuracy of a linear head, and its mean over the worst tenth of the classes."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:
        right = np.full(len(truth), labels[0]) == truth
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = LogisticRegression(C=10.0, max_iter=200).fit(inputs, labels)
        right = head.predict(tests) == truth
    by_class = np.sort([right[truth == label].mean() for label in np.unique(truth)])
    worst = by_class[: max(1, round(_WORST * len(by_class)))]
    return float(right.mean()), float(worst.mean())


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments classification --help`."""
    names: dict[str, int] = {}
    if options.quick or options.train is None:
        train, test, label = made_up(300, 1), made_up(150, 2), "made-up questions"
        budgets, seeds, encoders = [20], 2, [("static", "static")]
    else:
        train = read_labelled(Path(options.train), names=names)
        test = read_labelled(Path(options.test), names=names)
        label, budgets, seeds = Path(options.train).name, options.budgets, options.seeds
        encoders = [(options.encoder, options.encoder), ("static", options.encoder)]
    rows: list[Row] = []
    for choosing, training in encoders:
        task = Task(train, test, choosing, training)
        keys = with_draws(product_of(budget=budgets, seed=range(seeds), arm=ARMS))
        runs = [
            Run(
                {**key, "data": label, "chosen_by": choosing},
                lambda task=task, key=key: task.measure(**key),
            )
            for key in keys
        ]
        name = f"{NAME} ({label}, chosen by {choosing})"
        found = carry_out(
            name, runs, Results(options.folder / "classification.jsonl"), seconds_a_run=3
        )
        rows += found
        print(f"\n{name}, trained on {training}\n{machine()}\n")
        for metric in METRICS:
            print(table(found, metric, baseline="random") + "\n")
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--train", help="a CSV file with the columns text and category")
    parser.add_argument("--test", help="the same for testing")
    parser.add_argument(
        "--encoder", default="offline", help="the encoder whose vectors are trained on"
    )
    parser.add_argument("--budgets", type=int, nargs="+", default=[150, 300, 1000])
    parser.add_argument("--seeds", type=int, default=20)
