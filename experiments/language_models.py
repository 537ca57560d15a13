"""Causal language models: examples as tokens, their losses, and training with a preset."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.texts import Rows, made_up

RATES = {"adamw": 2e-4, "l2": 0.005}
"""The presets, and the learning rates that suit the small model."""

_IGNORED = -100
_PRETRAINING_RATE = 1e-3

Tokens = list[tuple[list[int], int]]
"""The tokens of examples, and how many of each are the prompt's."""


@dataclass(frozen=True)
class Example:
    """A prompt and the answer that is trained on."""

    prompt: str
    answer: str


def _size(default: int, meaning: str) -> Any:
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Sizes:
    """Sizes of the data, of the small model and of its training."""

    pool: int = _size(1200, "rows that arms choose from")
    held_out: int = _size(200, "rows that judge all arms")
    budget: int = _size(150, "rows that each arm chooses")
    epochs: int = _size(2, "times that the chosen rows are seen")
    batch: int = _size(8, "rows in a batch")
    accumulate: int = _size(1, "batches whose gradients make one step")
    length: int = _size(64, "most tokens of a row")
    vocabulary: int = _size(2048, "of the small model")
    width: int = _size(192, "of the small model's layers")
    layers: int = _size(5, "of the small model")
    pretraining_steps: int = _size(400, "of the small model, before all arms")


QUICK = Sizes(60, 20, 20, 1, 4, 1, 32, 300, 32, 1, 4)


