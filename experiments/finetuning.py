"""Supervised fine-tuning: which rows bring a causal language model furthest, at equal steps?

Without --model, a small Llama is made from a configuration, its tokenizer is trained on the data,
and it is pre-trained for a number of steps on rows that no arm sees. All arms of a seed start from
the same weights, choose as many rows of the same pool, and take as many steps; "all rows" is
trained for as many steps, and for as many epochs. One held-out set judges all.

Presets: "adamw" (cross-entropy, AdamW, constant rate) and "l2" (mean squared error between logits
and one-hot vectors, SGD), the two settings of the paper. Logits of zero give an l2 loss of
1 / vocabulary already: that line stands beside its results.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.arms import ARMS, Pool, spread_of, with_draws
from experiments.harness import Results, Row, Run, carry_out, machine, product_of
from experiments.statistics import table
from experiments.texts import Rows, made_up, vectors_of

NAME = "finetuning"
COMPARED = (
    *("random", "random, lengths matched", "deduplicated", "k-means", "facility location"),
    *("farthest-first", "without outliers", "refined", "density", "clumps of 5"),
)
WHOLE = ("all rows, equal steps", "all rows, equal epochs")
_IGNORED = -100
_CLUSTERS = 10


@dataclass(frozen=True)
class Example:
    """A prompt and the answer that is trained on."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Sizes:
    """Sizes of the data, of the small model and of its training."""

    pool: int = 5000
    held_out: int = 500
    budget: int = 1000
    vocabulary: int = 4096
    width: int = 192
    layers: int = 4
    length: int = 160
    batch: int = 16
    accumulate: int = 1
    pretraining_steps: int = 800
    epochs: int = 3


QUICK = Sizes(60, 20, 20, 300, 32, 1, 32, 4, 1, 4, 1)


