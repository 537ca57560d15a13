"""Look for faults in the reading of damaged files: `python -m fuzz --hours 1`.

Each process reads damaged files of all kinds in turn. A file that kills its process, or that it
reads for longer than a minute, is a fault as well. Files that show a fault are kept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from fuzz.kinds import KINDS, outcome, right_file

_SECONDS_A_FILE = 60
_FILES_A_TURN = 50
# An absurd shape in a header must be refused, not allocated.
_MOST_BYTES = 8 << 30


def main() -> None:
    """Damage files until the time is over, then print a table of what became of them."""
    arguments = _arguments()
    until = time.monotonic() + 3600 * arguments.hours
    counts: dict[str, Counter[str]] = {name: Counter() for name in arguments.kinds}
    faults: dict[str, str] = {}
    seed = arguments.seed
    while time.monotonic() < until:
        for name in arguments.kinds:
            for number, found in _turn(name, seed):
                counts[name][found if found in ("read", "refused") else "fault"] += 1
                if found not in ("read", "refused") and f"{name}: {found}" not in faults:
                    faults[f"{name}: {found}"] = _keep(arguments.keep, name, number)
        seed += _FILES_A_TURN
    print(f"{'kind':28}{'read':>10}{'refused':>10}{'faults':>8}")
    for name, count in counts.items():
        print(f"{name:28}{count['read']:10}{count['refused']:10}{count['fault']:8}")
    for fault, kept in faults.items():
        print(f"\n{fault}\n    {kept}")
    raise SystemExit(bool(faults))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first damaged file")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--keep", type=Path, default=Path("faults"), help="folder for the files")
    return parser.parse_args()


def _turn(name: str, seed: int) -> list[tuple[int, str]]:
    """Read damaged files of a kind in a process of their own; return what became of each."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_work, args=(name, seed, sender))
    process.start()
    sender.close()
    found: list[tuple[int, str]] = []
    try:
        while len(found) < _FILES_A_TURN:
            number = seed + len(found)
            if not receiver.poll(_SECONDS_A_FILE):
                found.append((number, f"reading took more than {_SECONDS_A_FILE} seconds"))
                break
            found.append((number, receiver.recv()))
    except EOFError:
        process.join()
        found.append((number, f"the process ended with {process.exitcode}"))
    finally:
        process.kill()
        process.join()
        receiver.close()
    return found


def _work(name: str, seed: int, sender: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    kind = KINDS[name]
    with TemporaryDirectory() as folder:
        for number in range(seed, seed + _FILES_A_TURN):
            found = outcome(kind, _damaged(name, number), Path(folder))
            sender.send(found if isinstance(found, str) else f"{type(found).__name__}: {found}")


def _damaged(name: str, number: int) -> bytes:
    return KINDS[name].damage(right_file(KINDS[name]), Random(number))


def _keep(folder: Path, name: str, number: int) -> str:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{number} {name}"
    path.write_bytes(_damaged(name, number))
    return str(path)


if __name__ == "__main__":
    main()
