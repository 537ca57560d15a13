"""The base of every result: rows of an input that can be taken, written, saved and loaded."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
from typing_extensions import Self

from evenly.atomic import check_writable, sha256_of
from evenly.caller import level_of_the_caller
from evenly.distributed.references import check_here
from evenly.errors import ChangedOutputWarning, DataError, ManifestError, OptionError
from evenly.paths import expand, spare_inputs
from evenly.samples import Samples, open_aligned, open_samples
from evenly.selection.results.codec import Codec
from evenly.selection.results.moved import find_moved_inputs
from evenly.selection.results.provenance import Provenance
from evenly.shapes import Float, Int
from evenly.tables import count, html_table

Order = Literal["picked", "file"]

# In a manifest: the records that were written together with it.
_OUTPUT = "output"


class Result(ABC):
    """Rows of an input, and where they came from; iterates over their row numbers.

    Attributes:
        indices: (k,) their row numbers.
        provenance: what the row numbers refer to, and how they were made.
        samples: the records, while they are available.
        codec: the format of the files it is saved to.
        noun: what messages call it.
    """

    codec: ClassVar[Codec]
    noun: ClassVar[str]

    indices: Int[np.ndarray, " k"]
    provenance: Provenance
    samples: Samples | None

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices.tolist())

    def __getitem__(self, key: Any) -> Any:
        """Return the row number at a position, or an array of those in a slice."""
        found = self.indices[key]
        return int(found) if np.ndim(found) == 0 else found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return the row numbers as an array."""
        wanted = self.indices.dtype if dtype is None else np.dtype(dtype)
        if copy is False and wanted != self.indices.dtype:
            raise ValueError(
                f"converting row numbers of {self.indices.dtype} to {wanted} requires a copy, but "
                "copy=False was passed."
            )
        return self.indices.astype(wanted, copy=bool(copy))

    def _repr_html_(self) -> str:
        source = self.provenance.input
        rows = f"{len(self):,} of {count(source.rows, 'row')} of {source.origin}"
        return html_table(f"{type(self).__name__}: {rows}", self._numbers())

    @abstractmethod
    def _numbers(self) -> list[tuple[str, str]]:
        """Return labels and values of the few numbers that describe the rows."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Return everything but the records as plain JSON values."""

    @classmethod
    @abstractmethod
    def from_document(cls, document: dict[str, Any], name: str) -> Self:
        """Return what `as_dict` wrote; KeyError, TypeError or ValueError if it is damaged."""

    def to_torch_subset(self, dataset: Any) -> Any:
        """Return the chosen rows of a map-style torch dataset, in the order picked, uncopied.

        Args:
            dataset: what the selection was made from, or anything row-aligned with it that has
                `__getitem__` and `__len__`: a torch `Dataset`, a Hugging Face `Dataset`, a list.

        Returns:
            torch.utils.data.Subset: for a DataLoader or a trainer.

        Raises:
            DataError: the dataset has another number of rows than the input had.
        """
        from torch.utils.data import Subset

        check_here(dataset)
        self._check_count(len(dataset), type(dataset).__name__)
        return Subset(dataset, self.indices.tolist())

    def take(self, data: Any) -> Any:
        """Return the chosen rows of `data`, as the same kind of data set, in the order picked.

        Args:
            data: the data set the selection was made from, or anything row-aligned with it
                (its labels, its vectors, images, …): a list, an array or a series of anything.

        Raises:
            DataError: `data` has another number of rows than the input had.
            OptionError: `data` are in Ray.
        """
        check_here(data)
        values = open_aligned(data)
        self._check_count(len(values), values.origin)
        return values.take(self.indices)

    def save(self, path: str | PathLike[str] | BinaryIO, *, force: bool = False) -> None:
        """Save everything but the records as one JSON file (the manifest); see `load`.

        Args:
            path: the file, or a binary stream.
            force: overwrite an existing file.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: the file cannot be written, or is the input itself.
        """
        self.codec.save_json(self.as_dict(), path, spare=self.spare_inputs, force=force)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Load what `save` wrote.

        If it was written together with the records beside it (`evenly select -o`), and these
        are others now, a ChangedOutputWarning says so.

        Files that the manifest names and that are no longer where they were are looked for at the
        same place relative to the manifest: a folder can be moved as a whole.

        Raises:
            ManifestError: the file does not exist, is something else, is damaged, or has another
                version of the format.
        """
        document = cls.codec.read_json(path)
        _check_output(fspath(path), document.pop(_OUTPUT, None))
        with cls.codec.reading(fspath(path)):
            find_moved_inputs(document["provenance"], Path(fspath(path)).absolute().parent)
            return cls.from_document(document, fspath(path))

    @abstractmethod
    def _written(self, order: Order, data: Any) -> tuple[Samples, Int[np.ndarray, " k"]]:
        """Return the records to write, as rows of samples in their order."""

    def _write(
        self, path: str | PathLike[str] | BinaryIO, order: Order, *, data: Any = None, force: bool
    ) -> None:
        if isinstance(path, str | PathLike):
            self.spare_inputs(path, data)
        samples, rows = self._written(order, data)
        samples.write(path, rows, force=force)

    def write_to(self, stream: BinaryIO, order: Order = "picked") -> None:
        """Write the records to a binary stream."""
        self._write(stream, order, force=False)

    def write_with_manifest(
        self,
        path: str | PathLike[str],
        manifest: str | PathLike[str],
        *,
        order: Order = "picked",
        force: bool = False,
        before: Callable[[], object] | None = None,
    ) -> None:
        """Write the records, and a manifest that holds their sha256, such that neither misleads.

        The manifest takes its place first. If the process is killed before the records follow,
        `load` notices that the records beside it are others.

        Args:
            path, manifest: the files, in one folder.
            order: the order of the records.
            force: overwrite existing files.
            before: called when all that can fail is on disk, before either takes its place.
        """
        for output in (path, manifest):
            self.spare_inputs(output)

        def companion(sha256: str) -> tuple[str | PathLike[str], bytes]:
            if before is not None:
                before()
            written = {"name": Path(path).name, "sha256": sha256}
            return manifest, self.codec.to_json({**self.as_dict(), _OUTPUT: written})

        check_writable(manifest, force=force)
        samples, rows = self._written(order, None)
        samples.write(path, rows, force=force, companion=companion)

    def samples_again(self, data: Any = None) -> Samples:
        """Return the records that the row numbers refer to: `data`, or the input opened again.

        Raises:
            DataError: `data` has another number of rows than the input had.
            ManifestError: the input has changed since.
            OptionError: the input cannot be opened again, and `data` is not passed.
        """
        if data is not None:
            return self._aligned(data)
        if self.samples is not None:
            return self.samples
        source = self.provenance.input
        if source.path is None:
            raise OptionError(
                f"this {self.noun} was loaded from a file and its input was {source.origin}, "
                "which cannot be opened again. Pass the same data: data=…"
            )
        samples = open_samples(source.path)
        if samples.content_hash() != source.content_hash:
            raise ManifestError(
                f"{source.origin} is not the input that this {self.noun} was made from: its "
                "content has changed since. Select again, or pass the original: data=…"
            )
        return samples

    def _aligned(self, data: Any) -> Samples:
        samples = open_samples(data)
        self._check_count(len(samples), samples.origin)
        return samples

    def _check_count(self, found: int, name: str) -> None:
        rows = self.provenance.input.rows
        if found != rows:
            raise DataError(
                f"{name} has {count(found, 'row')}, but the {self.noun} was made from {rows}. "
                "Pass the same "
                "data, or something row-aligned with it."
            )

    def spare_inputs(self, output: str | PathLike[str], data: Any = None) -> None:
        """Raise OutputError if `output` is a file that this was made from, or `data` itself."""
        options = {**self.provenance.options}
        encoder = options.pop("encoder", None)
        found = [data, self.provenance.input.path, *options.values()]
        if self.samples is not None:
            found.append(self.samples.path)
        spare_inputs(
            output,
            [one for one in found if isinstance(one, str | PathLike)],
            folders=[encoder] if isinstance(encoder, str) else [],
        )


def _check_output(manifest: str, written: Any) -> None:
    """Warn if the records beside a manifest are not those that it was written with."""
    if not isinstance(written, dict):
        return
    path = Path(expand(manifest)).parent / Path(str(written.get("name"))).name
    try:
        changed = sha256_of(path) != written.get("sha256")
    except OSError:
        return  # they may have been moved away
    if changed:
        warnings.warn(
            f"{path} does not hold the records that {manifest} was written with: it was changed "
            "since, or the run that wrote both was killed. The manifest is whole; to write the "
            "records of both again, run the same command with --force.",
            ChangedOutputWarning,
            stacklevel=level_of_the_caller(),
        )


def check_order(order: str) -> None:
    """Raise OptionError unless chosen records can be written in this order."""
    if order not in ("picked", "file"):
        raise OptionError(f'order must be "picked" or "file", got {order!r}.')


def read_picks(
    document: Mapping[str, Any], rows: int, name: str
) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
    """Return the indices and radii in a document that was read from the file `name`.

    Raises:
        ManifestError: they are not distinct rows of `rows`, each with a radius.
    """
    indices = np.array(document["indices"], dtype=np.int64)
    radii = np.array([or_infinite(radius) for radius in document["radii"]], float)
    sound = (
        indices.ndim == radii.ndim == 1
        and 1 <= len(indices) == len(radii)
        and len(np.unique(indices)) == len(indices)
        and 0 <= indices.min() <= indices.max() < rows
    )
    if not sound:
        raise ManifestError(
            f"{name} is damaged: its indices and radii are not distinct row numbers of {rows} rows "
            "with one radius each."
        )
    return indices, radii


def finite_or_none(number: float) -> float | None:
    """Return a number as JSON has it: None unless it is finite."""
    return number if np.isfinite(number) else None


def or_infinite(number: float | None) -> float:
    """Return the number that `finite_or_none` was given, unless that was nan."""
    return np.inf if number is None else float(number)
