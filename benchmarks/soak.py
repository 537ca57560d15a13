"""Kills commands at every rename and fsync, runs them again, and compares what they write.

    python -m benchmarks.soak              every point of every command, and random moments
    python -m benchmarks.soak --kills 40   a sample

Prints one line for each fault and a table for docs/reliability.md; exits with 1 if there was a
fault. Each command runs in a forked process, in a folder of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXTS = ("--encoder", "letters", "--text", "text")
RANDOM_MOMENTS = 6
LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Command:
    """A command of `evenly` that is killed and run again.

    Attributes:
        words: the command.
        first: a command that runs before it, undisturbed.
        written: the files whose content is compared.
    """

    name: str
    words: tuple[str, ...]
    written: tuple[str, ...]
    first: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kill:
    """When a process gets a signal: at a rename or fsync, or after some seconds.

    Attributes:
        point: the number of the rename or fsync, from 1; None for a random moment.
        after: whether the signal comes after it.
        delay: the seconds until a random moment.
    """

    number: signal.Signals
    point: int | None = None
    after: bool = False
    delay: float = 0.0


@dataclass
class Count:
    """What became of the kills of one command."""

    points: int
    kills: dict[str, int] = field(default_factory=dict)
    identical: int = 0
    faults: list[str] = field(default_factory=list)


SUBSET = ("subset.jsonl", "subset.manifest.json")
SELECT = ("select", "train.jsonl", "-b", "20", *TEXTS, "-o", "subset.jsonl")
CHECKPOINT = ("select", "vectors.npy", "-b", "300", "--checkpoint", "run.checkpoint")
STREAM = ("stream", "-b", "20", *TEXTS, "-o", "subset.jsonl")
STATE = ("stream", "-b", "20", *TEXTS, "--state", "stream.state")

COMMANDS = (
    Command("embed", ("embed", "train.jsonl", *TEXTS, "-o", "vectors2.npy"), ("vectors2.npy",)),
    Command("select", SELECT, SUBSET),
    Command(
        "select --force",
        (*SELECT, "--force"),
        SUBSET,
        first=("select", "train.jsonl", "-b", "9", *TEXTS, "--no-cache", "-o", "subset.jsonl"),
    ),
    Command(
        "select --checkpoint",
        (*CHECKPOINT, "-o", "subset.npy"),
        ("subset.npy", "subset.manifest.json"),
    ),
    Command("stream", (*STREAM, "old.jsonl", "new.jsonl"), SUBSET),
    Command(
        "stream --state",
        (*STATE, "new.jsonl", "-o", "subset.jsonl"),
        (*SUBSET, "stream.state"),
        first=(*STATE, "old.jsonl"),
    ),
    Command(
        "stream --state --force",
        (*STATE, "new.jsonl", "-o", "subset.jsonl", "--force"),
        (*SUBSET, "stream.state"),
        first=(*STATE, "old.jsonl", "-o", "subset.jsonl"),
    ),
)


def make_inputs(folder: Path) -> None:
    """Write a small model, texts and vectors."""
    import numpy as np
    from tests.support.command_line import save_letters_model
    from tests.support.encoders import texts_of

    save_letters_model(folder / "letters")
    lines = [json.dumps({"id": row, "text": text}) for row, text in enumerate(texts_of(120))]
    for name, part in (("train", lines), ("old", lines[:70]), ("new", lines[70:])):
        (folder / f"{name}.jsonl").write_text("\n".join(part) + "\n")
    np.save(folder / "vectors.npy", np.random.default_rng(0).normal(size=(1500, 12)))


def run(words: tuple[str, ...], kill: Kill | None = None) -> tuple[int, int]:
    """Run `evenly` in a forked process, in the current folder.

    Returns:
        Its exit code, minus the number of the signal if it was killed, and the number of renames
        and fsyncs so far. What it prints is in the file "log".
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks in processes with threads
        child = os.fork()
    if child == 0:
        os.close(reading)
        _run_here(words, kill, writing)
    os.close(writing)
    if kill is not None and kill.point is None:
        time.sleep(kill.delay)
        os.kill(child, kill.number)
    with os.fdopen(reading, "rb") as points:
        count = len(points.read())
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), count


def _run_here(words: tuple[str, ...], kill: Kill | None, points: int) -> None:
    """Run `evenly` in this process, and end it."""
    code: Any = 70
    try:
        sys.stdout = sys.stderr = Path("log").open("w")  # noqa: SIM115
        signal.alarm(LIMIT_SECONDS)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _watch(kill, points)
        from evenly.cli import main

        main(list(words), prog_name="evenly")
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _watch(kill: Kill | None, points: int) -> None:
    """Send the signal at its rename or fsync; write a byte for each of them."""
    passed = 0

    def watched(call: Any) -> Any:
        def watching(*arguments: Any, **how: Any) -> Any:
            nonlocal passed
            passed += 1
            os.write(points, b".")
            here = kill is not None and kill.point == passed
            if here and not kill.after:
                os.kill(os.getpid(), kill.number)
            found = call(*arguments, **how)
            if here and kill.after:
                os.kill(os.getpid(), kill.number)
            return found

        return watching

    os.replace, os.rename, os.fsync = map(watched, (os.replace, os.rename, os.fsync))


