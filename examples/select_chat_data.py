"""Choose whole conversations, compared by what the user says.

python examples/select_chat_data.py chats.jsonl subset.jsonl 1000
"""

import sys

from evenly import select_uniform


def main(source: str, target: str, budget: int, encoder: str = "all-MiniLM-L6-v2") -> None:
    subset = select_uniform(
        source,
        budget,
        text="messages",
        roles=("user",),  # ("user", "assistant") would compare the answers too
        encoder=encoder,
        on_invalid="drop",  # chats without a message of the user are left out
    )
    subset.write(target, order="file")

    for row, reason in subset.provenance["dropped"].items():
        print(f"row {row} was left out: it {reason}")
    print(f"{len(subset)} conversations, h_min {subset.h_min:.4f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
