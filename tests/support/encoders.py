"""A fake encoder that works on the words of real sentences, and such sentences."""

from __future__ import annotations

import hashlib
import itertools
import re

import numpy as np

from evenly.embedding import LoadedEncoder

# Three paraphrases per topic: near each other, and far from the other topics.
SENTENCES = {
    "arithmetic": [
        "Add three and four.",
        "Please add three and four.",
        "What is the sum of three and four?",
    ],
    "cooking": [
        "Give me a recipe for onion soup.",
        "How do I cook onion soup?",
        "How can I cook a good onion soup?",
    ],
    "geography": [
        "Which rivers flow through France?",
        "Name the rivers of France.",
        "Name all the large rivers of France.",
    ],
    "code": [
        "Sort a list in Python.",
        "How do I sort a list in Python?",
        "Write a Python function to sort a list.",
    ],
}

_TOPIC_WORDS = {
    "arithmetic": {"add", "sum", "plus", "multiply", "three", "four"},
    "cooking": {"recipe", "cook", "soup", "onion", "roast"},
    "geography": {"rivers", "france", "map", "capital", "country"},
    "code": {"python", "sort", "sorts", "list", "function"},
}
_TOPIC_WEIGHT = 16
_HASHED_DIMENSIONS = 6

DIMENSION = len(SENTENCES) + _HASHED_DIMENSIONS + 1


def vector_of(text: str) -> np.ndarray:
    """Return the vector of a text: the sum of the vectors of its words, and a last 1."""
    vector = np.zeros(DIMENSION, np.float32)
    vector[-1] = 1
    for word in re.findall(r"[^\s.,?!]+", text.lower()):
        for axis, words in enumerate(_TOPIC_WORDS.values()):
            vector[axis] += _TOPIC_WEIGHT * (word in words)
        digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
        hashed = np.frombuffer(digest, np.uint8, _HASHED_DIMENSIONS).astype(np.float32)
        vector[len(SENTENCES) : -1] += hashed % 7 - 3
    return vector


class TopicEncoder:
    """Embeds texts by topic and words, and records every call.

    Attributes:
        seen: every text embedded so far, in order.
        calls: number of calls of `encode`.
    """

    def __init__(self, texts_per_call: int | None = None, window: int = 60) -> None:
        self.texts_per_call = texts_per_call
        self.window = window
        self.seen: list[str] = []
        self.calls = 0

    def encode(self, texts: list[str]) -> np.ndarray:
        self.calls += 1
        self.seen += texts
        return np.array([vector_of(text) for text in texts]).reshape(-1, DIMENSION)

    def truncated(self, texts: list[str]) -> list[bool]:
        """A token is a character here."""
        return [len(text) > self.window for text in texts]


class CachedTopicEncoder(TopicEncoder):
    """Has a fingerprint, so that its vectors are cached."""

    fingerprint = "topics 1"


FINGERPRINT = "sha256:" + "ab" * 32


def loaded(encoder: object, fingerprint: str | None = FINGERPRINT) -> LoadedEncoder:
    """Wrap an encoder as `load_encoder` does, under the name "fake"."""
    return LoadedEncoder("fake", encoder, fingerprint)  # type: ignore[arg-type]


_QUESTIONS = {
    ("Add {} and {}.", "What is {} plus {}?", "Multiply {} by {}."): (
        "two five six seven nine eleven twelve ninety".split(),
        "eight ten thirteen twenty thirty forty fifty sixty".split(),
    ),
    ("Roast {} with {}.", "Give me a recipe for {} and {}.", "How do I cook {} with {}?"): (
        "rice beans lentils carrots pumpkin fish duck tofu".split(),
        "garlic pepper lemon ginger basil butter mint honey".split(),
    ),
    ("Draw a map of {} and {}.", "Is {} a larger country than {}?", "Do rivers join {} and {}?"): (
        "Peru Chad Nepal Spain Egypt Cuba Malta Fiji".split(),
        "Chile Mali Bhutan Italy Sudan Haiti Greece Samoa".split(),
    ),
    ("Sort {} by {} in Python.", "Write a function of {} and {}.", "Make a list of {} and {}."): (
        "names dates files words lines users pages keys".split(),
        "sizes ages colours weights prices ranks scores lengths".split(),
    ),
}
_ALL_TEXTS = [
    template.format(first, second)
    for templates, (firsts, seconds) in _QUESTIONS.items()
    for template, first, second in itertools.product(templates, firsts, seconds)
]


def texts_of(count: int, seed: int = 0) -> list[str]:
    """Return `count` different sentences of all topics, none longer than the window."""
    rows = np.random.default_rng(seed).permutation(len(_ALL_TEXTS))[:count]
    return [_ALL_TEXTS[row] for row in rows]
