"""Choosing from a stream: one pass, and memory for some times the budget."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from tqdm import tqdm

from evenly._version import __version__
from evenly.caller import level_of_the_caller
from evenly.errors import (
    BudgetError,
    DataError,
    DuplicateRowsWarning,
    EmptyPoolError,
    EvenlyError,
    OptionError,
    VectorError,
)
from evenly.geometry import Points
from evenly.inputs.checks import OnInvalid
from evenly.inputs.prepare import PreparedData, TextColumns, load_once, prepare
from evenly.options import as_json_value, whole_number
from evenly.samples import Samples, can_be_read_again, read_batch, read_batches
from evenly.selection.results.stream import StreamSelection
from evenly.selection.streaming.cover import StreamingCover, radius_around
from evenly.selection.streaming.state import load_state, save_state

if TYPE_CHECKING:
    from jaxtyping import Int

__all__ = ["UniformStream", "select_stream"]

KEEP = 4
"""StreamingCover kept for each row of the budget, by default."""

BATCH = 8192
"""Rows taken in at once, by default."""


def select_stream(
    batches: Any,
    budget: int,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    normalize: bool = True,
    on_invalid: OnInvalid = "error",
    keep: int = KEEP,
    batch_size: int = BATCH,
    second_pass: bool = False,
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> StreamSelection:
    """Choose `budget` rows of a stream in one pass, with memory for `keep`·budget rows.

    For data that come once, or are too many for `select_uniform`, which chooses better: here the
    chosen rows cover the stream within 8 times the smallest radius with which any `budget` points
    could (there within 2 times). In practice h_min and coverage come within some per cent of
    those of `select_uniform`. As long as no more than keep·budget different rows come, the answer
    is that of `select_uniform`.

    Args:
        batches: an iterable of batches: lists of texts or records, vectors (n, d), frames,
            tables or record batches, dicts of columns, paths, globs or folders, binary streams
            of JSON Lines; or one of these by itself; or an IterableDataset.
        budget: how many rows.
        text, roles, encoder, encoder_options, device, normalize, on_invalid, cache_dir: as in
            `select_uniform`.
        keep: candidates for each row of the budget, 2 or more: more choose better.
        batch_size: rows taken in at once, at most. It does not change the answer.
        second_pass: go through the batches again, to know the true coverage radius.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        StreamSelection: row numbers as the rows came, their records, and bounds that are true.

    Raises:
        BudgetError: fewer usable rows came than the budget.
        DataError: a batch cannot be used; the message says which.
        OptionError: a second pass over what can be read only once.

    Cost: at most n·keep·budget·d multiplications, as matrix products, beside the encoder's.
        Memory: keep·budget rows with their records, and one batch.

    Sources: see `UniformStream`.
    """
    if second_pass and not can_be_read_again(batches):
        raise OptionError(
            f"second_pass needs batches that can be read twice, and this {type(batches).__name__} "
            "cannot be. Pass a list, paths, or an object whose __iter__ begins anew."
        )
    batch_size = whole_number("batch_size", batch_size, least=1)
    stream = UniformStream(
        budget,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        device=device,
        normalize=normalize,
        on_invalid=on_invalid,
        keep=keep,
        cache_dir=cache_dir,
    )
    with _bar("choosing", progress) as bar:
        for samples in read_batches(batches, batch_size):
            stream._meet(samples)
            bar.update(len(samples))
            bar.set_postfix_str(f"{stream.candidates:,} candidates", refresh=False)
    found = stream.result()
    if not second_pass:
        return found
    with _bar("measuring", progress) as bar:
        radius = stream._radius_of(read_batches(batches, batch_size), found, bar)
    return replace(found, coverage_radius=radius)


def _bar(name: str, progress: bool | None) -> Any:
    return tqdm(desc=name, unit="row", disable=None if progress is None else not progress)


class UniformStream:
    """A selection from a stream that is fed batch by batch, saved, and gone on with later.

        stream = UniformStream(1000, text="text")
        for batch in batches:
            stream.update(batch)
        subset = stream.result()

    `result` may be asked for at any time, and more batches may follow. How the stream is cut
    into batches does not change the answer, the order of the rows does.

    Args:
        budget: how many rows to choose.
        text, roles, encoder, encoder_options, device, normalize, on_invalid, cache_dir: as in
            `select_uniform`.
        keep: candidates for each row of the budget, 2 or more: more choose better.

    Attributes:
        seen: how many rows have come.
        dropped: how many of them could not be used, with `on_invalid="drop"`.

    Sources: `StreamingCover` in `evenly.selection.streaming.cover` has the algorithm and its guarantee,
        after Charikar, Chekuri, Feder and Motwani 1997, doi:10.1145/258533.258657.
    """

    def __init__(
        self,
        budget: int,
        *,
        text: TextColumns = None,
        roles: Sequence[str] = ("user",),
        encoder: Any = "all-MiniLM-L6-v2",
        encoder_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        normalize: bool = True,
        on_invalid: OnInvalid = "error",
        keep: int = KEEP,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
    ) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 1:
            raise BudgetError(
                f"the budget of a stream is a whole number of rows, 1 or more, got {budget!r}."
            )
        self.budget = int(budget)
        self.keep = whole_number("keep", keep, least=2)
        self.seen = 0
        self.dropped = 0
        self._options: dict[str, Any] = {
            "text": text,
            "roles": roles,
            "normalize": bool(normalize),
            "on_invalid": on_invalid,
        }
        self._encoding = {
            "encoder": encoder,
            "encoder_options": dict(encoder_options or {}),
            "device": device,
        }
        self._cache_dir = cache_dir
        self._encoder: Any = None
        # Of the first batch of texts: what the vectors were made by, and from which columns.
        self._made_by: dict[str, Any] | None = None
        self._text: str | None = None
        self._candidates = StreamingCover(self.budget, self.keep * self.budget)
        self._records: dict[int, Any] = {}
        self._equal: list[int] = []  # rows that equal a candidate, while all of these are kept

    @property
    def settings(self) -> dict[str, Any]:
        """What it was made with, as JSON values: streams with the same ones are the same."""
        encoding = {name: self._encoding[name] for name in ("encoder", "encoder_options")}
        settings = {"budget": self.budget, "keep": self.keep, **self._options, **encoding}
        told: dict[str, Any] = as_json_value(settings)
        return told

    @property
    def candidates(self) -> int:
        """How many rows are kept to choose from."""
        return len(self._candidates)

    def update(self, batch: Any, *, batch_size: int = BATCH) -> None:
        """Take in more rows.

        Args:
            batch: see `select_stream`; paths are read `batch_size` rows at a time.
            batch_size: rows taken in at once, at most.

        Raises:
            DataError: the batch cannot be used; the message says which row.
        """
        for samples in read_batch(batch, whole_number("batch_size", batch_size, least=1)):
            self._meet(samples)

    def result(self) -> StreamSelection:
        """The rows chosen among all that have come.

        Raises:
            BudgetError: fewer usable rows came than the budget.
        """
        usable = self.seen - self.dropped
        if usable < self.budget:
            raise BudgetError(
                f"the budget is {self.budget} rows, and only {usable} usable ones have come."
            )
        candidates = self._candidates
        found = candidates.select(min(self.budget, len(candidates)))
        equal = sorted(self._equal)[: self.budget - len(found.positions)]
        indices = np.concatenate([candidates.numbers[found.positions], np.array(equal, np.int64)])
        radii = np.concatenate([found.radii, np.zeros(len(equal))])
        if equal:
            warnings.warn(
                f"only {len(found.positions)} of the rows that came are distinct, fewer than the "
                f"{self.budget} asked for: h_min is 0.",
                DuplicateRowsWarning,
                stacklevel=level_of_the_caller(),
            )
        h_min = float(radii[-1])
        bound = np.inf if self.budget == 1 else 2.0 * (h_min + found.slack)
        return StreamSelection(
            indices, radii, found.covered, None, bound, self._provenance(), self._taken(indices)
        )

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Save all that is needed to go on later, as one .npz file; nothing is pickled.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: it cannot be written, or a record is no JSON.
        """
        document = {
            "settings": self.settings,
            "seen": self.seen,
            "dropped": self.dropped,
            "equal": self._equal,
            "made_by": self._made_by,
            "text": self._text,
        }
        save_state(path, document, self._candidates, self._records, force=force)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        text: TextColumns = None,
        encoder: Any = None,
        device: str = "auto",
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
    ) -> UniformStream:
        """Load what `save` wrote.

        Args:
            path: the file.
            text: again, where it was a function.
            encoder: again, where it was a Python object.
            device, cache_dir: as in `select_uniform`.

        Raises:
            CheckpointError: the file is something else, is damaged, or is from a newer version;
                or an option was a Python object and is not passed again.
        """
        return load_state(cls, path, text=text, encoder=encoder, device=device, cache_dir=cache_dir)

    def _meet(self, samples: Samples) -> None:
        first, count = self.seen, len(samples)
        prepared = self._take_in(samples)
        if prepared is None:
            self.dropped += count
        else:
            self._check_same_kind(prepared, first)
            assert isinstance(prepared.points, Points)
            equal = self._candidates.add(prepared.points, np.arange(first, first + count))
            some = sorted([*self._equal, *equal])[: self.budget]
            self._equal = some if self._candidates.threshold == 0.0 else []
            self._keep_records(samples, first)
            self.dropped += len(prepared.dropped)
        self.seen = first + count

    def _take_in(self, samples: Samples) -> PreparedData | None:
        """A batch; None where none of its rows can be used, and these are dropped."""
        if self._encoder is None and not samples.holds_vectors:
            self._encoder = load_once(**self._encoding)
        try:
            return prepare(
                samples,
                encoder=self._encoder,
                **self._options,
                cache_dir=self._cache_dir,
                progress=False,
            )
        except EmptyPoolError:
            if self._options["on_invalid"] != "drop":
                raise
            return None
        except EvenlyError as error:
            if self.seen:
                error.args = (f"in the batch that begins with row {self.seen:,}: {error}",)
            raise

    def _check_same_kind(self, prepared: PreparedData, first: int) -> None:
        made_by = _made_by(prepared)
        now = (prepared.points.dimension, _name(made_by), prepared.text)
        if self._candidates.dimension is None:
            self._made_by, self._text = made_by, prepared.text
            return
        before = (self._candidates.dimension, _name(self._made_by), self._text)
        if now != before:
            raise VectorError(
                f"the batch that begins with row {first:,} is not of the kind of those before: "
                f"{_told(now)} now, {_told(before)} before. Pass batches of one kind; of records "
                "whose columns differ, say which hold the text: text=…"
            )
        if made_by is not None and self._made_by is not None:
            self._made_by["truncated"] += made_by["truncated"]

    def _keep_records(self, samples: Samples, first: int) -> None:
        """Keep the records of the candidates, and no others; vectors are in these already."""
        wanted = set(self._equal)
        if self._made_by is not None:
            wanted.update(self._candidates.numbers.tolist())
        self._records = {row: kept for row, kept in self._records.items() if row in wanted}
        new = sorted(wanted - set(self._records))
        self._records.update(zip(new, samples.records([row - first for row in new]), strict=True))

    def _taken(self, indices: Int[np.ndarray, " k"]) -> Any:
        rows = indices.tolist()
        if self._made_by is not None:
            return [self._records[row] for row in rows]
        stored, numbers = self._candidates.points.stored, self._candidates.numbers
        positions = dict(zip(numbers.tolist(), range(len(numbers)), strict=True))
        return np.array(
            [stored[positions[row]] if row in positions else self._records[row] for row in rows]
        )

    def _provenance(self) -> dict[str, Any]:
        now = datetime.datetime.now(datetime.timezone.utc)
        options = {**self._options, "budget": self.budget, "keep": self.keep}
        encoding = {} if self._made_by is None else dict(self._encoding)
        return {
            "evenly": __version__,
            "created": now.isoformat(timespec="seconds"),
            "options": as_json_value({**options, **encoding}),
            "input": {
                "origin": f"a stream of {self.seen:,} rows",
                "path": None,
                "rows": self.seen,
                "dimension": self._candidates.dimension,
            },
            "text": self._text,
            "encoder": self._made_by,
            "dropped": self.dropped,
            "candidates": len(self._candidates),
            "threshold": self._candidates.threshold,
        }

    def _radius_of(self, batches: Any, found: StreamSelection, bar: Any) -> float:
        """The largest distance from any row to the nearest chosen one: a second pass."""
        candidates = self._candidates
        chosen = candidates.points.take(np.flatnonzero(np.isin(candidates.numbers, found.indices)))
        radius, rows = 0.0, 0
        for samples in batches:
            prepared = self._take_in(samples)
            rows += len(samples)
            if prepared is not None:
                assert isinstance(prepared.points, Points)
                radius = max(radius, radius_around(prepared.points, chosen))
            bar.update(len(samples))
        if rows != self.seen:
            raise DataError(
                f"{self.seen:,} rows came in the first pass and {rows:,} in the second. For the "
                "true coverage radius the batches must be the same both times."
            )
        return radius


def _made_by(prepared: PreparedData) -> dict[str, Any] | None:
    """What made the vectors; None for vectors that came as such."""
    embeddings = prepared.embeddings
    if embeddings is None:
        return None
    return {
        "name": embeddings.encoder,
        "weights_hash": embeddings.weights_hash,
        "fingerprint": embeddings.fingerprint,
        "truncated": embeddings.truncated,
    }


def _name(made_by: dict[str, Any] | None) -> str | None:
    return None if made_by is None else f"{made_by['name']} {str(made_by['fingerprint'])[:19]}"


def _told(kind: tuple[int | None, str | None, str | None]) -> str:
    dimension, name, text = kind
    return f"{dimension} numbers a row" + ("" if name is None else f" of {text} by {name}")