def content(folder: Path, name: str) -> Any:
    """Return what is compared of a file: its bytes; of a manifest or state, what must be equal."""
    path = folder / name
    if name.endswith(".manifest.json"):
        document = json.loads(path.read_bytes())
        return document["indices"], document["radii"], document["output"]["sha256"]
    if name.endswith(".state"):
        from evenly import UniformStream

        return UniformStream.load(path).seen
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fault_after(command: Command, kill: Kill, right: dict[str, Any]) -> str | None:
    """Kill a command in the current folder, run it again, and return what is wrong then."""
    code, _ = run(command.words, kill)
    allowed = {0, -kill.number, 128 + kill.number}
    if code not in allowed:
        return f"ended with {code}: {Path('log').read_text()[-300:]}"
    code, _ = run(command.words)
    said = Path("log").read_text()
    # The kill came when all was written: the files are there, and not overwritten.
    if code and not (code == 2 and "already exists" in said):
        return f"the same command again ended with {code}: {said[-300:]}"
    if "does not hold the records" in said:
        return "a manifest beside other records"
    try:
        found = {name: content(Path(), name) for name in command.written}
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    left = [str(path) for path in Path().glob(".*.tmp")]
    if found != right:
        return f"other content: {[name for name in right if found[name] != right[name]]}"
    # A run that was told that its files exist has removed nothing, and left nothing of its own.
    return f"left {left}" if left and code == 0 else None


def soak(
    commands: tuple[Command, ...],
    kills: int | None,
    *,
    seed: int = 0,
    moments: int = RANDOM_MOMENTS,
) -> dict[str, Count]:
    """Kill the commands, and count what became of it.

    Args:
        kills: how many in all, drawn evenly from each command's; None for every one.
        moments: how many random moments there are for each command.
    """
    chance = random.Random(seed)
    counts: dict[str, Count] = {}
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder, "inputs")
        inputs.mkdir()
        make_inputs(inputs)
        _warm_up(commands, Path(shutil.copytree(inputs, Path(folder, "warm"))))
        for number, command in enumerate(commands):
            origin = Path(folder, f"origin{number}")
            shutil.copytree(inputs, origin)
            if command.first:
                with within(origin):
                    assert run(command.first)[0] == 0, Path("log").read_text()
            right, points, seconds = _undisturbed(command, origin, Path(folder, "right"))
            count = counts[command.name] = Count(points)
            planned = [*_kills(points, seconds, moments, chance)]
            if kills is not None:
                planned = chance.sample(planned, min(len(planned), -(-kills // len(commands))))
            for kill in planned:
                trial = Path(folder, "trial")
                shutil.copytree(origin, trial, symlinks=True)
                with within(trial):
                    fault = fault_after(command, kill, right)
                shutil.rmtree(trial)
                count.kills[kill.number.name] = count.kills.get(kill.number.name, 0) + 1
                count.identical += fault is None
                if fault is not None:
                    count.faults.append(f"{command.name}, {kill}: {fault}")
                    print(count.faults[-1], flush=True)
    return counts


def _warm_up(commands: tuple[Command, ...], folder: Path) -> None:
    """Run the commands here, so that forked processes find everything loaded and compiled."""
    from evenly.cli import main

    said = io.StringIO()
    with within(folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for command in commands:
            for words in filter(None, (command.first, command.words)):
                main(list(words), standalone_mode=False)


def _undisturbed(command: Command, origin: Path, folder: Path) -> tuple[dict[str, Any], int, float]:
    shutil.copytree(origin, folder)
    began = time.monotonic()
    with within(folder):
        code, points = run(command.words)
    seconds = time.monotonic() - began
    assert code == 0, (folder / "log").read_text()
    right = {name: content(folder, name) for name in command.written}
    shutil.rmtree(folder)
    return right, points, seconds


def _kills(points: int, seconds: float, moments: int, chance: random.Random) -> Iterator[Kill]:
    for point in range(1, points + 1):
        yield Kill(signal.SIGKILL, point)
        yield Kill(signal.SIGKILL, point, after=True)
        yield Kill(signal.SIGTERM, point, after=chance.random() < 0.5)
        yield Kill(signal.SIGINT, point, after=chance.random() < 0.5)
    for _ in range(moments):
        number = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        yield Kill(number, delay=chance.uniform(0, seconds))


@contextlib.contextmanager
def within(folder: Path) -> Iterator[None]:
    """Make a folder the current one, with a cache of its own."""
    before = Path.cwd()
    os.environ["EVENLY_CACHE_DIR"] = str(folder / "cache")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def table(counts: dict[str, Count]) -> str:
    """Return the counts as a table in Markdown."""
    names = ("SIGKILL", "SIGTERM", "SIGINT")
    lines = [
        f"| command | renames and fsyncs | {' | '.join(names)} | byte-identical |",
        "| --- | --: | --: | --: | --: | --: |",
    ]
    for name, count in counts.items():
        by_signal = " | ".join(str(count.kills.get(one, 0)) for one in names)
        whole = sum(count.kills.values())
        lines.append(f"| `{name}` | {count.points} | {by_signal} | {count.identical} of {whole} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help="how many in all; by default every one")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts = soak(COMMANDS, arguments.kills, seed=arguments.seed)
    print(table(counts))
    sys.exit(any(count.faults for count in counts.values()))


if __name__ == "__main__":
    main()
