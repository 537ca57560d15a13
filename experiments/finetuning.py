"""Supervised fine-tuning: which rows bring a causal language model furthest, at equal steps?

Without --model, a small Llama is made from a configuration; half of the data, which no arm sees,
trains its tokenizer and pre-trains it for a number of steps. All arms of a seed start from these
weights, choose as many rows of the same pool by their prompts, and take as many steps, which are as
many epochs; "all rows" is trained for as many steps, and for as many epochs. One held-out set
judges all. Quality is the probability that the model gives to an answer before it is fine-tuned
(its geometric mean per token): "best quality" are the rows of the smallest loss.

The default learning rates are those at which random rows of a seed beyond those reported lower the
held-out loss most, of three.
Presets: "adamw" (cross-entropy, AdamW, constant rate) and "l2" (squared distance between logits
and one-hot vectors, SGD), the two settings of the paper. For "l2", the output layer starts from
zeros. Logits of zero have a loss of 1; the best logits that are the same for every token have a
loss that stands beside the results. On a GPU, the model computes in bfloat16, with weights in
float32.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.arms import ARMS, WITH_QUALITY, Pool, add_arms, arms_of, keys_of, spread_of
from experiments.figures import draw_differences
from experiments.harness import Results, Row, Run, carry_out, digest_of, machine
from experiments.language_models import (
    QUICK,
    RATES,
    Example,
    Model,
    Sizes,
    loss_of_constant_logits,
    made_up_examples,
    make_small,
    read_examples,
)
from experiments.statistics import table
from experiments.texts import Rows, vectors_of

NAME = "finetuning"
COMPARED = (
    *("random", "density", "farthest-first", "random, lengths matched", "deduplicated"),
    *("balanced clusters", "k-means", "facility location", "without outliers", "refined"),
    *("clumps of 5", "clumps of 20", *WITH_QUALITY),
)
WHOLE = ("all rows, equal steps", "all rows, equal epochs")
EVERY = (*COMPARED, *WHOLE)
_CLUSTERS = 10
_TOKENS_A_SECOND = 1000
_SIZES_OF_SMALL = (
    *("batch", "accumulate", "length", "vocabulary", "width", "layers", "pretraining_steps"),
)


class Task:
    """One seed: the pool that arms choose from, and the held-out set."""

    def __init__(
        self, examples: list[Example], model: Model, options: argparse.Namespace, seed: int
    ) -> None:
        self.model, self.sizes, self.exact = model, options.sizes, options.exact_match
        self.rate = options.rate
        sizes = self.sizes
        shuffled = np.random.default_rng(seed).permutation(len(examples))
        held = [examples[row] for row in shuffled[: sizes.held_out]]
        own = [examples[row] for row in shuffled[sizes.held_out :][: sizes.pool]]
        self.answered = held[: self.exact]
        self.encoded = model.encode(own, sizes.length)
        self.held_out = model.encode(held, sizes.length)
        self.before, self.held_out_before = {}, {}
        for preset in {"adamw", *options.presets}:
            model.reset(preset)
            self.before[preset] = model.losses(self.encoded, sizes.batch, preset)[0]
            losses, _ = model.losses(self.held_out, sizes.batch, preset)
            self.held_out_before[preset] = float(losses.mean())
        lengths = np.array([len(tokens) for tokens, _ in self.encoded])
        vectors = vectors_of([example.prompt for example in own], options.encoder)
        self.pool = Pool(vectors, lengths, np.exp(-self.before["adamw"]))
        self.clusters = _clusters(vectors_of([e.prompt for e in held], options.encoder), seed)

    def measure(self, arm: str, seed: int, draw: int, preset: str) -> Row:
        """Fine-tune on the rows that an arm chooses, and return the losses before and after."""
        sizes, model = self.sizes, self.model
        steps = steps_of(arm, sizes, len(self.pool))
        began = time.perf_counter()
        if arm in WHOLE:
            found = np.arange(len(self.pool))
        else:
            choose = {**ARMS, **WITH_QUALITY}[arm]
            found = choose(self.pool, sizes.budget, np.random.default_rng([seed, draw]))
        choosing = time.perf_counter() - began
        own = [self.encoded[row] for row in found.tolist()]
        curve = [(0, self.held_out_before[preset])]
        after = right = np.empty(0)

        def look(step: int) -> None:
            nonlocal after, right
            if step in (steps // 2, steps):
                after, right = model.losses(self.held_out, sizes.batch, preset)
                curve.append((step, float(after.mean())))

        model.reset(preset)
        torch.manual_seed(seed)
        began = time.perf_counter()
        rng = np.random.default_rng([seed, draw, 5])
        model.train(own, steps, preset, sizes, rng, rate=self.rate, watch=look)
        seconds = time.perf_counter() - began
        by_cluster = [after[self.clusters == one].mean() for one in np.unique(self.clusters)]
        seen = steps * sizes.batch * sizes.accumulate / len(own)
        more = {} if not self.exact else {"exact_match": self.exact_match()}
        if preset == "l2":
            more["constant_logits_loss"] = loss_of_constant_logits(self.held_out)
        return {
            "held_out_loss": float(after.mean()),
            "held_out_curve": curve,
            "token_accuracy": float(right.mean()),
            "worst_cluster_loss": float(max(by_cluster)),
            "own_loss": float(model.losses(own, sizes.batch, preset)[0].mean()),
            "own_loss_before": float(self.before[preset][found].mean()),
            "steps": steps,
            "tokens": round(seen * sum(len(tokens) for tokens, _ in own)),
            "choosing_seconds": choosing,
            "training_seconds": seconds,
            **more,
            **({} if arm in WHOLE else spread_of(self.pool, found)),
        }

    def exact_match(self) -> float:
        """Return the share of held-out answers that end as they should: after ####, or whole."""
        given = self.model.answers(self.answered, self.sizes.length)
        pairs = zip(given, self.answered, strict=True)
        return float(np.mean([_final(one) == _final(example.answer) for one, example in pairs]))


