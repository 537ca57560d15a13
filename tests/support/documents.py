"""Read the code blocks of the documents, and run them in a folder with the data they name."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from evenly.cli.outputs import manifest_path
from evenly.samples.requests import demo_requests
from tests.support.command_line import run_evenly, write_lines

_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
SHELL = ("bash", "console")


class Block(NamedTuple):
    """A block of code: its first line on the page, its language, and why it is not run, if so."""

    line: int
    language: str
    code: str
    not_run: str | None


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the code blocks of a page in these languages, in their order."""
    text = page.read_text("utf-8")
    return [
        Block(
            text[: match.start("code")].count("\n") + 1,
            match["language"],
            match["code"],
            match["reason"],
        )
        for match in _BLOCK.finditer(text)
        if match["language"] in languages
    ]


def calls(block: Block) -> Iterator[str]:
    """Yield what a reader would type: the lines of a shell block, continued lines joined."""
    code = block.code.replace("\\\n", " ")
    for line in code.splitlines():
        if block.language == "bash" and line.strip() and not line.startswith("#"):
            yield line
        elif line.startswith("$ "):
            yield line.removeprefix("$ ")


def run_call(call: str) -> None:
    """Run a pipeline; its calls of `evenly` run in this process, the others in a shell."""
    call, _, target = call.partition(" > ")
    data = b""
    for part in map(str.strip, call.split(" | ")):
        if part.startswith("evenly "):
            words = _expanded(shlex.split(part)[1:])
            _remove_output(words)
            ran = run_evenly(*words, input=data)
            assert ran.exit_code == 0, f"{part}\n{ran.stderr}"
            data = ran.stdout_bytes
        else:
            data = subprocess.run(["bash", "-c", part], input=data, stdout=-1, check=True).stdout
    if target:
        Path(target.strip()).write_bytes(data)


def _expanded(words: list[str]) -> list[str]:
    """Return words with patterns of files replaced by the files, as a shell does."""
    return [
        name
        for word in words
        for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]


def _remove_output(words: list[str]) -> None:
    """Remove the output of an earlier block: each block is an example of its own."""
    for option, word in pairwise(words):
        if option in ("-o", "--output") and word != "-":
            Path(word).unlink(missing_ok=True)
            manifest_path(Path(word)).unlink(missing_ok=True)


def runs(page: Path) -> bool:
    """Return whether a page has code that runs."""
    return any(not block.not_run for block in blocks(page, "python", *SHELL))


def run_page(page: Path) -> None:
    """Run the code of a page from top to bottom."""
    namespace: dict[str, Any] = {}
    for block in blocks(page, "python", *SHELL):
        if block.not_run:
            continue
        if block.language == "python":
            # Leading blank lines make a traceback show the line number of the page.
            code = "\n" * (block.line - 1) + block.code
            exec(compile(code, str(page), "exec"), namespace)
        else:
            for call in calls(block):
                run_call(call)


def write_data(folder: Path) -> None:
    """Write small versions of the files that the pages use."""
    requests = demo_requests()[::3]
    tasks = sorted({request["task"] for request in requests})
    records = [
        {
            "id": f"r{row}",
            "instruction": request["text"],
            "input": "",
            "output": f"To {request['task']}, ask somebody who can.",
            "source": ("code", "math", "chat")[tasks.index(request["task"]) % 3],
            "score": 1 + row % 5,
        }
        for row, request in enumerate(requests)
    ]
    texts = [{"id": record["id"], "text": record["instruction"]} for record in records]
    chats = [
        {
            "messages": [
                {"role": "user", "content": record["instruction"]},
                {"role": "assistant", "content": record["output"]},
            ]
        }
        for record in records[::6]
    ]
    write_lines(folder / "train.jsonl", records)
    write_lines(folder / "chats.jsonl", chats)
    write_lines(folder / "seen.jsonl", records[::50])
    write_lines(folder / "monday.jsonl", texts[:250])
    write_lines(folder / "tuesday.jsonl", texts[250:])
    (folder / "shards").mkdir()
    for shard in range(2):
        lines = "".join(json.dumps(text) + "\n" for text in texts[shard::2])
        (folder / "shards" / f"{shard}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
