"""Run `evenly` in the process or in one of its own, with data and a small model on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from evenly import Selection, cli, select_uniform
from tests.support.encoders import texts_of

TEXTS = texts_of(40)
RECORDS = [{"id": row, "text": text} for row, text in enumerate(TEXTS)]
VECTORS = np.random.default_rng(0).normal(size=(40, 5))

MODEL = "letters"
LETTERS = ("--encoder", MODEL, "--text", "text")
OF_TEXTS = {"text": "text", "encoder": MODEL, "cache_dir": False}  # the same for the library

# The last four texts repeat the first four.
RATED_RECORDS = [
    {"id": row, "text": text, "quality": row % 5, "stars": str(row % 3)}
    for row, text in enumerate([*texts_of(20), *texts_of(4)])
]

_STATIC_EMBEDDING = "sentence_transformers.models.StaticEmbedding"


def save_letters_model(folder: Path) -> None:
    """Write a sentence-transformers model whose vectors are frequencies of letters."""
    folder.mkdir()
    tokens = {letter: row for row, letter in enumerate([*ascii_lowercase, "?"])}
    tokenizer = Tokenizer(models.WordLevel(tokens, unk_token="?"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    table = np.eye(len(tokens), dtype=np.float32)
    save_file({"embedding.weight": table}, folder / "model.safetensors")
    modules = [{"idx": 0, "name": "0", "path": "", "type": _STATIC_EMBEDDING}]
    (folder / "modules.json").write_text(json.dumps(modules))


def select_texts(*arguments: Any, data: Any = TEXTS, **options: Any) -> Selection:
    """Select with the library what `evenly select --encoder letters` should select."""
    return select_uniform(data, *arguments, encoder=MODEL, cache_dir=False, **options)


def write_lines(path: str | Path, records: Iterable[Any]) -> None:
    """Write records as JSON Lines."""
    Path(path).write_text("".join(json.dumps(record) + "\n" for record in records))


def ids_of(path: str | Path) -> list[Any]:
    """Return the id of each record in a file of JSON Lines."""
    return [json.loads(line)["id"] for line in Path(path).read_text().splitlines()]


def run_evenly(*arguments: Any, input: Any = None) -> Result:
    """Run `evenly` in this process."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(cli.main, words, input=input, catch_exceptions=False)


def succeed(*arguments: Any, input: Any = None) -> Result:
    """Run `evenly` and check that it exits with 0."""
    ran = run_evenly(*arguments, input=input)
    assert ran.exit_code == 0, ran.stderr
    return ran


def fail(*arguments: Any, input: Any = None) -> str:
    """Run `evenly`, check that it rejects the arguments and changes no file; return the error."""
    before = _contents()
    ran = run_evenly(*arguments, input=input)
    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert _contents() == before
    *_, last = ran.stderr.splitlines()
    return last


def _contents() -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in Path().rglob("*")
        if path.is_file() and "cache" not in path.parts
    }


def select(*arguments: Any, input: Any = None) -> Result:
    """Run `evenly select` with the model on disk."""
    return succeed("select", *arguments, "--encoder", MODEL, input=input)


def make_manifest(*arguments: Any) -> str:
    """Select from train.jsonl to first.jsonl, and return its manifest."""
    select("train.jsonl", *arguments, "-o", "first.jsonl")
    return "first.manifest.json"


def as_json(*arguments: Any) -> Any:
    """Run `evenly` with --json and return what it prints."""
    return json.loads(succeed(*arguments, "--json").stdout)


def without_seconds(value: Any) -> Any:
    """Leave out every "seconds" of a JSON value, which differ from run to run."""
    if isinstance(value, dict):
        return {name: without_seconds(one) for name, one in value.items() if name != "seconds"}
    return [*map(without_seconds, value)] if isinstance(value, list) else value


def start_process(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Start `evenly` in a process of its own, with a pipe for its stderr."""
    code = (
        "import signal; from evenly.cli import main; "
        # Python ignores SIGINT if its parent did, as a shell does for jobs in the background.
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "main(prog_name='evenly')"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **options)


def run_process(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `evenly` in a process of its own to its end."""
    process = start_process(*arguments, **options)
    stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
