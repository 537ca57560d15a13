"""What a selection returns: which rows, how far apart, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import numpy as np

from evenly.errors import BudgetError, ManifestError
from evenly.inputs.prepare import TextColumns
from evenly.samples import Samples
from evenly.selection.results.base import Chosen, check_order, check_picks, finite_or_none

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from evenly.selection.assign import Assignments
    from evenly.selection.explain import Explanation

__all__ = ["Order", "Selection"]


Order = Literal["picked", "file"]


@dataclass(frozen=True, eq=False)
class Selection(Chosen):
    """The chosen rows, in the order picked.

    The first m picks are exactly the answer for budget m (`prefix`).

    Attributes:
        indices: (k,) row numbers in the input, all distinct, in the order picked.
        radii: (k,) Euclidean distance (not squared) of each pick to the nearest earlier pick;
            radii[0] is inf, and none is larger than the one before. With rules: those of
            rows to include may rise; distances to what was kept away from count, the first
            row's too; and where quality has a weight they may rise.
        coverage_radius: the largest distance from any usable row of the input that is not
            excluded to the nearest chosen row (also called fill distance); 0 when all are
            chosen. nan in a prefix of a selection by, or weighted by, quality.
        provenance: what was done with what: versions, options, the encoder and the hash of
            its weights, the content hash of the input, dropped rows, seconds by step.
    """

    format: ClassVar[str] = "evenly selection"
    format_version: ClassVar[int] = 1
    noun: ClassVar[str] = "selection"

    indices: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    coverage_radius: float
    provenance: dict[str, Any]
    samples: Samples | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.indices.flags.writeable = False
        self.radii.flags.writeable = False

    def __repr__(self) -> str:
        return (
            f"Selection({len(self)} of {self.provenance['input']['rows']} rows, "
            f"h_min={self.h_min:.6g}, coverage_radius={self.coverage_radius:.6g})"
        )

    @property
    def h_min(self) -> float:
        """Smallest Euclidean distance between two chosen rows; inf for a single row.

        Where rows were kept away from others (`away_from`), the distance to these counts too.

        For normalised rows, h_min**2 / 2 is the smallest cosine distance.
        """
        return float(self.radii.min())

    def prefix(self, budget: int) -> Selection:
        """The selection for a smaller budget: the first `budget` picks, without any new work."""
        wanted: Any = budget
        if isinstance(wanted, bool) or not isinstance(wanted, Integral):
            raise BudgetError(f"a prefix is a whole number of rows, got {budget!r}.")
        if not 1 <= budget <= len(self):
            raise BudgetError(
                f"a prefix has between 1 and {len(self)} rows (all of this selection), "
                f"got {budget}. To choose more, call extend(to)."
            )
        rules = self.provenance.get("rules", {})
        by_quality = self.provenance.get("by_quality")
        shorter = budget < len(self)
        if shorter and {"quotas", "token_budget"} & set(rules):
            raise BudgetError(
                "with quotas or a token budget the first picks are not the answer for fewer: "
                "select again."
            )
        if shorter and by_quality is not None and "value" in by_quality:
            raise BudgetError(
                'with method="gist" the first picks are not the answer for fewer: select again.'
            )
        if shorter and {"refined", "filled"} & set(self.provenance):
            raise BudgetError(
                "of a selection that was refined or filled the first picks are not the answer for "
                "fewer: select again."
            )
        included = rules.get("include", {}).get("rows", 0)
        if budget < included:
            raise BudgetError(
                f"{included} rows were to be included; a prefix of {budget} would leave some out."
            )
        radius = self.coverage_radius
        if shorter:
            told = "weights" not in rules and by_quality is None
            radius = float(self.radii[budget]) if told else float("nan")
        options = {**self.provenance["options"], "budget": int(budget)}
        return replace(
            self,
            indices=self.indices[:budget],
            radii=self.radii[:budget],
            coverage_radius=radius,
            provenance={**self.provenance, "options": options},
        )

    def extend(
        self,
        to: int | float,
        data: Any = None,
        *,
        text: TextColumns = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        engine: str = "auto",
        device: str = "auto",
        memory: str | float | None = None,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        progress: bool | None = None,
        **rules: Any,
    ) -> Selection:
        """Choose more rows after these: the selection that a budget of `to` would have given.

        The options are those that this selection was made with.

        Args:
            to: how many rows there will be in all: more than there are, an int or a fraction.
            data: the data set the selection was made from, when the selection was loaded from
                a file and the input is no longer where it was. It may come in another form,
                as long as the same vectors come of it.
            text: again, where it was a function.
            encoder: again, where it was a Python object.
            encoder_options: added to those there were. `trust_remote_code` is to be given
                again, where the model needs it.
            engine, device, memory, cache_dir, checkpoint, progress: as in `select_uniform`.
                Texts are not embedded again where their vectors are in the cache.
            rules: those of the selection (`include`, `groups`, …) again, where they were
                arrays or objects, which a selection does not keep.

        Returns:
            Selection: as one run with budget `to` gives it, radii equal within rounding.
            `provenance["taken_over"]` is how many picks were there before.

        Raises:
            BudgetError: `to` is not more than there are, or more than there are usable rows.
            ManifestError: the input has changed, or other vectors come of it; or an option
                was a Python object and is not passed again.
            OptionError: the input cannot be opened again, and `data` is not passed.
            CheckpointError: as in `select_uniform`.

        Cost: to compare every row with the picks there are, as far as it must be, and then
            what the new picks cost: less than a long run, more than the difference.
        """
        from evenly.selection.extend import extend_and_keep

        given = {"text": text, "encoder": encoder, "encoder_options": encoder_options, **rules}
        longer, _ = extend_and_keep(
            self,
            to,
            data,
            engine=engine,
            checkpoint=checkpoint,
            progress=progress,
            device=device,
            memory=memory,
            cache_dir=cache_dir,
            **{name: value for name, value in given.items() if value is not None},
        )
        return longer

    def fill(
        self,
        data: Any = None,
        *,
        min_distance: float | None = None,
        seconds: float | None = None,
        seed: int = 0,
        text: TextColumns = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        engine: str = "auto",
        device: str = "auto",
        memory: str | float | None = None,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
        progress: bool | None = None,
        **rules: Any,
    ) -> Selection:
        """As many rows as can be found that are as far apart as these: the same h_min, more rows.

        Rows of this selection may be exchanged for others, but for those that were included.

        Args:
            data: as in `extend`.
            min_distance: how far apart rows are to be, at most h_min; by default h_min.
            seconds: the most the search may take; None: it ends when several rounds in a row
                have found nothing, which is the same answer on every machine. A Ctrl-C ends it,
                too, with the best so far.
            seed: of the search.
            text, encoder, encoder_options, engine, device, memory, cache_dir, progress, rules:
                as in `extend`.

        Returns:
            Selection: of as many rows or more. No row of the pool could be added to it.
            `provenance["filled"]` says what came of it.

        Raises:
            BudgetError: the selection has quotas, a token budget or qualities, or an h_min of 0.
            OptionError: `min_distance` is more than h_min.
            ManifestError, OptionError: as in `extend`.

        Cost: as of `refine=` in `select_uniform`.
        """
        from evenly.selection.fill import fill_and_keep

        given = {"text": text, "encoder": encoder, "encoder_options": encoder_options, **rules}
        fuller, _ = fill_and_keep(
            self,
            data,
            min_distance=min_distance,
            seconds=seconds,
            seed=seed,
            engine=engine,
            device=device,
            memory=memory,
            cache_dir=cache_dir,
            progress=progress,
            **{name: value for name, value in given.items() if value is not None},
        )
        return fuller

    def assignments(self, data: Any = None, **options: Any) -> Assignments:
        """Who stands for whom: for every row of the input, the chosen row nearest to it. Exact.

        Args:
            data: as in `extend`.
            options: text, encoder, encoder_options, device, memory, cache_dir and progress, as
                in `extend`.

        Raises:
            ManifestError, OptionError, DataError: as in `extend`.

        Cost: n·k·d multiplications at most, as matrix products.
        """
        from evenly.selection.assign import assign

        return assign(self, data, **options)

    def explain(self, row: int, data: Any = None, **options: Any) -> Explanation:
        """Why a row of the input was taken, or left: what is near it, and how near.

        Args:
            row: the row number in the input.
            data: as in `extend`.
            options: as in `assignments`.

        Returns:
            Explanation: `print` it, or take its numbers.

        Raises:
            RowError: the row is not in the input.
            ManifestError, OptionError, DataError: as in `extend`.

        Cost: to take the input in again, its vectors from the cache; then k·d.
        """
        from evenly.selection.explain import explain

        return explain(self, row, data, **options)

    def write(
        self,
        path: str | PathLike[str] | BinaryIO,
        *,
        data: Any = None,
        order: Order = "picked",
        force: bool = False,
    ) -> None:
        """Write the chosen records, whole and in their own format, to a new file.

        Args:
            path: the output, or a binary stream. Another suffix than the input's converts.
            data: the data set the selection was made from, when the selection was loaded
                from a file and the input is no longer where it was.
            order: "picked" (farthest first) or "file" (as in the input).
            force: overwrite an existing output.

        Raises:
            OutputExistsError: the output exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself; nothing is left
                half-written.
        """
        check_order(order)
        rows = self.indices if order == "picked" else np.sort(self.indices)
        self._write(path, rows, data=data, force=force)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON values; an infinite distance is null."""
        return {
            "indices": self.indices.tolist(),
            "radii": [finite_or_none(radius) for radius in self.radii.tolist()],
            "h_min": finite_or_none(self.h_min),
            "coverage_radius": finite_or_none(self.coverage_radius),
            "provenance": self.provenance,
        }

    @classmethod
    def _from_document(cls, document: dict[str, Any], name: str) -> Selection:
        try:
            indices = np.array(document["indices"], dtype=np.int64)
            radii = np.array(
                [np.inf if radius is None else radius for radius in document["radii"]], float
            )
            covered = document["coverage_radius"]
            coverage_radius = float("nan") if covered is None else float(covered)
            provenance = dict(document["provenance"])
            rows = int(provenance["input"]["rows"])
            missing = {"options", "versions", "dropped"} - set(provenance)
            if missing:
                raise KeyError(min(missing))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ManifestError(f"{name} is damaged: {error!r}.") from None
        check_picks(name, indices, radii, rows)
        return cls(indices, radii, coverage_radius, provenance)
