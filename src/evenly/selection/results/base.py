"""What every result of choosing rows can do: take them, write them, be saved."""

from __future__ import annotations

import json
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from evenly.atomic import atomic_write
from evenly.errors import DataError, ManifestError, OptionError, OutputError
from evenly.samples import Samples, open_samples

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from typing_extensions import Self

__all__ = ["Chosen", "finite_or_none"]


class Chosen:
    """Rows of an input, and where they came from.

    Attributes:
        indices: (k,) their row numbers.
        provenance: versions, options, hashes; `input` says what the row numbers refer to.
        samples: the records, while they are at hand.
        format, format_version: what a saved one says it is.
        noun: what messages call it.
    """

    format: ClassVar[str]
    format_version: ClassVar[int]
    noun: ClassVar[str]

    indices: Int[np.ndarray, " k"]
    provenance: dict[str, Any]
    samples: Samples | None

    def __len__(self) -> int:
        return len(self.indices)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON values."""
        raise NotImplementedError

    @classmethod
    def _from_document(cls, document: dict[str, Any], name: str) -> Self:
        """What a file of this format holds.

        Raises:
            ManifestError: it is damaged.
        """
        raise NotImplementedError

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

    def save(self, path: str | PathLike[str] | BinaryIO, *, force: bool = False) -> None:
        """Save all but the records as one JSON file (the manifest); see `load`.

        Args:
            path: the file, or a binary stream.
            force: overwrite an existing file.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: it cannot be written, or is the input itself.
        """
        document = {"format": self.format, "version": self.format_version, **self.as_dict()}
        content = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        if not isinstance(path, str | PathLike):
            path.write(content.encode("utf-8", "surrogateescape"))
            return
        self._spare_input(path)
        with atomic_write(path, force=force) as stream:
            stream.write(content.encode("utf-8", "surrogateescape"))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Load what `save` wrote.

        Raises:
            ManifestError: the file is something else, is damaged, or is from a newer
                version of evenly.
        """
        try:
            document = json.loads(Path(path).read_bytes())
        except FileNotFoundError:
            raise ManifestError(f"{fspath(path)} does not exist.") from None
        except ValueError as error:
            raise ManifestError(f"{fspath(path)} is not a saved {cls.noun}: {error}.") from None
        if not isinstance(document, dict) or document.get("format") != cls.format:
            raise ManifestError(
                f'{fspath(path)} is not a saved {cls.noun}: it lacks "format": "{cls.format}".'
            )
        if document.get("version") != cls.format_version:
            raise ManifestError(
                f"{fspath(path)} has version {document.get('version')!r}; this release reads "
                f"version {cls.format_version}. Install a newer evenly."
            )
        return cls._from_document(document, fspath(path))

    def _write(
        self,
        path: str | PathLike[str] | BinaryIO,
        rows: Int[np.ndarray, " k"],
        *,
        data: Any,
        force: bool,
    ) -> None:
        self._spare_input(path)
        self.samples_again(data).write(path, rows, force=force)

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
                f"{name} has {count} rows, but the {self.noun} was made from {rows}. Pass the same "
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
                f"this {self.noun} was loaded from a file and its input was {source['origin']}, "
                "which cannot be opened again. Pass the same data: data=…"
            )
        samples = open_samples(source["path"])
        if samples.content_hash() != source["content_hash"]:
            raise ManifestError(
                f"{source['path']} is not the input that this {self.noun} was made from: its "
                "content has changed since. Select again, or pass the original: data=…"
            )
        return samples


def check_order(order: str) -> None:
    """Refuse an order in which chosen records cannot be written.

    Raises:
        OptionError: it is none of these.
    """
    if order not in ("picked", "file"):
        raise OptionError(f'order must be "picked" or "file", got {order!r}.')


def check_picks(
    name: str, indices: Int[np.ndarray, " k"], radii: Float[np.ndarray, " k"], rows: int
) -> None:
    """Refuse picks from the file `name` that are not distinct rows of `rows`, each with a radius.

    Raises:
        ManifestError: they are not.
    """
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


def finite_or_none(number: float) -> float | None:
    """A number as JSON has it: null where it is not finite."""
    return number if np.isfinite(number) else None
