"""Claim 2: does gradient descent converge faster on data with a larger h_min?

Sets of equal size that differ in h_min are fitted by full-batch gradient descent with networks of
the kind that the theory covers: residual blocks whose input is x / sqrt(|x|² + ε²), the same
without residual connections, and attention. Reported are the steps to a tenth of the first loss,
the rate fitted to the second half of the loss curve, and the smallest eigenvalue of the empirical
neural tangent kernel before the first step.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.func import functional_call, jacrev, vmap

from experiments.approximation import make_function
from experiments.arms import ARMS, Pool, spread_of
from experiments.harness import Results, Row, Run, carry_out, machine, product_of
from experiments.statistics import table

NAME = "gradient_descent"
COMPARED = ("random", "farthest-first", "refined", "clumps of 2", "clumps of 5", "clumps of 20")
NETWORKS = ("residual", "plain", "attention")
_EPSILON = 0.1
_WIDTH = 48
_DIMENSION = 3
_POOL = 2000


class Block(nn.Module):
    """W₂·tanh(W₁·x / sqrt(|x|² + ε²)), added to x or not."""

    def __init__(self, residual: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(_WIDTH, _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output for (…, width) inputs."""
        scaled = x / torch.sqrt((x * x).sum(-1, keepdim=True) + _EPSILON**2)
        change = self.second(torch.tanh(self.first(scaled * _WIDTH**0.5)))
        return x + change if self.residual else change


class Attention(nn.Module):
    """One head over the coordinates as tokens, with a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(_WIDTH, _WIDTH) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs for (…, tokens, width) inputs."""
        scaled = x / torch.sqrt((x * x).sum(-1, keepdim=True) + _EPSILON**2) * _WIDTH**0.5
        scores = self.query(scaled) @ self.key(scaled).transpose(-1, -2) / _WIDTH**0.5
        return x + torch.softmax(scores, -1) @ self.value(scaled)


class Network(nn.Module):
    """Two blocks between a linear embedding and a linear head."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.embed = nn.Linear(1, _WIDTH)
            self.places = nn.Parameter(torch.randn(_DIMENSION, _WIDTH) * 0.5)
            self.blocks = nn.Sequential(Attention(), Block(True), Attention(), Block(True))
        else:
            self.embed = nn.Linear(_DIMENSION, _WIDTH)
            self.blocks = nn.Sequential(*(Block(kind == "residual") for _ in range(2)))
        self.head = nn.Linear(_WIDTH, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (…,) outputs for (…, d) inputs."""
        if self.kind == "attention":
            tokens = self.embed(x.unsqueeze(-1)) + self.places
            return self.head(self.blocks(tokens).mean(-2)).squeeze(-1)
        return self.head(self.blocks(self.embed(x))).squeeze(-1)


def smallest_eigenvalue(network: Network, inputs: torch.Tensor) -> float:
    """Return the smallest eigenvalue of the empirical neural tangent kernel on some inputs."""
    parameters = {name: value.detach() for name, value in network.named_parameters()}

    def output(values: dict[str, torch.Tensor], one: torch.Tensor) -> torch.Tensor:
        return functional_call(network, values, (one,))

    found = vmap(jacrev(output), (None, 0))(parameters, inputs)
    jacobian = torch.cat([part.flatten(1) for part in found.values()], 1).double()
    return float(torch.linalg.eigvalsh(jacobian @ jacobian.T)[0])


def measure(network: str, arm: str, seed: int, size: int, steps: int) -> Row:
    """Fit a network to the rows that an arm chooses, and return how fast that went."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (_POOL, _DIMENSION)).astype(np.float32)
    pool = Pool(points, np.zeros(_POOL), normalize=False)
    function = make_function(_DIMENSION, rng)
    found = ARMS[arm](pool, size, np.random.default_rng([seed, 1]))
    inputs = torch.tensor(points[found])
    values = function(points[found].astype(float))
    targets = torch.tensor((values - values.mean()) / values.std(), dtype=torch.float32)
    torch.set_num_threads(1)  # so small a network gains nothing from a second one
    torch.manual_seed(seed)
    fitted = Network(network)
    eigenvalue = smallest_eigenvalue(fitted, inputs)
    optimizer = torch.optim.SGD(fitted.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((fitted(inputs) - targets) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    half = np.array(losses[steps // 2 :])
    reached = np.flatnonzero(np.array(losses) <= 0.1 * losses[0])
    rate = -np.polyfit(np.arange(len(half)), np.log(np.maximum(half, 1e-12)), 1)[0]
    return {
        "steps_to_tenth": int(reached[0]) if len(reached) else steps,
        "last_loss": losses[-1],
        "rate_per_1000_steps": float(1000 * rate),
        "smallest_eigenvalue": eigenvalue,
        **spread_of(pool, found),
    }


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments gradient_descent --help`."""
    size, steps, seeds, arms = 64, 3000, options.seeds, COMPARED
    if options.quick:
        size, steps, seeds, arms = 16, 30, 1, ("random", "farthest-first", "clumps of 5")
    keys = product_of(network=NETWORKS, seed=range(seeds), arm=arms)
    runs = [
        Run(
            {**key, "size": size, "steps": steps},
            lambda key=key: measure(**key, size=size, steps=steps),
        )
        for key in keys
    ]
    found = carry_out(NAME, runs, Results(options.folder / f"{NAME}.jsonl"), seconds_a_run=6)
    print(f"\n{NAME}: {size} rows, {steps} steps\n{machine()}\n")
    for metric in (
        "steps_to_tenth",
        "last_loss",
        "rate_per_1000_steps",
        "smallest_eigenvalue",
        "h_min",
    ):
        print(table(found, metric, baseline="random", columns="network", digits=4) + "\n")
    for network in NETWORKS:
        own = [row for row in found if row["network"] == network]
        for metric in ("steps_to_tenth", "last_loss", "rate_per_1000_steps", "smallest_eigenvalue"):
            rank = spearmanr([row["h_min"] for row in own], [row[metric] for row in own])[0]
            print(f"{network}: rank correlation of h_min with {metric} {rank:+.2f}")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--seeds", type=int, default=10)
