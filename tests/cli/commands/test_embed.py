"""`evenly embed`: vectors as a file."""

import numpy as np

import evenly
from evenly import Selection
from evenly.samples import open_samples
from tests.support.command_line import MODEL, TEXTS, fail, select_texts, succeed


def test_embed_writes_vectors_that_select_takes():
    ran = succeed("embed", "train.jsonl", "-o", "embedded.npy", "--encoder", "letters")

    assert ran.stdout.startswith("40 vectors of 27 dimensions by letters in ")
    np.testing.assert_array_equal(
        np.load("embedded.npy"), evenly.embed(TEXTS, encoder=MODEL, cache_dir=False).vectors
    )
    succeed("select", "embedded.npy", "-b", "8", "-o", "subset.npy")
    np.testing.assert_array_equal(
        Selection.load("subset.manifest.json").indices,
        select_texts(8).indices,
    )
    assert "already exists" in fail("embed", "train.jsonl", "-o", "embedded.npy")
    succeed("embed", "train.jsonl", "-o", "embedded.safetensors", "--encoder", "letters")
    np.testing.assert_array_equal(
        open_samples("embedded.safetensors").vectors, np.load("embedded.npy")
    )