def read_examples(path: Path) -> list[Example]:
    """Read records of instruction, input and output, or of question and answer."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        records = json.loads(text)
    else:
        records = [json.loads(line) for line in text.split("\n") if line.strip()]
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
    """A causal language model with its tokenizer, and the weights that it starts from."""

    def __init__(self, name: str, device: str, *, bfloat16: bool = False) -> None:
        """Load a model by name or path.

        Args:
            name: a name on the hub, or a folder.
            device: of torch.
            bfloat16: compute in it. Weights stay in float32: steps of a usual learning rate are
                too small for weights in bfloat16, most of which would never change.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(name)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        network: Any = AutoModelForCausalLM.from_pretrained(name).float()
        self.weights = copy.deepcopy(network.state_dict())
        self.network, self.device, self.bfloat16 = network.to(device), device, bfloat16

    def reset(self, preset: str = "adamw") -> None:
        """Go back to the weights before fine-tuning; for "l2", with an output layer of zeros.

        Logits that cross-entropy has trained are in the tens, far from one-hot vectors: an l2 loss
        would do nothing but unlearn them.
        """
        self.network.tie_weights()
        self.network.load_state_dict(self.weights)
        if preset == "l2":
            head = self.network.get_output_embeddings()
            head.weight = torch.nn.Parameter(torch.zeros_like(head.weight))  # no longer tied

    def encode(self, examples: list[Example], length: int) -> Tokens:
        """Return the tokens of examples, and how many of them are the prompt's."""
        found = []
        for example in examples:
            prompt = self._prompt(example, length)
            answer = self.tokenizer(example.answer)["input_ids"] + [self.tokenizer.eos_token_id]
            found.append(((prompt + answer)[:length], len(prompt)))
        return found

    def losses(self, encoded: Tokens, batch: int, preset: str) -> tuple[Rows, Rows]:
        """Return two numbers of each example: its mean loss a token, and its accuracy.

        The losses, (n,), are those that the preset trains on: cross-entropies, in nats, or squared
        distances to one-hot vectors. The accuracies, (n,), are the shares of tokens that the model
        thinks most likely.
        """
        self.network.eval()
        losses, right = np.empty(len(encoded)), np.empty(len(encoded))
        by_length = np.argsort([len(tokens) for tokens, _ in encoded], kind="stable")
        with torch.no_grad():
            for begin in range(0, len(encoded), batch):
                rows = by_length[begin : begin + batch]
                logits, labels = self._logits([encoded[row] for row in rows.tolist()])
                for row, own, wanted in zip(rows.tolist(), logits, labels, strict=True):
                    counted = wanted != _IGNORED
                    losses[row] = float(_loss(own[counted], wanted[counted], preset))
                    right[row] = float((own.argmax(-1) == wanted)[counted].float().mean())
        self.network.train()
        return losses, right

    def train(
        self,
        encoded: Tokens,
        steps: int,
        preset: str,
        sizes: Sizes,
        rng: np.random.Generator,
        *,
        rate: float | None = None,
        watch: Callable[[int], None] = lambda step: None,
    ) -> None:
        """Take optimisation steps on examples in random order, and call `watch` after each."""
        optimizers = {"adamw": torch.optim.AdamW, "l2": torch.optim.SGD}
        optimizer = optimizers[preset](self.network.parameters(), lr=rate or RATES[preset])
        order = _endless(len(encoded), rng)
        self.network.train()
        for step in range(1, steps + 1):
            for _ in range(sizes.accumulate):
                rows = [next(order) for _ in range(min(sizes.batch, len(encoded)))]
                logits, labels = self._logits([encoded[row] for row in rows])
                counted = labels != _IGNORED
                loss = _loss(logits[counted], labels[counted], preset) / sizes.accumulate
                loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            watch(step)

    def answers(self, examples: list[Example], length: int) -> list[str]:
        """Return the most likely answers to prompts, token by token."""
        self.network.eval()
        found = []
        for example in examples:
            inputs = torch.tensor([self._prompt(example, length)], device=self.device)
            with torch.no_grad():
                outputs = self.network.generate(
                    inputs,
                    attention_mask=torch.ones_like(inputs),
                    max_length=length,
                    do_sample=False,
                    pad_token_id=self.tokenizer.pad_token_id,
                )
            new = outputs[0, inputs.shape[1] :]
            found.append(self.tokenizer.decode(new, skip_special_tokens=True))
        self.network.train()
        return found

    def _prompt(self, example: Example, length: int) -> list[int]:
        tokens: list[int] = self.tokenizer(example.prompt + "\n")["input_ids"]
        return tokens[: length * 3 // 4]

    def _logits(self, encoded: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and the tokens they are for; prompts and padding are not trained on."""
        longest = max(len(tokens) for tokens, _ in encoded)
        tokens = torch.full((len(encoded), longest), self.tokenizer.pad_token_id)
        labels = torch.full((len(encoded), longest), _IGNORED)
        mask = torch.zeros((len(encoded), longest), dtype=torch.long)
        for row, (own, prompt) in enumerate(encoded):
            tokens[row, : len(own)] = torch.tensor(own)
            labels[row, prompt : len(own)] = torch.tensor(own[prompt:])
            mask[row, : len(own)] = 1
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16, enabled=self.bfloat16):
            outputs = self.network(tokens.to(self.device), attention_mask=mask.to(self.device))
        return outputs.logits[:, :-1].float(), labels[:, 1:].to(self.device)


def make_small(examples: list[Example], sizes: Sizes, folder: Path) -> None:
    """Write a small Llama to a folder: its tokenizer trained, and itself pre-trained, on examples.

    The folder is whole or absent.
    """
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
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.width,
        intermediate_size=8 * sizes.width // 3 // 8 * 8,
        num_hidden_layers=sizes.layers,
        num_attention_heads=max(1, sizes.width // 48),
        max_position_embeddings=sizes.length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    partial = folder.with_suffix(".partial")
    LlamaForCausalLM(config).save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    model = Model(str(partial), "cpu")
    count = min(len(examples), sizes.pretraining_steps * sizes.batch)
    whole = [(tokens, 0) for tokens, _ in model.encode(examples[:count], sizes.length)]
    rng = np.random.default_rng(9)
    steps = sizes.pretraining_steps
    model.train(whole, steps, "adamw", sizes, rng, rate=_PRETRAINING_RATE)
    model.network.save_pretrained(partial)
    partial.rename(folder)


def _loss(logits: torch.Tensor, wanted: torch.Tensor, preset: str) -> torch.Tensor:
    """Return the cross-entropy, or the mean squared distance to one-hot vectors, per token."""
    if preset == "adamw":
        return torch.nn.functional.cross_entropy(logits, wanted)
    # |logits - one-hot|² multiplied out: one-hot vectors of a large vocabulary take gigabytes.
    own = logits.gather(-1, wanted[:, None])[:, 0]
    return (logits.square().sum(-1) - 2 * own + 1).mean()


def loss_of_constant_logits(encoded: Tokens) -> float:
    """Return the smallest l2 loss that logits can have which are the same for every token.

    They are the shares of the tokens, and the loss is 1 minus the sum of their squares.
    """
    shares: dict[int, float] = {}
    for tokens, prompt in encoded:
        answer = tokens[prompt:]
        for token in answer:
            shares[token] = shares.get(token, 0.0) + 1 / len(answer) / len(encoded)
    return 1.0 - sum(share**2 for share in shares.values())


def _endless(count: int, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.permutation(count).tolist()