def steps_of(arm: str, sizes: Sizes, pool: int) -> int:
    """Return how many optimisation steps an arm takes, of a pool of so many rows."""
    rows = pool if arm == "all rows, equal epochs" else sizes.budget
    return math.ceil(rows * sizes.epochs / (sizes.batch * sizes.accumulate))


def _seconds_of(arm: str, sizes: Sizes) -> float:
    """Return about how long a run of the small model takes on two cores."""
    tokens = steps_of(arm, sizes, sizes.pool) * sizes.batch * sizes.accumulate * sizes.length
    return 5 + tokens / _TOKENS_A_SECOND


def _final(answer: str) -> str:
    """Return what follows the last ####, as in gsm8k, or else the whole answer."""
    return answer.split("####")[-1].strip()


def _clusters(vectors: Rows, seed: int) -> Rows:
    from sklearn.cluster import KMeans

    count = min(_CLUSTERS, len(vectors) // 2)
    found: Rows = KMeans(count, n_init=1, random_state=seed).fit(vectors).labels_
    return found


def with_thresholds(rows: list[Row]) -> list[Row]:
    """Return the rows with the steps and tokens that they need to reach what random rows reach.

    The threshold is the held-out loss of the random rows of the seed after half of the steps. An
    arm that does not reach it counts with all its steps.
    """
    found = []
    for row in rows:
        same = [one for one in rows if one["arm"] == "random" and _paired(one, row)]
        threshold = np.mean([one["held_out_curve"][1][1] for one in same])
        needed = next(_crossings(row["held_out_curve"], threshold), row["steps"])
        tokens = row["tokens"] * needed / row["steps"]
        found.append({**row, "steps_to_threshold": needed, "tokens_to_threshold": tokens})
    return found


def _paired(one: Row, other: Row) -> bool:
    return (one["seed"], one["preset"]) == (other["seed"], other["preset"])


def _crossings(curve: list[list[float]], threshold: float) -> Iterator[float]:
    """Yield the steps at which a curve falls below a threshold, between two looks by a line."""
    for (before, high), (after, low) in pairwise(curve):
        if high > threshold >= low:
            yield before + (after - before) * (high - threshold) / (high - low)


def _small_model(examples: list[Example], label: str, options: argparse.Namespace) -> str:
    """Return the path of the small model, which is made if it does not exist yet."""
    sizes = {name: getattr(options.sizes, name) for name in _SIZES_OF_SMALL}
    made_of = repr((label, digest_of(options.data), sizes))
    folder = options.folder / f"small-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    if not folder.exists():
        print(f"{NAME}: pre-training a small model first: {folder}", flush=True)
        make_small(examples, options.sizes, folder)
    return str(folder)


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments finetuning --help`."""
    seeds, arms = options.seeds, arms_of(options, EVERY)
    options.sizes = Sizes(**{field.name: getattr(options, field.name) for field in fields(Sizes)})
    if options.quick or options.data is None:
        options.sizes, options.encoder, seeds, options.exact_match = QUICK, "static", 1, 3
        arms = [options.baseline, "density", "best quality", "all rows, equal steps"]
        options.presets = list(RATES)
        examples, label = made_up_examples(200), "made-up questions"
    else:
        examples, label = read_examples(Path(options.data)), Path(options.data).name
    if options.model is None:
        order = np.random.default_rng(0).permutation(len(examples))
        parts = np.split(order, [len(order) // 2])
        unseen, examples = ([examples[row] for row in part] for part in parts)
    needed = options.sizes.held_out + options.sizes.budget
    if len(examples) < needed:
        raise SystemExit(
            f"--held-out and --budget need {needed:,} rows; {label} has {len(examples):,} of them."
        )
    tasks: dict[int, Task] = {}

    @cache
    def model() -> Model:
        name = options.model or _small_model(unseen, label, options)
        return Model(name, options.device, bfloat16=options.device.startswith("cuda"))

    def measure(seed: int, **key: Any) -> Row:
        if seed not in tasks:
            tasks[seed] = Task(examples, model(), options, seed)
        return tasks[seed].measure(seed=seed, **key)

    keys = keys_of(arms, seed=range(seeds), preset=options.presets)
    setting = {
        **{"data": label, "content": digest_of(options.data), "encoder": options.encoder},
        **{"model": options.model or "small", "rate": options.rate},
        **{"answered": options.exact_match, **asdict(options.sizes)},
    }
    runs = [Run({**key, **setting}, lambda key=key: measure(**key)) for key in keys]
    seconds = float(np.mean([_seconds_of(key["arm"], options.sizes) for key in keys]))
    results = Results(options.folder / f"{NAME}.jsonl")
    found = carry_out(NAME, runs, results, seconds_a_run=seconds)
    found = with_thresholds(found)
    print(
        f"\n{NAME} ({label}, {setting['model']} model, chosen by {options.encoder})\n{machine()}\n"
    )
    metrics = [
        *("held_out_loss", "worst_cluster_loss", "token_accuracy", "steps_to_threshold"),
        *("tokens_to_threshold", "own_loss_before", "own_loss", "tokens"),
        *(["exact_match"] if options.exact_match else []),
    ]
    for preset in options.presets:
        own = [row for row in found if row["preset"] == preset]
        if preset == "l2":
            constant = np.mean([row["constant_logits_loss"] for row in own])
            print(f"l2: held-out loss of zero logits 1, of the best constant ones {constant:.4f}\n")
        for metric in metrics:
            digits = 0 if "tokens" in metric else 4 if preset == "l2" else 3
            shown = table(own, metric, baseline=options.baseline, digits=digits)
            print(f"preset {preset}\n\n{shown}\n")
    draw_differences(
        found,
        [
            (f"{title}, {preset}", metric, {"preset": preset})
            for preset in options.presets
            for title, metric in (("held-out loss", "held_out_loss"), ("own loss", "own_loss"))
        ],
        options.folder / f"{NAME}.svg",
    )
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--data", help="alpaca (.json) or gsm8k (.jsonl) records")
    parser.add_argument("--model", help="a causal language model, by name or path")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="of torch"
    )
    parser.add_argument(
        "--encoder", default="all-MiniLM-L6-v2", help="whose vectors arms choose by"
    )
    parser.add_argument(
        "--presets", nargs="+", choices=list(RATES), default=["adamw"], help="losses and optimisers"
    )
    parser.add_argument(
        "--rate", type=float, help="the learning rate: by default one that suits the small model"
    )
    add_arms(parser, EVERY)
    parser.add_argument("--seeds", type=int, default=5, help="each with a pool of its own")
    parser.add_argument(
        "--exact-match", type=int, default=0, metavar="N", help="answer N held-out prompts as well"
    )
    for field in fields(Sizes):
        name = field.name.replace("_", "-")
        parser.add_argument(
            f"--{name}", type=int, default=field.default, help=field.metadata["help"]
        )
