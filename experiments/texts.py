"""Texts with labels from a file, and their vectors."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import evenly

Rows = np.ndarray[Any, Any]

_SUBJECTS = (
    "the card",
    "my account",
    "a transfer",
    "the app",
    "a refund",
    "cash",
    "my pin",
    "fees",
)
_REQUESTS = (
    ("lost", "I have lost {}", "where is {}, I cannot find it", "{} has been missing since today"),
    ("price", "how much does {} cost", "what do I pay for {}", "is there a charge for {}"),
    ("broken", "{} does not work", "there is a problem with {}", "{} fails again and again"),
    ("change", "how can I change {}", "I would like to replace {}", "please update {} for me"),
    ("time", "how long does {} take", "when will {} be ready", "I am still waiting for {}"),
)
_OPENINGS = ("", "hello, ", "please help: ", "quick question, ", "since yesterday, ", "sorry, ")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with labels.

    Attributes:
        texts: n texts.
        labels: (n,) numbers of the labels, from 0.
    """

    texts: list[str]
    labels: Rows

    def take(self, rows: Rows) -> Labelled:
        """Return some of the texts."""
        return Labelled([self.texts[row] for row in rows.tolist()], self.labels[rows])

    @property
    def lengths(self) -> Rows:
        """(n,) characters of the texts."""
        return np.array([len(text) for text in self.texts])


def read_labelled(path: Path, *, names: dict[str, int]) -> Labelled:
    """Read a CSV file with the columns text and category (or label); `names` numbers the labels."""
    with path.open(newline="", encoding="utf-8") as file:
        records = list(csv.DictReader(file))
    column = "category" if records and "category" in records[0] else "label"
    labels = [names.setdefault(record[column], len(names)) for record in records]
    return Labelled([record["text"] for record in records], np.array(labels))


def train_and_test(options: argparse.Namespace) -> tuple[Labelled, Labelled, str]:
    """Return texts to train and to test on, and their name; made-up ones if no file is given."""
    if options.quick or options.train is None:
        return made_up(300, 1), made_up(150, 2), "made-up questions"
    if options.test is None:
        raise SystemExit("--train needs --test: a file of the same form.")
    names: dict[str, int] = {}
    train, test = (read_labelled(Path(path), names=names) for path in (options.train, options.test))
    return train, test, Path(options.train).name


def made_up(rows: int, seed: int) -> Labelled:
    """Return made-up questions to a bank, for a quick trial without any file."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(rows):
        label = int(rng.integers(len(_REQUESTS)))
        form = _REQUESTS[label][int(rng.integers(1, 4))]
        opening = _OPENINGS[int(rng.integers(len(_OPENINGS)))]
        subject = _SUBJECTS[int(rng.integers(len(_SUBJECTS)))]
        texts.append(f"{opening}{form.format(subject)} ({rng.integers(100)})")
        labels.append(label)
    return Labelled(texts, np.array(labels))


def ease_of(texts: list[str]) -> Rows:
    """Return how likely each text is, a word, to a model that knows only how frequent words are.

    This is the geometric mean of the shares of its words among those of all texts: 1 / perplexity.
    """
    words = [text.lower().split() for text in texts]
    counts = Counter(word for own in words for word in own)
    counts[""] = 1  # so that a text without words is as rare as a word can be
    total = sum(counts.values())
    return np.array(
        [np.exp(np.mean([np.log(counts[word] / total) for word in own or [""]])) for own in words]
    )


def vectors_of(texts: list[str], encoder: str) -> Rows:
    """Return unit vectors of texts; those of an earlier run come from the cache."""
    embeddings = evenly.embed(texts, encoder=encoder)
    found = np.asarray(embeddings.vectors, np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)
