"""A sentence encoder that is trained end to end, with a linear head."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.texts import Rows

_RATES = {"encoder": 1e-4, "head": 1e-2}
_BATCH = 16
_SCALE = 20.0


class Encoder:
    """A sentence-transformers model, and the weights that it starts from."""

    def __init__(self, name: str, device: str) -> None:
        """Load a model by name or path; all-MiniLM-L6-v2 comes from its package if possible."""
        import torch
        from sentence_transformers import SentenceTransformer

        from evenly.embedding.load import find_model

        self.model: Any = SentenceTransformer(str(find_model(name)[1]), device=device)
        self.device = device
        self.weights = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.torch = torch

    def fine_tune(
        self, texts: list[str], labels: Rows, tests: list[str], *, steps: int, seed: int
    ) -> Rows:
        """Train encoder and head on texts, and return the labels that they give to the tests.

        The head is the scaled cosine to one vector a label, which begins as the mean of the label's
        texts: with a few rows a label, a random head would take longest to learn.
        """
        torch = self.torch
        self.model.load_state_dict(self.weights)
        names, targets = np.unique(labels, return_inverse=True)
        means = torch.zeros(len(names), self.model.get_embedding_dimension())
        means.index_add_(0, torch.tensor(targets), torch.tensor(self.vectors(texts)))
        means = torch.nn.functional.normalize(means, dim=1) * _SCALE
        head = torch.nn.Parameter(means.to(self.device))
        wanted = torch.tensor(targets, device=self.device)
        optimizer = torch.optim.AdamW(
            [
                {"params": self.model.parameters(), "lr": _RATES["encoder"]},
                {"params": [head], "lr": _RATES["head"]},
            ],
            fused=True,  # one pass over the weights, where several took a third of all time
        )
        rng, order = np.random.default_rng(seed), []
        self.model.train()
        torch.manual_seed(seed)
        for _ in range(steps):
            if len(order) < _BATCH:
                order = rng.permutation(len(texts)).tolist()
            rows, order = order[:_BATCH], order[_BATCH:]
            features = self.model.preprocess([texts[row] for row in rows])
            features = {
                name: value.to(self.device) if torch.is_tensor(value) else value
                for name, value in features.items()
            }
            logits = self.model(features)["sentence_embedding"] @ head.T
            loss = torch.nn.functional.cross_entropy(logits, wanted[rows])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        scores = self.vectors(tests) @ head.detach().cpu().numpy().T
        found: Rows = names[scores.argmax(axis=1)]
        return found

    def vectors(self, texts: list[str]) -> Rows:
        """Return the (n, d) vectors of texts."""
        self.model.eval()
        found: Rows = self.model.encode(texts, show_progress_bar=False)
        return found
