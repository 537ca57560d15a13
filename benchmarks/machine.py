"""Describe the machine that measured, and measure its peak speeds."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np


def machine() -> dict[str, Any]:
    """Return processor, instruction set, last-level cache, cores, memory and GPU."""
    return {
        "cpu": _processor(),
        "simd": _instructions(),
        "cache_mb": _last_cache(),
        "cores": _cores(),
        "memory_gb": round(_memory() / 1e9, 1),
        "gpu": _graphics_processor(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, NumPy, its BLAS, and those packages that are installed."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "torch", "evenly", *packages):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"blas": _blas()}


def product_gflops(dtype: str = "float32", size: int = 1536, repeats: int = 5) -> float:
    """Return the peak speed of a product of two square matrices, in 1e9 operations per second."""
    operations = 2.0 * size**3
    if dtype == "float32":
        left, right = np.ones((2, size, size), np.float32)  # BLAS computes only half of A·A
        out = np.empty_like(left)
        return operations / 1e9 / _best(lambda: np.matmul(left, right.T, out=out), repeats)
    import torch

    short, other = torch.ones((2, size, size), dtype=getattr(torch, dtype))
    return operations / 1e9 / _best(lambda: short @ other.T, repeats)


def integer_gops(width: int = 384, columns: int = 1024, repeats: int = 20) -> float:
    """Return the peak speed of `evenly`'s 16-bit integer products, in 1e9 operations per second."""
    from evenly.geometry.kernels.int16 import TOGETHER, multiply_by_int16, panels_for
    from evenly.geometry.kernels.screening import BLOCK

    short, panels = np.ones((TOGETHER, width), np.int16), panels_for(columns, width)
    lengths, products = np.ones(columns, np.float32), np.empty((TOGETHER, columns), np.float32)
    smallest = np.empty((TOGETHER, columns // BLOCK), np.float32)

    def multiply() -> None:
        multiply_by_int16(short, TOGETHER, panels, np.float32(1), lengths, products, smallest)

    return 2.0 * TOGETHER * columns * width / 1e9 / _best(multiply, repeats)


def memory_gb_per_second(megabytes: int = 300, repeats: int = 5) -> float:
    """Return how fast a float32 matrix-vector product reads memory, in 1e9 bytes per second."""
    rows = np.ones((megabytes * 1_000_000 // 4 // 512, 512), np.float32)
    vector = np.ones(512, np.float32)
    return rows.nbytes / 1e9 / _best(lambda: rows @ vector, repeats)


def _best(work: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return min(seconds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _instructions() -> str | None:
    """Return the widest vector instructions that NumPy detects; None if it does not report any."""
    found: Any = np.show_config(mode="dicts")
    names = found.get("SIMD Extensions", {}).get("found", [])
    return str(names[-1]) if names else None


def _last_cache() -> int | None:
    try:
        size = Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text().strip()
    except OSError:
        return None
    return int(size.removesuffix("K")) // 1024 if size.endswith("K") else None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _graphics_processor() -> str | None:
    from benchmarks.measuring import cuda_is_there

    if not cuda_is_there():
        return None
    import torch

    return str(torch.cuda.get_device_name())


def _blas() -> str:
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return "unknown"
    np.ones((2, 2)) @ np.ones((2, 2))
    for library in threadpool_info():
        if library["user_api"] == "blas" and "numpy" in library["filepath"]:
            threads = library["num_threads"]
            return f"{library['internal_api']} {library['version']}, {threads} threads"
    return "unknown"
