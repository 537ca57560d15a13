"""What a selection returns: which rows, how far apart, and where they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import BudgetError, DataError, ManifestError, OptionError, OutputError
from evenly.intake import TextColumns
from evenly.samples import Samples, open_samples

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from evenly.selection.assignments import Assignments
    from evenly.selection.explanation import Explanation

__all__ = ["Order", "Selection"]

Order = Literal["picked", "file"]

FORMAT = "evenly selection"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Selection:
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

    indices: Int[np.ndarray, " k"]
    radii: Float[np.ndarray, " k"]
    coverage_radius: float
    provenance: dict[str, Any]
    samples: Samples | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.indices.flags.writeable = False
        self.radii.flags.writeable = False

    def __len__(self) -> int:
        return len(self.indices)

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
        if budget < len(self) and {"quotas", "token_budget"} & set(rules):
            raise BudgetError(
                "with quotas or a token budget the first picks are not the answer for fewer: "
                "select again."
            )
        by_quality = self.provenance.get("by_quality")
        if budget < len(self) and by_quality is not None and "value" in by_quality:
            raise BudgetError(
                'with method="gist" the first picks are not the answer for fewer: select again.'
            )
        included = rules.get("include", {}).get("rows", 0)
        if budget < included:
            raise BudgetError(
                f"{included} rows were to be included; a prefix of {budget} would leave some out."
            )
        radius = float(self.radii[budget]) if budget < len(self) else self.coverage_radius
        if budget < len(self) and ("weights" in rules or by_quality is not None):
            radius = float("nan")
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
        from evenly.selection.assignments import assign

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
        from evenly.selection.explanation import explain

        return explain(self, row, data, **options)

    def to_torch_subset(self, dataset: Any) -> Any:
        """The chosen rows of a map-style torch dataset, in the order picked, without a copy.

        Args:
            dataset: what the selection was made from, or anything row-aligned with it that has
                `__getitem__` and `__len__`: a torch `Dataset`, a Hugging Face `Dataset`, a list.

        Returns:
            torch.utils.data.Subset: for a DataLoader or a trainer.

        Raises:
            DataError: the dataset has another number of rows than the input had.
        """
        from torch.utils.data import Subset

        self._check_count(len(dataset), type(dataset).__name__)
        return Subset(dataset, self.indices.tolist())

    def take(self, data: Any) -> Any:
        """The chosen rows of `data`, as the same kind of data set, in the order picked.

        Args:
            data: the data set the selection was made from, or anything row-aligned with it
                (its labels, its vectors, …).

        Raises:
            DataError: `data` has another number of rows than the input had.
        """
        return self._aligned(data).take(self.indices)

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
        if order not in ("picked", "file"):
            raise OptionError(f'order must be "picked" or "file", got {order!r}.')
        self._spare_input(path)
        samples = self.samples_again(data)
        rows = self.indices if order == "picked" else np.sort(self.indices)
        samples.write(path, rows, force=force)

    def save(self, path: str | PathLike[str] | BinaryIO, *, force: bool = False) -> None:
        """Save indices, radii and provenance as one JSON file (the manifest); see `load`.

        Args:
            path: the file, or a binary stream.
            force: overwrite an existing file.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself.
        """
        document = {"format": FORMAT, "version": FORMAT_VERSION, **self.as_dict()}
        content = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        if not isinstance(path, str | PathLike):
            path.write(content.encode("utf-8", "surrogateescape"))
            return
        self._spare_input(path)
        with atomic_write(path, force=force) as stream:
            stream.write(content.encode("utf-8", "surrogateescape"))

    def as_dict(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON values; an infinite distance is null."""
        return {
            "indices": self.indices.tolist(),
            "radii": [_finite(radius) for radius in self.radii.tolist()],
            "h_min": _finite(self.h_min),
            "coverage_radius": _finite(self.coverage_radius),
            "provenance": self.provenance,
        }

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Selection:
        """Load what `save` wrote.

        Raises:
            ManifestError: the file is not a saved selection, is damaged, or is from a newer
                version of evenly.
        """
        try:
            document = json.loads(Path(path).read_bytes())
        except FileNotFoundError:
            raise ManifestError(f"{fspath(path)} does not exist.") from None
        except ValueError as error:
            raise ManifestError(f"{fspath(path)} is not a saved selection: {error}.") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ManifestError(
                f'{fspath(path)} is not a saved selection: it lacks "format": "{FORMAT}".'
            )
        if document.get("version") != FORMAT_VERSION:
            raise ManifestError(
                f"{fspath(path)} has version {document.get('version')!r}; this release reads "
                f"version {FORMAT_VERSION}. Install a newer evenly."
            )
        return cls._from_document(document, fspath(path))

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
        sound = (
            indices.ndim == radii.ndim == 1
            and 1 <= len(indices) == len(radii)
            and len(np.unique(indices)) == len(indices)
            and 0 <= indices.min() <= indices.max() < rows
        )
        if not sound:
            raise ManifestError(
                f"{name} is damaged: its indices and radii are not {rows} rows' worth of "
                "distinct row numbers with one radius each."
            )
        return cls(indices, radii, coverage_radius, provenance)

    def samples_again(self, data: Any = None) -> Samples:
        """The records that the row numbers refer to: of `data`, or of the input itself.

        Raises:
            DataError: `data` has another number of rows than the input had.
            ManifestError: the input has changed since.
            OptionError: the input cannot be opened again, and `data` is not passed.
        """
        return self._own_samples() if data is None else self._aligned(data)

    def _aligned(self, data: Any) -> Samples:
        samples = data if isinstance(data, Samples) else open_samples(data)
        self._check_count(len(samples), samples.origin)
        return samples

    def _check_count(self, count: int, name: str) -> None:
        rows = self.provenance["input"]["rows"]
        if count != rows:
            raise DataError(
                f"{name} has {count} rows, but the selection was made from {rows}. Pass the same "
                "data, or something row-aligned with it."
            )

    def _spare_input(self, output: object) -> None:
        """Refuse to write over the records that the row numbers refer to."""
        source = self.provenance["input"].get("path")
        if source is None or not isinstance(output, str | PathLike):
            return
        if Path(output).exists() and Path(source).exists() and Path(output).samefile(source):
            raise OutputError(f"{fspath(output)} is the input itself. Choose another output.")

    def _own_samples(self) -> Samples:
        """The input itself: still at hand, or opened again from where it was, unchanged."""
        if self.samples is not None:
            return self.samples
        source = self.provenance["input"]
        if source.get("path") is None:
            raise OptionError(
                f"this selection was loaded from a file and its input was {source['origin']}, "
                "which cannot be opened again. Pass the same data: data=…"
            )
        samples = open_samples(source["path"])
        if samples.content_hash() != source["content_hash"]:
            raise ManifestError(
                f"{source['path']} is not the input that this selection was made from: its "
                "content has changed since. Select again, or pass the original: data=…"
            )
        return samples


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None
