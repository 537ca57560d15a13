"""Select from a Hugging Face Dataset, and add the rank and the radius of each chosen row.

python examples/select_from_huggingface_dataset.py openai/gsm8k main question 500
"""

import sys

from datasets import Dataset, load_dataset

from evenly import select_uniform


def select(data: Dataset, text: str, budget: int, encoder: str = "all-MiniLM-L6-v2") -> Dataset:
    subset = select_uniform(data, budget, text=text, encoder=encoder)
    chosen = subset.take(data)
    chosen = chosen.add_column("rank", list(range(len(subset))))
    # The radius of the first pick is infinite, because no pick precedes it.
    return chosen.add_column("radius", subset.radii.tolist())


def main(name: str, configuration: str, text: str, budget: int) -> None:
    data = load_dataset(name, configuration, split="train")
    chosen = select(data, text, budget)
    print(chosen)
    chosen.save_to_disk(f"{name.rpartition('/')[2]}-{budget}")


if __name__ == "__main__":
    main(*sys.argv[1:4], budget=int(sys.argv[4]))
