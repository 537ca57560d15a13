"""Where the time of one case goes, and how far that is from what the machine can do.

    python -m benchmarks.profile --case clustered-200k --out results.jsonl

On one thread, because the profiler sees only the thread it runs in.
"""

from __future__ import annotations

import argparse
import ast
import cProfile
import functools
import inspect
import pstats
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.cases import Case, named_cases
from benchmarks.machine import integer_gops, machine, memory_gb_per_second, product_gflops, versions
from benchmarks.peers import REFERENCE, peer_named
from benchmarks.pools import farthest_from_mean
from benchmarks.run import PACKAGES, Row, keep_row, reproducible

PRODUCTS = "matrix products in float32"
INTEGERS = "products of 16-bit integers, including the exact decisions"
COMPILED = "compiled loops: rule out, decide, pick"
REST = "the rest"

_PARTS = 12


@dataclass
class Products:
    """What the calls of one function that multiplies came to.

    Attributes:
        calls, seconds, operations: how many, how long, and floating-point operations.
    """

    calls: int = 0
    seconds: float = 0.0
    operations: float = 0.0


@contextmanager
def timed_products() -> Iterator[Products]:
    """Count and time the calls of numpy.matmul, which is invisible to the profiler, for a while."""
    kept, product = Products(), np.matmul

    def timed(left: Any, right: Any, **options: Any) -> Any:
        began = perf_counter()
        try:
            return product(left, right, **options)
        finally:
            kept.seconds += perf_counter() - began
            kept.calls += 1
            kept.operations += 2.0 * left.size * right.shape[-1]

    np.matmul = timed  # type: ignore[assignment]
    try:
        yield kept
    finally:
        np.matmul = product


@contextmanager
def timed_integers() -> Iterator[Products]:
    """Count and time products of 16-bit integers, and what they leave to decide, for a while."""
    from evenly.geometry.kernels import int16

    kept, lower = Products(), int16.lower_by_int16
    parameters = list(inspect.signature(lower.py_func).parameters)
    screen_at, remaining_at = (parameters.index(name) for name in ("screen", "remaining"))

    def timed(*arguments: Any) -> Any:
        seen = arguments[remaining_at].seen
        before, began = int(seen.sum()), perf_counter()
        try:
            return lower(*arguments)
        finally:
            kept.seconds += perf_counter() - began
            kept.calls += 1
            kept.operations += 2.0 * arguments[screen_at].width * (int(seen.sum()) - before)

    int16.lower_by_int16 = timed
    try:
        yield kept
    finally:
        int16.lower_by_int16 = lower


def profile(case: Case, folder: Path) -> Row:
    """One row: seconds by part, and the machine's speeds beside them."""
    from threadpoolctl import threadpool_limits

    pool, _ = case.files(folder)
    vectors = np.load(pool)
    first_row = farthest_from_mean(vectors)
    choose = peer_named(REFERENCE).choose

    def run() -> float:
        began = perf_counter()
        choose(vectors, case.budget, first_row)
        return perf_counter() - began

    run()  # compiles what is not yet compiled
    all_threads = run()
    # torch comes last: evenly computes otherwise where it is loaded already.
    with threadpool_limits(1), _one_thread_in_torch():
        one_thread = run()
        profiler = cProfile.Profile()
        with timed_products() as products, timed_integers() as integers:
            profiler.enable()
            profiled = run()
            profiler.disable()
        peaks = {
            "float32_gflops": product_gflops(),
            "int16_gops": integer_gops(),
            "memory_gb_per_second": memory_gb_per_second(),
        }
        import torch

        with _one_thread_in_torch():
            peaks["bfloat16_gflops"] = product_gflops("bfloat16", size=768)
    parts = _parts(products, profiler)
    all_pairs = 2.0 * case.n * case.d * case.budget
    return {
        "kind": "profile",
        "case": case.name,
        "pool": case.pool,
        "n": case.n,
        "d": case.d,
        "budget": case.budget,
        "threads": torch.get_num_threads(),
        "seconds_all_threads": all_threads,
        "seconds_one_thread": one_thread,
        "seconds_profiled": profiled,
        "groups": _groups(parts, profiled),
        "parts": parts[:_PARTS],
        "products": _speed(products, all_pairs),
        "integers": _speed(integers, all_pairs),
        "peaks": peaks,
        "seconds_of_reading": vectors.nbytes * case.budget / 1e9 / peaks["memory_gb_per_second"],
    }


def _speed(products: Products, all_pairs: float) -> dict[str, float | None]:
    speed = products.operations / products.seconds / 1e9 if products.calls else None
    return {"gflops": speed, "share_of_all_pairs": products.operations / all_pairs}


@contextmanager
def _one_thread_in_torch() -> Iterator[None]:
    """Keep torch on this thread for a while, if it is loaded."""
    torch = sys.modules.get("torch")
    threads = None if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(threads)


def _groups(parts: Sequence[dict[str, Any]], seconds: float) -> dict[str, float]:
    """Seconds by group; what no part accounts for is of the rest."""
    groups = dict.fromkeys((INTEGERS, PRODUCTS, COMPILED, REST), 0.0)
    for part in parts:
        groups[part["group"]] += part["seconds"]
    groups[REST] += max(0.0, seconds - sum(groups.values()))
    return groups


def _parts(products: Products, profiler: cProfile.Profile) -> list[dict[str, Any]]:
    """Every function with seconds of its own, the longest first."""
    parts = []
    if products.calls:
        matmul = {"calls": products.calls, "seconds": products.seconds}
        parts.append({"name": "`numpy.matmul`", "group": PRODUCTS} | matmul)
    stats: dict[Any, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    for (file, line, name), (_, calls, seconds, _, _) in stats.items():
        if file == __file__:  # the timer has counted its own
            continue
        where = f"{Path(file).stem}." if file.endswith(".py") else ""
        parts.append(
            {
                "name": f"`{where}{name}`".replace("|", "/"),
                "group": _group(file, line),
                "calls": calls,
                "seconds": seconds,
            }
        )
    return sorted(parts, key=lambda part: -part["seconds"])


@functools.cache
def _group(file: str, line: int) -> str:
    """What the function that begins on that line of a file does, by its source.

    The profiler sees neither numpy.matmul nor the operator @, only the function around it.
    """
    if "evenly" not in Path(file).parts:
        return REST
    for node in ast.walk(ast.parse(Path(file).read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            marks = node.decorator_list
            if min([node.lineno, *(mark.lineno for mark in marks)]) == line:
                if node.name == "lower_by_int16":
                    return INTEGERS
                if any("njit" in ast.unparse(mark) for mark in marks):
                    return COMPILED
                if any(isinstance(part, ast.MatMult) for part in ast.walk(node)):
                    return PRODUCTS
    return REST


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile the case that the command line names."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    described = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=described)
    parser.add_argument("--case", default="clustered-200k", help="a case of benchmarks.run")
    parser.add_argument("--npy", help="as in benchmarks.run")
    parser.add_argument("--scale", type=float, default=1.0, help="as in benchmarks.run")
    parser.add_argument("--out", type=Path, help="append the row to this file (.jsonl)")
    options = parser.parse_args(given)
    try:
        [case] = named_cases([options.case], options.npy, options.scale)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    common = {
        "machine": machine(),
        "versions": versions(*PACKAGES),
        "command": reproducible("benchmarks.profile", given),
    }
    with tempfile.TemporaryDirectory() as folder:
        keep_row(common | profile(case, Path(folder)), options.out)


if __name__ == "__main__":
    main()
