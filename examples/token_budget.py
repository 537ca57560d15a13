"""Choose rows up to a total number of tokens, including the tokens of the answers.

python examples/token_budget.py train.jsonl subset.jsonl 1000000
"""

import sys

from evenly import select_uniform
from evenly.embedding.tokens import count_tokens, load_tokenizer
from evenly.samples import open_samples


def main(
    source: str,
    target: str,
    token_budget: int,
    tokenizer: object = "all-MiniLM-L6-v2",
    encoder: str = "all-MiniLM-L6-v2",
) -> None:
    texts = ["\n".join(map(str, record.values())) for record in open_samples(source).records()]
    costs = count_tokens(texts, load_tokenizer(tokenizer), total=len(texts))

    subset = select_uniform(
        source,
        token_budget=token_budget,
        costs=costs,
        text=["instruction", "input"],
        encoder=encoder,
    )
    subset.write(target)
    print(f"{len(subset)} rows, {costs[subset.indices].sum():,} of {token_budget:,} tokens")


if __name__ == "__main__":
    path_in, path_out, tokens = sys.argv[1:4]
    main(path_in, path_out, int(tokens))
