"""Choose rows and fine-tune on them with the SFTTrainer of TRL (pip install 'evenly[train]').

python examples/train_with_trl.py train.jsonl 500 tuned
"""

import sys

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from evenly import select_uniform


def tiny_model() -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """Return a stand-in for a real model: random weights, one token per byte, no download."""
    characters = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({character: n for n, character in enumerate(characters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = {"pad_token": "<pad>", "eos_token": "<eos>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    size = {"vocab_size": len(characters), "n_embd": 48, "n_layer": 2}
    return GPT2LMHeadModel(GPT2Config(**size, bos_token_id=None, eos_token_id=1)), fast


def main(source: str, budget: int, target: str, encoder: object = "all-MiniLM-L6-v2") -> None:
    # TRL expects records with `prompt` and `completion`; only the prompt is embedded.
    subset = select_uniform(source, budget, text="prompt", encoder=encoder)
    rows = Dataset.from_list(subset.take(source))
    # A high learning rate suits random weights; 2e-5 is usual for a pretrained model.
    config = SFTConfig(target, num_train_epochs=1, learning_rate=5e-3, report_to="none", bf16=False)
    model, tokens = tiny_model()
    trainer = SFTTrainer(model, config, train_dataset=rows, processing_class=tokens)
    print(f"{len(rows)} rows, loss {trainer.train().training_loss:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
