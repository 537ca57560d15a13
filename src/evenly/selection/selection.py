"""The class that users meet: the data of a selection, with the verbs that apply to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, Literal

from evenly.options import FillOptions, InputOptions, RuleOptions, TextColumns, documented
from evenly.selection.assign import Assignments, assign
from evenly.selection.explain import Explanation, explain
from evenly.selection.extend import extend_resumed, resume_to_extend
from evenly.selection.fill import fill_resumed, resume_to_fill
from evenly.selection.results.selection import SelectionData
from evenly.selection.resume import Again


@dataclass(frozen=True, eq=False, repr=False)
class Selection(SelectionData):
    """The chosen rows, in the order picked.

    The first m picks are exactly the answer for budget m (`prefix`).

    Attributes:
        indices: (k,) row numbers in the input, all distinct, in the order picked.
        radii: (k,) Euclidean distance (not squared) of each pick to the nearest earlier pick;
            radii[0] is inf, and they never increase. With rules: the radii of included rows may
            increase; distances to `away_from` count, also for the first row; and with a quality
            weight radii may increase.
        coverage_radius: the largest distance from any usable row of the input that is not
            excluded to the nearest chosen row (also called fill distance); 0 if all are chosen.
            nan in a prefix of a selection by quality, or with a quality weight.
        provenance: versions, options, the encoder and the hash of its weights, the content hash
            of the input, dropped rows, seconds by step.
    """

    @documented(InputOptions, RuleOptions)
    def extend(
        self,
        to: int | float,
        data: Any = None,
        *,
        text: TextColumns = None,
        vectors: Any = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        include: Any = None,
        exclude: Any = None,
        away_from: Any = None,
        id_column: Any = None,
        min_distance: float | None = None,
        groups: Any = None,
        quotas: Mapping[Any, Any] | None = None,
        costs: Any = None,
        count: Any = None,
        tokenizer: Any = None,
        quality: Any = None,
        engine: str = "auto",
        device: str = "auto",
        memory: str | float | None = None,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
        checkpoint: str | PathLike[str] | None = None,
        progress: bool | None = None,
    ) -> Selection:
        """Return the selection that a budget of `to` would have given, by choosing more rows.

        The options are those that this selection was made with.

        Args:
            to: the number of rows in all: more than there are, an int or a fraction.
            data: the data set the selection was made from, if the selection was loaded from a
                file and the input is no longer where it was. It may have another form, as long
                as it gives the same vectors.
            text: the same again, if it was a function.
            vectors: the same again, if they were an array, or if their file has moved.
            encoder: the same again, if it was a Python object.
            encoder_options: added to the earlier ones. `trust_remote_code` must be given again
                if the model needs it.
            include, exclude, away_from, id_column, groups, quotas, costs, count: the same again,
                if they were arrays or objects, which a selection does not keep.
            tokenizer, quality: likewise.
            checkpoint: as in `select_uniform`.

        Returns:
            Selection: the same as one run with budget `to`; radii are equal within rounding.
            `provenance.taken_over` is the number of picks that were there before.

        Raises:
            BudgetError: `to` is not more than there are, or more than there are usable rows.
            ManifestError: the input has changed, or gives other vectors; or an option was a
                Python object and is not passed again.
            OptionError: the input cannot be opened again, and `data` is not passed.
            CheckpointError: as in `select_uniform`.

        Cost: comparing rows with the earlier picks as far as necessary, and then the new picks:
            less than one long run, more than the difference.
        """
        again = Again.of(locals())
        resumed = resume_to_extend(self, to, data, again, checkpoint=checkpoint)
        return extend_resumed(self, resumed, checkpoint=checkpoint)

    @documented(InputOptions, FillOptions)
    def fill(
        self,
        data: Any = None,
        *,
        min_distance: float | None = None,
        seconds: float | None = None,
        seed: int = 0,
        text: TextColumns = None,
        vectors: Any = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        include: Any = None,
        exclude: Any = None,
        away_from: Any = None,
        id_column: Any = None,
        engine: str = "auto",
        device: str = "auto",
        memory: str | float | None = None,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
        progress: bool | None = None,
    ) -> Selection:
        """Return as many rows as can be found at the same h_min.

        Rows of this selection may be exchanged for others, except for the included ones.

        Args:
            data: as in `extend`.
            min_distance: how far apart rows must be, at most h_min; by default h_min.
            seconds: the most time for the search. By default it ends when several rounds in a
                row have found nothing, which gives the same answer on every machine. Ctrl-C ends
                it, too, with the best so far.
            text, vectors, encoder, encoder_options, include, exclude, away_from, id_column: as
                in `extend`.

        Returns:
            Selection: as many rows or more, such that no row of the pool could be added.
            `provenance.filled` describes the search.

        Raises:
            BudgetError: the selection has quotas, a token budget or qualities, or an h_min of 0.
            OptionError: `min_distance` is more than h_min.
            ManifestError, OptionError: as in `extend`.

        Cost: like that of `refine=` in `select_uniform`.
        """
        arguments = locals()
        how = FillOptions.of(arguments)
        # `min_distance` is the search's own here, and not a rule of the selection.
        again = Again.of({**arguments, "min_distance": None})
        return fill_resumed(self, resume_to_fill(self, data, again, how), how)

    @documented(InputOptions)
    def assignments(
        self,
        data: Any = None,
        *,
        text: TextColumns = None,
        vectors: Any = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        memory: str | float | None = None,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
        progress: bool | None = None,
    ) -> Assignments:
        """Return, for every row of the input, the chosen row nearest to it. Exact.

        Args:
            data, text, vectors, encoder, encoder_options: as in `extend`.

        Raises:
            ManifestError, OptionError, DataError: as in `extend`.

        Cost: at most n·k·d multiplications, as matrix products.
        """
        return assign(self, data, Again.of(locals()))

    @documented(InputOptions)
    def explain(
        self,
        row: int,
        data: Any = None,
        *,
        text: TextColumns = None,
        vectors: Any = None,
        encoder: Any = None,
        encoder_options: Mapping[str, Any] | None = None,
        device: str = "auto",
        memory: str | float | None = None,
        cache_dir: str | PathLike[str] | Literal[False] | None = None,
        progress: bool | None = None,
    ) -> Explanation:
        """Explain why a row of the input was chosen or left out: what is near it, and how near.

        Args:
            row: the row number in the input.
            data, text, vectors, encoder, encoder_options: as in `extend`.

        Returns:
            Explanation: print it, or use its numbers.

        Raises:
            RowError: the row is not in the input.
            ManifestError, OptionError, DataError: as in `extend`.

        Cost: preparing the input, with its vectors from the cache; then k·d.
        """
        return explain(self, row, data, Again.of(locals()))
