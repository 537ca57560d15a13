"""Claim 2: does gradient descent converge faster on data with a larger h_min?

Sets of equal size that differ in h_min are fitted by full-batch gradient descent with networks of
the kind that the theory covers: residual blocks whose input is x / sqrt(|x|² + ε²), the same
without residual connections, and attention. Reported are the steps to a tenth of the first loss,
the rate fitted to the second half of the loss curve, and the smallest eigenvalue of the empirical
neural tangent kernel before the first step.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad_and_value, jacrev, stack_module_state, vmap

from experiments.approximation import make_function
from experiments.arms import ARMS, Pool, spread_of
from experiments.figures import Panel, draw_curves
from experiments.harness import Results, Row, Run, carry_out, machine, product_of
from experiments.statistics import rank_correlation, table
from experiments.texts import Rows

NAME = "gradient_descent"
COMPARED = ("random", "farthest-first", "refined", "clumps of 2", "clumps of 5", "clumps of 20")
NETWORKS = ("residual", "plain", "attention")
_EPSILON = 0.1
_WIDTH = 48
_DIMENSION = 3
_POOL = 2000
_RATE = 0.02
_KEPT = 60
_TOGETHER = 6
"""How many seeds are fitted at once."""

Weights = dict[str, torch.Tensor]


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

    def output(values: Weights, one: torch.Tensor) -> torch.Tensor:
        return functional_call(network, values, (one,))

    found = vmap(jacrev(output), (None, 0))(parameters, inputs)
    jacobian = torch.cat([part.flatten(1) for part in found.values()], 1).double()
    return float(torch.linalg.eigvalsh(jacobian @ jacobian.T)[0])


class Task:
    """One seed of one network: rows, what is to be learned of them, and the weights to begin with.

    Attributes:
        network: the network before the descent.
        chosen: arm -> the rows that it chooses.
    """

    def __init__(self, network: str, seed: int, arms: Sequence[str], size: int) -> None:
        rng = np.random.default_rng(seed)
        points = rng.uniform(-1, 1, (_POOL, _DIMENSION)).astype(np.float32)
        self.pool = Pool(points, np.zeros(_POOL), normalize=False)
        self.function = make_function(_DIMENSION, rng)
        torch.manual_seed(seed)
        self.network = Network(network)
        self.chosen = {
            arm: ARMS[arm](self.pool, size, np.random.default_rng([seed, 1])) for arm in arms
        }

    def inputs(self, arm: str) -> torch.Tensor:
        """Return the (size, d) rows of an arm."""
        return torch.tensor(self.pool.vectors[self.chosen[arm]])

    def targets(self, arm: str) -> torch.Tensor:
        """Return the (size,) values to learn, with mean 0 and variance 1."""
        values = self.function(self.pool.vectors[self.chosen[arm]].astype(float))
        return torch.tensor((values - values.mean()) / values.std(), dtype=torch.float32)

    def measures(self, arm: str, losses: Rows) -> Row:
        """Return how fast the losses of an arm fell, beside its h_min and the eigenvalue."""
        return {
            **_speed(losses),
            "smallest_eigenvalue": smallest_eigenvalue(self.network, self.inputs(arm)),
            **spread_of(self.pool, self.chosen[arm]),
        }


def fit_together(
    network: str, seeds: Sequence[int], arms: Sequence[str], size: int, steps: int
) -> dict[tuple[int, str], Row]:
    """Fit a network to the rows of each seed and arm, all at once.

    Each is fitted by a copy of its own. So small a network is limited by the number of calls, not
    by the arithmetic in them, so that one call for all saves most of the time.
    """
    tasks = {seed: Task(network, seed, arms, size) for seed in seeds}
    pairs = [(seed, arm) for seed in seeds for arm in arms]
    losses = descend(
        [tasks[seed].network for seed, _ in pairs],
        torch.stack([tasks[seed].inputs(arm) for seed, arm in pairs]),
        torch.stack([tasks[seed].targets(arm) for seed, arm in pairs]),
        steps,
    )
    return {
        (seed, arm): tasks[seed].measures(arm, own)
        for (seed, arm), own in zip(pairs, losses, strict=True)
    }


def descend(
    networks: Sequence[Network], inputs: torch.Tensor, targets: torch.Tensor, steps: int
) -> Rows:
    """Return the (sets, steps) losses of full-batch gradient descent, a network for each set."""
    architecture = networks[0]

    def loss(weights: Weights, rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return ((functional_call(architecture, weights, (rows,)) - values) ** 2).mean()

    step = vmap(grad_and_value(loss))
    weights, _ = stack_module_state(list(networks))
    weights = {name: value.detach() for name, value in weights.items()}
    losses = []
    for _ in range(steps):
        slopes, found = step(weights, inputs, targets)
        weights = {name: value - _RATE * slopes[name] for name, value in weights.items()}
        losses.append(found)
    curves: Rows = torch.stack(losses, 1).numpy()
    return curves


def _speed(losses: Rows) -> Row:
    """Return the steps to a tenth of the first loss, the last loss, and the rate of the descent."""
    half = losses[len(losses) // 2 :]
    reached = np.flatnonzero(losses <= 0.1 * losses[0])
    slope = np.polyfit(np.arange(len(half)), np.log(np.maximum(half, 1e-12)), 1)[0]
    kept = np.unique(np.geomspace(1, len(losses), _KEPT).round().astype(int)) - 1
    return {
        "steps_to_tenth": int(reached[0]) if len(reached) else len(losses),
        "last_loss": float(losses[-1]),
        "rate_per_1000_steps": float(-1000 * slope),
        "curve": [[int(step) + 1, float(losses[step])] for step in kept],
    }


def _without_diverged(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of seeds whose losses stay finite for all arms, and print which do not."""
    diverged = {(row["network"], row["seed"]) for row in rows if not np.isfinite(row["last_loss"])}
    for network, seed in sorted(diverged):
        print(f"{network}: the descent diverges for seed {seed}, which is left out.\n")
    return [row for row in rows if (row["network"], row["seed"]) not in diverged]


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments gradient_descent --help`."""
    size, steps, seeds, arms = 64, 3000, options.seeds, COMPARED
    if options.quick:
        size, steps, seeds, arms = 16, 30, 1, ("random", "farthest-first", "clumps of 5")
    torch.set_num_threads(1)  # so small a network gains nothing from a second one
    fitted: dict[tuple[str, int], dict[tuple[int, str], Row]] = {}

    def measure(network: str, seed: int, arm: str) -> Row:
        block = range(seed // _TOGETHER * _TOGETHER, seeds)[:_TOGETHER]
        if (network, block[0]) not in fitted:
            fitted.clear()
            fitted[network, block[0]] = fit_together(network, block, arms, size, steps)
        return fitted[network, block[0]][seed, arm]

    keys = product_of(network=options.networks, seed=range(seeds), arm=arms)
    setting = {"size": size, "steps": steps}
    runs = [Run({**key, **setting}, lambda key=key: measure(**key)) for key in keys]
    found = carry_out(NAME, runs, Results(options.folder / f"{NAME}.jsonl"), seconds_a_run=5)
    print(f"\n{NAME}: {size} rows, {steps} steps\n{machine()}\n")
    found = _without_diverged(found)
    for metric in (
        "steps_to_tenth",
        "last_loss",
        "rate_per_1000_steps",
        "smallest_eigenvalue",
        "h_min",
    ):
        print(table(found, metric, baseline="random", columns="network", digits=4) + "\n")
    for network in options.networks:
        own = [row for row in found if row["network"] == network]
        for metric in ("steps_to_tenth", "last_loss", "rate_per_1000_steps", "smallest_eigenvalue"):
            rank = rank_correlation(own, "h_min", metric)
            print(f"{network}: rank correlation of h_min with {metric} {rank}")
    draw_curves(
        [
            Panel(network, "step", "loss (mean of seeds)", _curves(found, network))
            for network in options.networks
        ],
        options.folder / f"{NAME}.svg",
    )
    return found


def _curves(rows: Sequence[Row], network: str) -> dict[str, tuple[Rows, Rows]]:
    """Return arm -> steps, and geometric means over seeds of the losses."""
    curves: dict[str, list[Rows]] = {}
    for row in rows:
        if row["network"] == network:
            curves.setdefault(row["arm"], []).append(np.array(row["curve"]))
    return {
        arm: (own[0][:, 0], np.exp(np.mean([np.log(curve[:, 1]) for curve in own], axis=0)))
        for arm, own in curves.items()
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--seeds", type=int, default=12, help="each with a function of its own")
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="to be fitted"
    )
