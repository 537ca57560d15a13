"""A selection from a stream that receives batch after batch, can be saved, and continues later."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

import numpy as np
from typing_extensions import Self

from evenly._version import __version__
from evenly.caller import level_of_the_caller
from evenly.errors import (
    BudgetError,
    CheckpointError,
    DataError,
    DuplicateRowsWarning,
    EmptyPoolError,
    EvenlyError,
    OptionError,
    VectorError,
)
from evenly.geometry import Points
from evenly.inputs.prepare import PreparedData, load_model, prepare
from evenly.options import (
    DEFAULT_ENCODER,
    InputOptions,
    NotKept,
    OnInvalid,
    StreamOptions,
    TextColumns,
    documented,
    whole_number,
)
from evenly.options.checks import shown
from evenly.paths import spare_inputs
from evenly.samples import Samples, column_of, read_batch
from evenly.selection.results.provenance import (
    EncoderRecord,
    InputRecord,
    Provenance,
    describe_encoder,
    input_options,
    now,
)
from evenly.selection.results.stream import StreamSelection
from evenly.selection.streaming.cover import StreamingCover, radius_around
from evenly.selection.streaming.state import StreamState, load_state, save_state
from evenly.tables import count


class UniformStream:
    """A selection from a stream that receives batch after batch.

        stream = UniformStream(1000, text="text")
        for batch in batches:
            stream.update(batch)
        subset = stream.result()

    `result` can be called at any time, and more batches may follow. The order of the rows
    changes the answer; how the stream is divided into batches does not, apart from the last bits
    of a transformer's vectors, which depend on the texts that are embedded together.

    Args:
        budget: how many rows to choose.

    Attributes:
        budget: how many rows to choose.
        seen: the number of rows that have arrived.
        dropped: the number of rows that could not be used, with `on_invalid="drop"`.

    Sources: `StreamingCover` in `evenly.selection.streaming.cover` has the algorithm and its
        guarantee, after Charikar, Chekuri, Feder and Motwani 1997, doi:10.1145/258533.258657.
    """

    @documented(InputOptions, StreamOptions)
    def __init__(
        self,
        budget: int,
        *,
        text: TextColumns = None,
        roles: Sequence[str] = ("user",),
        vectors: Any = None,
        encoder: Any = DEFAULT_ENCODER,
        encoder_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        normalize: bool = True,
        on_invalid: OnInvalid = "error",
        keep: int = 4,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
    ) -> None:
        """Start with no rows.

        Args:
            budget: how many rows to choose.

        """
        arguments = locals()
        self._start(budget, InputOptions.of(arguments), StreamOptions.of(arguments))

    @classmethod
    def of(cls, budget: int, inputs: InputOptions, how: StreamOptions) -> Self:
        """Start a stream with these options."""
        stream = cls.__new__(cls)
        stream._start(budget, inputs, how)
        return stream

    def _start(self, budget: int, inputs: InputOptions, how: StreamOptions) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 1:
            raise BudgetError(
                f"the budget of a stream is a whole number of rows, 1 or more, got {shown(budget)}."
            )
        if inputs.vectors is not None and column_of(inputs.vectors) is None:
            raise OptionError(
                "the vectors of a UniformStream are a column of its batches: vectors='embedding'. "
                "For a file or an array of them, use select_stream."
            )
        self.budget = int(budget)
        self.keep = how.keep
        self._inputs = replace(inputs, progress=False)
        self._model: Any = None
        self._sources: dict[str, None] = {}
        self._state = StreamState(StreamingCover(self.budget, self.keep * self.budget))

    @property
    def seen(self) -> int:
        """The number of rows that have arrived."""
        return self._state.seen

    @property
    def dropped(self) -> int:
        """The number of rows that could not be used, with `on_invalid="drop"`."""
        return self._state.dropped

    @property
    def last_arrival(self) -> str | None:
        """The hash of the rows that `evenly stream --state` took in last; None if there is none."""
        return self._state.last_arrival

    @last_arrival.setter
    def last_arrival(self, value: str) -> None:
        """Remember the hash of the rows that were taken in last."""
        self._state.last_arrival = value

    @property
    def settings(self) -> dict[str, Any]:
        """The options as JSON values; streams with the same settings give the same answer."""
        options = input_options(self._inputs)
        options["vectors"] = self._inputs.vectors  # a column
        return {"budget": self.budget, "keep": self.keep, **options}

    @property
    def candidates(self) -> int:
        """The number of rows that are kept to choose from."""
        return len(self._state.cover)

    def update(self, batch: Any, *, batch_size: int = 8192) -> None:
        """Take in more rows.

        Args:
            batch: see `select_stream`; paths are read `batch_size` rows at a time.
            batch_size: the most rows taken in at once.

        Raises:
            DataError: the batch cannot be used; the message says which row.
        """
        size = whole_number("batch_size", batch_size, least=1)
        for samples in read_batch(batch, size, self._inputs.vectors):
            self.add(samples)

    def add(self, samples: Samples) -> None:
        """Take in the rows of one batch that was opened already."""
        state, count = self._state, len(samples)
        first = state.seen
        if samples.path is not None:
            self._sources[samples.path] = None
        prepared = self._prepare(samples)
        if prepared is None:
            state.dropped += count
        else:
            self._check_same_kind(prepared)
            assert isinstance(prepared.points, Points)
            equal = state.cover.add(prepared.points, np.arange(first, first + count))
            duplicates = sorted([*state.equal, *equal])[: self.budget]
            state.equal = duplicates if state.cover.threshold == 0.0 else []
            state.keep_records(samples, first)
            state.dropped += len(prepared.dropped)
        state.seen = first + count

    def result(self) -> StreamSelection:
        """Return the rows chosen among all that have arrived.

        Raises:
            BudgetError: fewer usable rows arrived than the budget.
        """
        state, cover = self._state, self._state.cover
        usable = state.seen - state.dropped
        if usable < self.budget:
            raise BudgetError(
                f"the budget is {count(self.budget, 'row')}, but only "
                f"{count(usable, 'usable row')} arrived."
            )
        found = cover.select(min(self.budget, len(cover)))
        equal = sorted(state.equal)[: self.budget - len(found.positions)]
        indices = np.concatenate([cover.numbers[found.positions], np.array(equal, np.int64)])
        radii = np.concatenate([found.radii, np.zeros(len(equal))])
        if equal:
            are = "is" if len(found.positions) == 1 else "are"
            warnings.warn(
                f"only {len(found.positions)} of the rows that arrived {are} distinct, fewer than "
                f"the {self.budget} requested: h_min is 0.",
                DuplicateRowsWarning,
                stacklevel=level_of_the_caller(),
            )
        return StreamSelection(
            indices,
            radii,
            found.covered,
            None,
            0.0 if equal else found.h_min_bound,
            self._provenance(),
            state.records_of(indices),
            sources=tuple(self._sources),
        )

    def coverage_radius(
        self,
        batches: Iterable[Samples],
        found: StreamSelection,
        *,
        progress: Callable[[int], object] = lambda _: None,
    ) -> float:
        """Return the largest distance from any row to the nearest chosen one: a second pass.

        Raises:
            DataError: the batches are not those of the first pass.
        """
        cover = self._state.cover
        chosen = cover.points.take(np.flatnonzero(np.isin(cover.numbers, found.indices)))
        radius, rows = 0.0, 0
        for samples in batches:
            prepared = self._prepare(samples)
            rows += len(samples)
            if prepared is not None:
                assert isinstance(prepared.points, Points)
                radius = max(radius, radius_around(prepared.points, chosen))
            progress(len(samples))
        if rows != self.seen:
            raise DataError(
                f"{count(self.seen, 'row')} arrived in the first pass and {rows:,} in the "
                "second. For the "
                "true coverage radius the batches must be the same both times."
            )
        return radius

    def save(self, path: str | PathLike[str], *, force: bool = False) -> None:
        """Save everything that is needed to continue later, as one file; nothing is pickled.

        Raises:
            OutputExistsError: the file exists and `force` is not set.
            OutputError: the file cannot be written or is a file of the stream, or a record
                cannot be written as JSON.
        """
        spare_inputs(path, self._sources)
        save_state(path, self.settings, self._state, force=force)

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        text: TextColumns = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
    ) -> Self:
        """Load what `save` wrote.

        Args:
            path: the file.
            text: the same again, if it was a function.
            encoder: the same again, if it was a Python object.
            encoder_options: added to the saved ones. `trust_remote_code` must be given again if
                the model needs it: a file does not grant it.
            device, cache_dir: as in `select_uniform`.

        Raises:
            CheckpointError: the file is something else, is damaged, or has another version; or
                an option was a Python object and is not passed again.
        """
        options, state = load_state(path)
        for name, again in (("text", text), ("encoder", encoder)):
            if again is not None:
                options[name] = again
            if isinstance(options[name], NotKept) and state.encoder is not None:
                raise CheckpointError(
                    f"{path} cannot be resumed: {name} was a Python object ({options[name]}). "
                    f"Pass it again: {name}=…"
                )
        kept = dict(options["encoder_options"])
        kept.pop("trust_remote_code", None)
        inputs = {
            **options,
            "encoder_options": {**kept, **(encoder_options or {})},
            "device": device,
            "cache_dir": cache_dir,
            "progress": False,
        }
        stream = cls.of(options["budget"], InputOptions.of(inputs), StreamOptions.of(options))
        stream._state = state
        return stream

    def _prepare(self, samples: Samples) -> PreparedData | None:
        """Prepare a batch; None if none of its rows can be used and these are dropped."""
        options = self._inputs
        if samples.beside is not None:
            options = replace(options, vectors=None)
        elif self._model is None and not samples.holds_vectors and options.vectors is None:
            self._model = load_model(options)
        if self._model is not None:
            options = replace(options, encoder=self._model, encoder_options=None)
        try:
            return prepare(samples, options)
        except EmptyPoolError:
            if options.on_invalid != "drop":
                raise
            return None
        except EvenlyError as error:
            if self.seen:
                error.args = (f"in the batch that begins with row {self.seen:,}: {error}",)
            raise

    def _check_same_kind(self, prepared: PreparedData) -> None:
        """Raise VectorError if a batch has other vectors than those before it."""
        state = self._state
        encoder = describe_encoder(prepared, hashed=False)
        beside = prepared.samples.beside is not None
        if state.cover.dimension is None:
            state.encoder, state.text, state.beside = encoder, prepared.text, beside
            return
        after = _kind(prepared.points.dimension, encoder, prepared.text, beside=beside)
        before = _kind(state.cover.dimension, state.encoder, state.text, beside=state.beside)
        if after != before:
            raise VectorError(
                f"the batch that begins with row {state.seen:,} is of another kind than those "
                f"before: {after} now, {before} before. Pass batches of one kind; if the columns "
                "of the records differ, say which hold the text: text=…"
            )
        if encoder is not None and state.encoder is not None:
            so_far = state.encoder
            state.encoder = replace(
                so_far,
                truncated=so_far.truncated + encoder.truncated,
                reused=so_far.reused + encoder.reused,
                computed=so_far.computed + encoder.computed,
            )

    def _provenance(self) -> Provenance:
        state, options = self._state, self.settings
        if state.encoder is None:
            del options["encoder"], options["encoder_options"]
        stream = {
            "dropped": state.dropped,
            "candidates": len(state.cover),
            "threshold": state.cover.threshold,
        }
        return Provenance(
            evenly=__version__,
            input=InputRecord(
                f"a stream of {count(state.seen, 'row')}", state.seen, state.cover.dimension
            ),
            options=options,
            text=state.text,
            encoder=state.encoder,
            created=now(),
            details={"stream": stream},
        )


def _kind(
    dimension: int | None, encoder: EncoderRecord | None, text: str | None, *, beside: bool
) -> str:
    if encoder is None:
        return f"{dimension} numbers {'beside each record' if beside else 'a row'}"
    fingerprint = str(encoder.fingerprint)[:19]
    return f"{dimension} numbers a row of {text} by {encoder.name} {fingerprint}"
