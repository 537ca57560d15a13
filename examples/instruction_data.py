"""Deduplicate and choose instruction data, and write it for LLaMA-Factory and axolotl.

python examples/instruction_data.py train.jsonl 1000 data
"""

import json
import sys
from pathlib import Path

from evenly import deduplicate, select_uniform

LLAMA_FACTORY = {
    "file_name": "sft.jsonl",
    "formatting": "alpaca",
    "columns": {"prompt": "instruction", "query": "input", "response": "output"},
}
AXOLOTL = """\
datasets:
  - path: {path}
    ds_type: json
    type: alpaca
"""


def main(source: str, budget: int, folder: str, encoder: object = "all-MiniLM-L6-v2") -> None:
    target = Path(folder)
    target.mkdir(exist_ok=True)
    records = deduplicate(source, similarity=0.95, keep="longest", encoder=encoder).take(source)
    subset = select_uniform(records, budget, density_weight=1, encoder=encoder)
    subset.write(target / "sft.jsonl", force=True)
    (target / "dataset_info.json").write_text(json.dumps({"evenly_sft": LLAMA_FACTORY}, indent=2))
    (target / "axolotl.yaml").write_text(AXOLOTL.format(path=target / "sft.jsonl"))
    print(f"{len(records)} distinct rows, of which {len(subset)} were chosen")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