def read_examples(path: Path) -> list[Example]:
    """Read records of instruction, input and output, or of question and answer."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        records = json.loads(text)
    else:
        records = [json.loads(line) for line in text.splitlines()]
    examples = []
    for record in records:
        if "question" in record:
            examples.append(Example(record["question"], record["answer"]))
        else:
            parts = (record["instruction"], record.get("input", ""))
            examples.append(Example("\n".join(part for part in parts if part), record["output"]))
    return examples


def made_up_examples(rows: int) -> list[Example]:
    """Return made-up questions with short answers, for a quick trial."""
    return [Example(text, f"answer {len(text)}") for text in made_up(rows, 3).texts]


class Model:
    """A causal language model with its tokenizer."""

    def __init__(self, network: Any, tokenizer: Any, device: str, dtype: torch.dtype) -> None:
        self.network, self.tokenizer = network.to(device=device, dtype=dtype), tokenizer
        self.device = device
        self.weights = copy.deepcopy(network.state_dict())

    @classmethod
    def small(cls, examples: list[Example], sizes: Sizes, seed: int) -> Model:
        """Make a small Llama, and train its tokenizer on the examples."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        raw = Tokenizer(models.BPE())
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        raw.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=sizes.vocabulary,
            special_tokens=["<s>", "</s>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        raw.train_from_iterator((e.prompt + "\n" + e.answer for e in examples), trainer)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=raw, bos_token="<s>", eos_token="</s>", pad_token="</s>"
        )
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.width,
            intermediate_size=8 * sizes.width // 3 // 8 * 8,
            num_hidden_layers=sizes.layers,
            num_attention_heads=max(1, sizes.width // 48),
            max_position_embeddings=sizes.length,
            tie_word_embeddings=True,
        )
        return cls(LlamaForCausalLM(config), tokenizer, "cpu", torch.float32)

    @classmethod
    def named(cls, name: str, device: str) -> Model:
        """Load a model by name or path, in bfloat16 on a GPU."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
        return cls(AutoModelForCausalLM.from_pretrained(name), tokenizer, device, dtype)

    def reset(self) -> None:
        """Go back to the weights before fine-tuning."""
        self.network.load_state_dict(self.weights)

    def encode(self, examples: list[Example], length: int) -> list[tuple[list[int], int]]:
        """Return the tokens of examples, and how many of them are the prompt's."""
        found = []
        for example in examples:
            prompt = self.tokenizer(example.prompt + "\n")["input_ids"][: length * 3 // 4]
            answer = self.tokenizer(example.answer)["input_ids"] + [self.tokenizer.eos_token_id]
            found.append(((prompt + answer)[:length], len(prompt)))
        return found

    def batch(self, encoded: list[tuple[list[int], int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return padded tokens and labels; prompts and padding are not trained on."""
        longest = max(len(tokens) for tokens, _ in encoded)
        tokens = torch.full((len(encoded), longest), self.tokenizer.pad_token_id)
        labels = torch.full((len(encoded), longest), _IGNORED)
        for row, (own, prompt) in enumerate(encoded):
            tokens[row, : len(own)] = torch.tensor(own)
            labels[row, prompt : len(own)] = torch.tensor(own[prompt:])
        return tokens.to(self.device), labels.to(self.device)

    def losses(self, encoded: list[tuple[list[int], int]], batch: int) -> Rows:
        """Return the (n,) mean cross-entropy per answer token of each example, in nats."""
        self.network.eval()
        found = np.empty(len(encoded))
        with torch.no_grad():
            for begin in range(0, len(encoded), batch):
                tokens, labels = self.batch(encoded[begin : begin + batch])
                mask = (tokens != self.tokenizer.pad_token_id) | (labels != _IGNORED)
                logits = self.network(tokens, attention_mask=mask).logits[:, :-1].float()
                each = torch.nn.functional.cross_entropy(
                    logits.transpose(1, 2), labels[:, 1:], ignore_index=_IGNORED, reduction="none"
                )
                counts = (labels[:, 1:] != _IGNORED).sum(1).clamp(min=1)
                found[begin : begin + batch] = (each.sum(1) / counts).cpu().numpy()
        self.network.train()
        return found

    def train(
        self,
        encoded: list[tuple[list[int], int]],
        steps: int,
        preset: str,
        sizes: Sizes,
        rng: np.random.Generator,
        *,
        rate: float | None = None,
    ) -> list[float]:
        """Take optimisation steps on examples in random order; return the loss of each step."""
        parameters = self.network.parameters()
        if preset == "adamw":
            optimizer: torch.optim.Optimizer = torch.optim.AdamW(parameters, lr=rate or 5e-4)
        else:
            optimizer = torch.optim.SGD(parameters, lr=rate or 50.0)
        order = _endless(len(encoded), rng)
        found = []
        self.network.train()
        for _ in range(steps):
            total = 0.0
            for _ in range(sizes.accumulate):
                rows = [next(order) for _ in range(min(sizes.batch, len(encoded)))]
                tokens, labels = self.batch([encoded[row] for row in rows])
                loss = self._loss(tokens, labels, preset) / sizes.accumulate
                loss.backward()
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            found.append(total)
        return found

    def _loss(self, tokens: torch.Tensor, labels: torch.Tensor, preset: str) -> torch.Tensor:
        mask = (tokens != self.tokenizer.pad_token_id) | (labels != _IGNORED)
        logits = self.network(tokens, attention_mask=mask).logits[:, :-1].float()
        counted = labels[:, 1:] != _IGNORED
        picked, wanted = logits[counted], labels[:, 1:][counted]
        if preset == "adamw":
            return torch.nn.functional.cross_entropy(picked, wanted)
        target = torch.nn.functional.one_hot(wanted, picked.shape[-1]).to(picked.dtype)
        return torch.nn.functional.mse_loss(picked, target)


class Task:
    """One seed: the data, the pre-trained model, and the pool that arms choose from."""

    def __init__(self, examples: list[Example], options: argparse.Namespace, seed: int) -> None:
        self.sizes: Sizes = options.sizes
        sizes = self.sizes
        shuffled = np.random.default_rng(seed).permutation(len(examples))
        held, pool = sizes.held_out, sizes.pool
        parts = np.split(shuffled, [held, held + pool])
        held_out, self.examples, rest = ([examples[row] for row in part] for part in parts)
        if options.model is None:
            self.model = Model.small(rest or self.examples, sizes, seed)
        else:
            self.model = Model.named(options.model, options.device)
        self.encoded = self.model.encode(self.examples, sizes.length)
        self.held_out = self.model.encode(held_out, sizes.length)
        if options.model is None:
            others = self.model.encode(rest or self.examples, sizes.length)
            whole = [(tokens, 0) for tokens, _ in others]
            rng = np.random.default_rng([seed, 9])
            self.model.train(whole, sizes.pretraining_steps, "adamw", sizes, rng, rate=1e-3)
            self.model.weights = copy.deepcopy(self.model.network.state_dict())
        texts = [example.prompt for example in self.examples]
        lengths = np.array([len(tokens) for tokens, _ in self.encoded])
        self.pool = Pool(vectors_of(texts, options.encoder), lengths)
        self.clusters = _clusters(vectors_of([e.prompt for e in held_out], options.encoder), seed)
        self.before = self.model.losses(self.held_out, sizes.batch)

    def measure(self, arm: str, seed: int, draw: int, preset: str) -> Row:
        """Fine-tune on the rows that an arm chooses, and return the losses before and after."""
        sizes, rng = self.sizes, np.random.default_rng([seed, draw, 5])
        steps = math.ceil(sizes.budget * sizes.epochs / (sizes.batch * sizes.accumulate))
        began = time.perf_counter()
        if arm in WHOLE:
            found = np.arange(len(self.pool))
        else:
            found = ARMS[arm](self.pool, sizes.budget, np.random.default_rng([seed, draw]))
        choosing = time.perf_counter() - began
        if arm == "all rows, equal epochs":
            steps = math.ceil(len(found) * sizes.epochs / (sizes.batch * sizes.accumulate))
        own = [self.encoded[row] for row in found.tolist()]
        self.model.reset()
        own_before = float(self.model.losses(own, sizes.batch).mean())
        began = time.perf_counter()
        curve = self.model.train(own, steps, preset, sizes, rng)
        seconds = time.perf_counter() - began
        after = self.model.losses(self.held_out, sizes.batch)
        by_cluster = [after[self.clusters == one].mean() for one in np.unique(self.clusters)]
        return {
            "held_out_loss": float(after.mean()),
            "held_out_before": float(self.before.mean()),
            "worst_cluster_loss": float(max(by_cluster)),
            "own_loss": float(self.model.losses(own, sizes.batch).mean()),
            "own_loss_before": own_before,
            "last_training_loss": float(np.mean(curve[-max(1, len(curve) // 10) :])),
            "steps": steps,
            "tokens": int(sum(len(tokens) for tokens, _ in own)),
            "choosing_seconds": choosing,
            "training_seconds": seconds,
            **({} if arm in WHOLE else spread_of(self.pool, found)),
        }


def _endless(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(count).tolist()


def _clusters(vectors: Rows, seed: int) -> Rows:
    from sklearn.cluster import KMeans

    count = min(_CLUSTERS, len(vectors) // 2)
    found: Rows = KMeans(count, n_init=1, random_state=seed).fit(vectors).labels_
    return found


def main(options: argparse.Namespace) -> list[Row]:
    """Run the experiment; see `python -m experiments finetuning --help`."""
    seeds, presets, arms = options.seeds, options.presets, [*COMPARED, *WHOLE]
    options.sizes = Sizes(
        pool=options.pool,
        budget=options.budget,
        epochs=options.epochs,
        accumulate=options.accumulate,
    )
    if options.quick or options.data is None:
        options.sizes, options.encoder, seeds = QUICK, "static", 1
        arms = ["random", "density", "all rows, equal steps"]
        examples, label = made_up_examples(120), "made-up questions"
    else:
        examples, label = read_examples(Path(options.data)), Path(options.data).name
    tasks: dict[int, Task] = {}

    def measure(seed: int, **key: Any) -> Row:
        if seed not in tasks:
            tasks.clear()
            tasks[seed] = Task(examples, options, seed)
        return tasks[seed].measure(seed=seed, **key)

    keys = with_draws(product_of(seed=range(seeds), preset=presets, arm=arms))
    setting = {"data": label, "model": options.model or "small", "budget": options.sizes.budget}
    runs = [Run({**key, **setting}, lambda key=key: measure(**key)) for key in keys]
    found = carry_out(NAME, runs, Results(options.folder / f"{NAME}.jsonl"), seconds_a_run=60)
    print(
        f"\n{NAME} ({label}, {setting['model']} model, chosen by {options.encoder})\n{machine()}\n"
    )
    if "l2" in presets:
        print(f"l2: logits of zero have a loss of 1 / {options.sizes.vocabulary}.\n")
    for preset in presets:
        own = [row for row in found if row["preset"] == preset]
        for metric in (
            *("held_out_loss", "worst_cluster_loss", "own_loss", "own_loss_before", "tokens"),
        ):
            print(f"preset {preset}\n\n" + table(own, metric, baseline="random") + "\n")
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this experiment."""
    parser.add_argument("--data", help="alpaca (.json) or gsm8k (.jsonl) records")
    parser.add_argument("--model", help="a causal language model, by name or path")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--encoder", default="all-MiniLM-L6-v2")
    parser.add_argument("--presets", nargs="+", choices=["adamw", "l2"], default=["adamw"])
    parser.add_argument("--pool", type=int, default=Sizes.pool)
    parser.add_argument("--budget", type=int, default=Sizes.budget)
    parser.add_argument("--epochs", type=int, default=Sizes.epochs)
    parser.add_argument("--accumulate", type=int, default=Sizes.accumulate)
    parser.add_argument("--seeds", type=int, default=5)
