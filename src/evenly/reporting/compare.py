"""`compare`: several subsets of one data set side by side, with random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from typing import Any, Literal

import numpy as np

from evenly.errors import OptionError
from evenly.metrics import Measures
from evenly.metrics.measure import Certificate, measure_in_pool, pool_stats
from evenly.metrics.random_subsets import do_all, random_rows
from evenly.metrics.space import prepare_subsets
from evenly.options import (
    InputOptions,
    MeasuringOptions,
    OnInvalid,
    TextColumns,
    documented,
)
from evenly.progress import new_bar
from evenly.shapes import Int
from evenly.tables import count, grid, html_table

# Attribute of the measures -> its format.
_COLUMNS = {
    "size": ",.0f",
    "h_min": ".4f",
    "upper_bound": ".4f",
    "certified_fraction": ".3f",
    "mean_neighbour_distance": ".4f",
    "coverage_radius": ".4f",
    "mean_distance": ".4f",
    "mesh_ratio": ".3f",
    "duplicates": ",.1f",
    "singleton_share": ".3f",
    "diversity.uniformity": ".4f",
    "diversity.vendi_score": ",.1f",
    "diversity.riesz_energy": ".4g",
    "diversity.cluster_entropy": ".4f",
    "diversity.kernel_eigenvalue": ".3g",
    "theory.expected_random_h_min": ".4f",
    "theory.intrinsic_dimension": ".1f",
    "facility_mean_distance": ".4f",
}
_COUNTS = ("size", "duplicates")


@dataclass(frozen=True, repr=False)
class Comparison:
    """The measures of several subsets of one data set. Prints as a table.

    Attributes:
        subsets: name -> its measures, in the order of the input.
        random: size -> the measures of random subsets of that size; empty if none were drawn.
    """

    subsets: dict[str, Measures]
    random: dict[int, tuple[Measures, ...]]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record per subset, and one with the means of the random subsets of each size.

        The value is None if a measure does not apply.
        """
        records = [{"subset": name, **_means([one])} for name, one in self.subsets.items()]
        for size, drawn in self.random.items():
            of_size = f" of {size:,}" if len(self.random) > 1 else ""
            records.append({"subset": f"{len(drawn)} random{of_size}", **_means(drawn)})
        return records

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; infinite numbers become null."""
        return {
            "subsets": {name: measures.as_dict() for name, measures in self.subsets.items()},
            "random": {
                str(size): [measures.as_dict() for measures in drawn]
                for size, drawn in self.random.items()
            },
        }

    def __str__(self) -> str:
        """Return a table with a line for each measure that applies and a column for each subset."""
        return grid(self._lines())

    def __repr__(self) -> str:
        drawn = sum(map(len, self.random.values()))
        return f"Comparison({', '.join(self.subsets)}; {count(drawn, 'random subset')})"

    def _repr_html_(self) -> str:
        heading, *lines = self._lines()
        return html_table(f"Comparison of {count(len(self.subsets), 'subset')}", lines, heading)

    def _lines(self) -> list[list[str]]:
        records = self.rows
        lines = [["", *(record["subset"] for record in records)]]
        for path in _COLUMNS:
            name = path.rpartition(".")[2]
            values = [record[name] for record in records]
            if any(value is not None for value in values):
                lines.append([name.replace("_", " "), *(_cell(path, value) for value in values)])
        return lines


def _means(measures: Sequence[Measures]) -> dict[str, Any]:
    means: dict[str, Any] = {}
    for path in _COLUMNS:
        part, _, name = path.rpartition(".")
        values: list[Any] = [
            getattr(getattr(one, part) if part else one, name, None) for one in measures
        ]
        missing = any(value is None for value in values)
        means[name] = None if missing else values[0] if len(values) == 1 else float(np.mean(values))
    return means


def _cell(path: str, value: float | None) -> str:
    if value is None:
        return ""
    whole = path in _COUNTS and value == int(value)
    return f"{value:,.0f}" if whole else f"{value:{_COLUMNS[path]}}"


@documented(InputOptions, MeasuringOptions)
def compare(
    subsets: Mapping[str, Any],
    data: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] | None = None,
    vectors: Any = None,
    id_column: Any = None,
    encoder: Any = None,
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool | None = None,
    on_invalid: OnInvalid | None = None,
    engine: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    random_subsets: int = 3,
    certificate: Certificate = True,
    details: bool = True,
    exact: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> Comparison:
    """Measure several subsets of one data set, and random subsets of the same sizes.

    The data set is prepared once, and the pool's own measures are computed once.

    Args:
        subsets: name -> what `measure` takes, such as row numbers, a Selection or the path of a
            file. Sizes may differ, but h_min can be compared only between subsets of the same
            size.
        data: what the rows were selected from, in any form that `select_uniform` accepts.
        text, roles, encoder, encoder_options, normalize, on_invalid: as in `select_uniform`. By
            default as the selections were made, which must agree; those of `select_uniform` for
            row numbers alone. A warning is logged if a selection is measured in another space
            than its own.
        engine, certificate, details, exact: as in `measure`.

    Returns:
        Comparison: `print` it, or use `rows` (for a DataFrame, `pandas.DataFrame(rows)`) or
        `as_dict()`.

    Raises:
        OptionError: there is no subset.
        RowError: a row number is out of range, named twice, or that of an unusable row; the
            message names the subset.
        ManifestError: selections differ in an option, or one was made from another number of
            rows; or an option was a Python object, which must be passed again.

    Cost: that of `measure` for each subset, random ones included; the pool's own measures count
        once.
    """
    arguments = locals()
    options = MeasuringOptions.of(arguments)
    return compare_subsets(subsets, data, arguments, options)


def compare_subsets(
    subsets: Mapping[str, Any],
    data: Any,
    inputs: Mapping[str, Any],
    options: MeasuringOptions,
) -> Comparison:
    """Measure several subsets of one data set; see `compare`. `inputs` are those given."""
    if not isinstance(subsets, Mapping) or not subsets:
        raise OptionError(
            f'subsets must be a dict of at least one, {{"name": row numbers}}, got {subsets!r:.80}.'
        )

    prepared_subsets = prepare_subsets(data, subsets, inputs)
    prepared, chosen = prepared_subsets.prepared, prepared_subsets.rows
    sizes = sorted({len(rows) for rows in chosen.values()})
    stats = pool_stats(prepared, options, sizes[-1])
    seeds = range(options.seed, options.seed + options.random_subsets)
    drawn_rows = [random_rows(stats.eligible_rows, size, seed) for size in sizes for seed in seeds]
    progress = prepared.options.progress
    subsets_rows = [*chosen.values(), *drawn_rows]
    with new_bar(total=len(subsets_rows), desc="comparing", unit="subset", shown=progress) as bar:

        def measure_one(rows: Int[np.ndarray, " k"]) -> Measures:
            measures = measure_in_pool(stats, rows, details=options.details)
            bar.update()
            return measures

        works = [partial(measure_one, rows) for rows in subsets_rows]
        # Details share statistics of the pool, which would be computed several times at once.
        found = [work() for work in works] if options.details else do_all(prepared.points, works)
    if options.certificate:
        reached = {size: max(one.h_min for one in found if one.size == size) for size in sizes}
        bounds = {size: stats.upper_bounds.bounds(size, reached[size]) for size in sizes}
        found = [one.with_bounds(bounds[one.size]) for one in found]
    drawn = found[len(chosen) :]
    return Comparison(
        subsets=dict(zip(chosen, found, strict=False)),
        random={
            size: tuple(one for one in drawn if one.size == size)
            for size in sizes
            if options.random_subsets
        },
    )
