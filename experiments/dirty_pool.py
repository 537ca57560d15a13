"""A dirty pool: how many broken rows does each way of choosing pick, and what do they cost?

A share of the training texts is broken in one of five ways. Truncated and shuffled texts keep
their labels; texts in another language, with broken characters or of boilerplate get random ones.
Quality is how frequent the words of a text are, as in the experiment on classification.
"""

from __future__ import annotations

import argparse
from functools import cache, partial

import numpy as np

from experiments.arms import ARMS, WITH_QUALITY, Pool, add_arms, arms_of, keys_of, spread_of
from experiments.classification import accuracies, predict
from experiments.figures import draw_differences
from experiments.harness import Results, Row, Run, carry_out, digest_of, machine
from experiments.statistics import table
from experiments.texts import Labelled, Rows, ease_of, train_and_test, vectors_of

NAME = "dirty_pool"
COMPARED = (
    *("random", "k-means", "facility location", "deduplicated"),
    *("farthest-first", "without outliers", "refined", "density", *WITH_QUALITY),
)
_FOREIGN = (
    "der Himmel ist heute grau und es regnet seit dem Morgen",
    "nous avons mangé du pain et du fromage au bord de la mer",
    "el perro duerme debajo de la mesa durante toda la tarde",
    "il treno per la montagna parte domani mattina molto presto",
    "på lördag ska vi cykla till stranden om vädret är fint",
)
_BOILERPLATE = (
    "click here to unsubscribe from this list. all rights reserved.",
    "404 not found: the page that you requested does not exist",
    "this website uses cookies to improve your experience. accept all",
    "loading, please wait. javascript is required to view this page",
)


def broken(data: Labelled, share: float, seed: int) -> tuple[Labelled, Rows]:
    """Return the data with a share of broken rows, and a mask of these."""
    rng = np.random.default_rng(seed)
    texts, labels = list(data.texts), data.labels.copy()
    is_broken = np.zeros(len(texts), bool)
    rows = rng.choice(len(texts), round(share * len(texts)), replace=False)
    is_broken[rows] = True
    for turn, row in enumerate(rows.tolist()):
        way = turn % 5
        words = texts[row].split()
        if way == 0:
            texts[row] = texts[row][: max(3, len(texts[row]) // 5)]
        elif way == 1:
            texts[row] = " ".join(rng.permutation(words))
        elif way == 2:
            foreign = _FOREIGN[int(rng.integers(len(_FOREIGN)))].split()
            texts[row] = " ".join(rng.choice(foreign, min(8, len(foreign)), replace=False))
        elif way == 3:
            garbled = [
                "Ã©â€™"[int(rng.integers(4))] if rng.random() < 0.5 else letter
                for letter in texts[row]
            ]
            texts[row] = "".join(garbled)
        else:
            texts[row] = _BOILERPLATE[int(rng.integers(len(_BOILERPLATE)))]
        if way >= 2:
            labels[row] = labels[int(rng.integers(len(labels)))]
    return Labelled(texts, labels), is_broken


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments dirty_pool --help`."""
    train, test, label = train_and_test(options)
    if options.quick or options.train is None:
        budget, seeds, encoder, shares = 30, 1, "static", [0.1]
    else:
        shares = [0.0, 0.02, 0.05, 0.1]
        budget, seeds, encoder = options.budget, options.seeds, options.encoder
    tests = cache(partial(vectors_of, test.texts, encoder))
    pools: dict[tuple[float, int], tuple[Labelled, Rows, Pool]] = {}

    def measure(share: float, seed: int, arm: str, draw: int) -> Row:
        if (share, seed) not in pools:
            pools.clear()
            data, is_broken = broken(train, share, seed)
            pool = Pool(vectors_of(data.texts, encoder), data.lengths, ease_of(data.texts))
            pools[share, seed] = data, is_broken, pool
        data, is_broken, pool = pools[share, seed]
        # The last number keeps [seed, 0] from being the generator that broke the rows.
        found = {**ARMS, **WITH_QUALITY}[arm](pool, budget, np.random.default_rng([seed, draw, 1]))
        given = predict(pool.vectors[found], data.labels[found], tests())
        return {
            **accuracies(given, test.labels),
            "broken_share": float(is_broken[found].mean()),
            **spread_of(pool, found),
        }

    keys = keys_of(arms_of(options, COMPARED), share=shares, seed=range(seeds))
    content = digest_of(options.train, options.test)
    setting = {"data": label, "content": content, "budget": budget, "encoder": encoder}
    runs = [Run({**key, **setting}, lambda key=key: measure(**key)) for key in keys]
    results, texts = Results(options.folder / f"{NAME}.jsonl"), len(train.texts) + len(test.texts)
    found = carry_out(NAME, runs, results, seconds_a_run=3, texts=texts)
    print(f"\n{NAME} ({label}, {budget} rows, vectors of {encoder})\n{machine()}\n")
    for metric in ("broken_share", "accuracy", "worst_class"):
        print(table(found, metric, baseline=options.baseline, columns="share") + "\n")
    shown = [("accuracy", share) for share in dict.fromkeys((shares[0], shares[-1]))]
    draw_differences(
        found,
        [
            (f"{metric.replace('_', ' ')}, {share:.0%} broken", metric, {"share": share})
            for metric, share in [*shown, ("broken_share", shares[-1])]
        ],
        options.folder / f"{NAME}.svg",
    )
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--train", help="a CSV file with the columns text and category")
    parser.add_argument("--test", help="the same for testing")
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2", help="of the texts")
    parser.add_argument("--budget", type=int, default=300, help="rows to choose")
    add_arms(parser, COMPARED)
    parser.add_argument("--seeds", type=int, default=5, help="each with broken rows of its own")
