"""Choose, and fine-tune on what was chosen with TRL's SFTTrainer (pip install 'evenly[train]').

python examples/train_with_trl.py train.jsonl 500 tuned
"""

import sys

from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from evenly import select_uniform


def tiny_model() -> tuple[GPT2LMHeadModel, PreTrainedTokenizerFast]:
    """In the place of a real one: random weights, a token for each byte; nothing to download."""
    alphabet = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({sign: n for n, sign in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    config = GPT2Config(vocab_size=len(alphabet), n_embd=32, n_layer=2, n_head=2)
    special = {"pad_token": "<pad>", "eos_token": "<eos>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    return GPT2LMHeadModel(config), fast


def main(source: str, budget: int, target: str, encoder: object = "all-MiniLM-L6-v2") -> None:
    # Records with `prompt` and `completion`, as TRL knows them; only the prompt is embedded.
    subset = select_uniform(source, budget, text="prompt", encoder=encoder)
    chosen = Dataset.from_list(subset.take(source))

    model, tokenizer = tiny_model()
    config = SFTConfig(target, num_train_epochs=1, report_to="none", bf16=False)
    trainer = SFTTrainer(model, config, train_dataset=chosen, processing_class=tokenizer)
    print(f"{len(chosen)} rows, loss {trainer.train().training_loss:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
