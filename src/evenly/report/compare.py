"""`compare`: several subsets of one data set side by side, beside random ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

import numpy as np
from tqdm import tqdm

from evenly.errors import OptionError, RowError
from evenly.inputs.checks import OnInvalid
from evenly.inputs.prepare import PreparedData, TextColumns, prepare
from evenly.metrics import Measures
from evenly.metrics.measure import (
    Certificate,
    certified,
    check_certificate,
    measure_rows,
    pool_stats,
    random_rows,
    row_numbers,
)
from evenly.options import whole_number
from evenly.report.table import grid

__all__ = ["Comparison", "compare", "compare_intake"]


def _of(part: str, name: str) -> Callable[[Measures], Any]:
    def get(measures: Measures) -> Any:
        found = getattr(measures, part)
        return None if found is None else getattr(found, name)

    return get


# Name -> how it is found, and how it is printed.
_COLUMNS: dict[str, tuple[Callable[[Measures], Any], str]] = {
    "size": (lambda found: found.size, ",.0f"),
    "h_min": (lambda found: found.h_min, ".4f"),
    "upper_bound": (lambda found: found.upper_bound, ".4f"),
    "certified_fraction": (lambda found: found.certified_fraction, ".3f"),
    "mean_neighbour_distance": (lambda found: found.mean_neighbour_distance, ".4f"),
    "coverage_radius": (lambda found: found.coverage_radius, ".4f"),
    "mean_distance": (lambda found: found.mean_distance, ".4f"),
    "mesh_ratio": (lambda found: found.mesh_ratio, ".3f"),
    "duplicates": (lambda found: found.duplicates, ",.1f"),
    "singleton_share": (lambda found: found.singleton_share, ".3f"),
    "uniformity": (_of("diversity", "uniformity"), ".4f"),
    "vendi_score": (_of("diversity", "vendi_score"), ",.1f"),
    "riesz_energy": (_of("diversity", "riesz_energy"), ".4g"),
    "cluster_entropy": (_of("diversity", "cluster_entropy"), ".4f"),
    "kernel_eigenvalue": (_of("diversity", "kernel_eigenvalue"), ".3g"),
    "expected_random_h_min": (_of("theory", "expected_random_h_min"), ".4f"),
    "intrinsic_dimension": (_of("theory", "intrinsic_dimension"), ".1f"),
}
_COUNTS = ("size", "duplicates")


@dataclass(frozen=True)
class Comparison:
    """The measures of several subsets of one data set. Prints as a table.

    Attributes:
        subsets: name -> its measures, in the order given.
        random: size -> the measures of random subsets of that size; empty when none were drawn.
    """

    subsets: dict[str, Measures]
    random: dict[int, tuple[Measures, ...]]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record a subset, and one with the means of the random subsets of each size.

        None where a measure does not apply.
        """
        found = [{"subset": name, **_flat([one])} for name, one in self.subsets.items()]
        for size, drawn in self.random.items():
            of_size = f" of {size:,}" if len(self.random) > 1 else ""
            found.append({"subset": f"{len(drawn)} random{of_size}", **_flat(drawn)})
        return found

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values; an infinite number is null."""
        return {
            "subsets": {name: measures.as_dict() for name, measures in self.subsets.items()},
            "random": {
                str(size): [measures.as_dict() for measures in drawn]
                for size, drawn in self.random.items()
            },
        }

    def __str__(self) -> str:
        """A line for each measure that applies, a column for each subset."""
        rows = self.rows
        lines = [["", *(row["subset"] for row in rows)]]
        for name, (_, form) in _COLUMNS.items():
            values = [row[name] for row in rows]
            if any(value is not None for value in values):
                whole = name in _COUNTS
                told = ["" if value is None else _told(value, form, whole) for value in values]
                lines.append([name.replace("_", " "), *told])
        return grid(lines)


def _flat(measures: Sequence[Measures]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, (get, _) in _COLUMNS.items():
        values = [get(one) for one in measures]
        missing = any(value is None for value in values)
        flat[name] = None if missing else values[0] if len(values) == 1 else float(np.mean(values))
    return flat


def _told(value: float, form: str, whole: bool) -> str:
    return f"{value:,.0f}" if whole and value == int(value) else f"{value:{form}}"


def compare(
    subsets: Mapping[str, Any],
    data: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool = True,
    on_invalid: OnInvalid = "error",
    engine: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    random_subsets: int = 3,
    certificate: Certificate = True,
    details: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Comparison:
    """Measure several subsets of one data set, and random subsets of the same sizes.

    The data set is taken in once, and what is known of the pool is found once.

    Args:
        subsets: name -> (k,) distinct row numbers, or a `Selection`. Sizes may differ; compare
            h_min only where they do not.
        data: what was selected from, as `select_uniform` takes it.
        text, roles, encoder, encoder_options, device, normalize, on_invalid, engine, cache_dir:
            as in `measure`.
        random_subsets: how many random subsets of each size to measure beside them; 0 for none.
        certificate, details: as in `measure`.
        seed: of the first random subset, and of the rows that estimates are made from.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        Comparison: `print` it, or take `rows` (a DataFrame is `pandas.DataFrame(rows)`) or
        `as_dict()`.

    Raises:
        OptionError: there is no subset.
        RowError: a row number is not in the data, is named twice, or cannot be used; the message
            names the subset.

    Cost: that of `measure` for each subset, random ones included, but the pool's own measures
        once.
    """
    random_subsets = whole_number("random_subsets", random_subsets, least=0)
    seed = whole_number("seed", seed, least=0)
    check_certificate(certificate)
    if not isinstance(subsets, Mapping) or not subsets:
        raise OptionError(
            f'subsets must be a dict of at least one, {{"name": row numbers}}, got {subsets!r:.80}.'
        )
    prepared = prepare(
        data,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        device=device,
        normalize=normalize,
        on_invalid=on_invalid,
        engine=engine,
        cache_dir=cache_dir,
        progress=progress,
    )
    return compare_intake(
        subsets,
        prepared,
        random_subsets=random_subsets,
        certificate=certificate,
        details=details,
        seed=seed,
        progress=progress,
    )


def compare_intake(
    subsets: Mapping[str, Any],
    prepared: PreparedData,
    *,
    random_subsets: int,
    certificate: Certificate,
    details: bool,
    seed: int,
    progress: bool | None,
) -> Comparison:
    """`compare` for a data set that has been taken in already."""
    chosen = {str(name): _rows_of(prepared, name, rows) for name, rows in subsets.items()}
    sizes = sorted({len(rows) for rows in chosen.values()})
    stats = pool_stats(
        prepared.points,
        sizes[-1],
        subsets=len(chosen) + random_subsets * len(sizes),
        certificate=certificate,
        seed=seed,
        progress=progress,
    )
    jobs: list[tuple[Any, Any]] = list(chosen.items())
    for size in sizes:
        drawn = (random_rows(stats.eligible, size, seed + n) for n in range(random_subsets))
        jobs += [(size, rows) for rows in drawn]
    show = tqdm(
        jobs, desc="comparing", unit="subset", disable=None if progress is None else not progress
    )
    found = [
        (name, measure_rows(stats, rows, certificate=False, details=details)) for name, rows in show
    ]
    if certificate:
        reached = {size: max(one.h_min for _, one in found if one.size == size) for size in sizes}
        bounds = {size: stats.upper_bounds.bounds(size, reached[size]) for size in sizes}
        found = [(name, certified(one, bounds[one.size])) for name, one in found]
    given, others = found[: len(chosen)], found[len(chosen) :]
    return Comparison(
        subsets=dict(given),
        random={
            size: tuple(one for at, one in others if at == size) for size in sizes if random_subsets
        },
    )


def _rows_of(prepared: PreparedData, name: Any, rows: Any) -> Any:
    try:
        return row_numbers(prepared, rows)
    except RowError as error:
        raise RowError(f"subset {str(name)!r}: {error}") from None
