"""The number of tokens of each row, given or counted, for `token_budget=`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evenly.embedding.tokens import count_tokens, load_tokenizer
from evenly.errors import BudgetError, OptionError
from evenly.options import RuleOptions
from evenly.samples import read_whole, text_columns
from evenly.selection.rules.row_values import numbers_of
from evenly.shapes import Bool, Int
from evenly.tables import count

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData


@dataclass(frozen=True, eq=False)
class TokenCosts:
    """What each row costs.

    Attributes:
        tokens: (n,) the cost of each row, 0 if it is not usable.
        counted: what was counted, for people: columns, or the option that gave the costs.
    """

    tokens: Int[np.ndarray, " n"]
    counted: str


def token_costs(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    include: Int[np.ndarray, " i"],
    options: RuleOptions,
) -> TokenCosts | None:
    """Return the cost of each row, in tokens or in whatever `costs` count; None without a budget.

    Raises:
        DataError: the cost of a usable row is missing, negative or not a whole number.
        OptionError: there are no texts to count tokens in.
        BudgetError: no usable row fits the budget, or the rows to include do not.
    """
    budget = options.token_budget
    if budget is None:
        return None
    costs = costs_of_rows(prepared, np.flatnonzero(prepared.points.eligible), options)
    tokens = np.where(usable, costs.tokens, 0)
    taken = int(tokens[include].sum())
    if taken > budget:
        raise BudgetError(
            f"the {count(len(include), 'row')} of include= "
            f"{'costs' if len(include) == 1 else 'cost'} "
            f"{count(taken, 'token')}, more than "
            f"token_budget={budget}."
        )
    if not len(include) and (cheapest := int(tokens[usable].min())) > budget:
        raise BudgetError(
            f"token_budget is {budget}, and the cheapest usable row costs {cheapest} "
            f"({costs.counted})."
        )
    return TokenCosts(tokens, costs.counted)


def costs_of_rows(
    prepared: PreparedData, rows: Int[np.ndarray, " m"], options: RuleOptions
) -> TokenCosts:
    """Return what some rows cost: `costs`, or their tokens, which are counted once.

    Raises:
        DataError: the cost of a usable row is missing, negative or not a whole number.
        OptionError: there are no texts to count tokens in.
    """
    if options.costs is not None:
        given = numbers_of(prepared, "costs", options.costs, whole=True).astype(np.int64)
        name = f"column {options.costs}" if isinstance(options.costs, str) else "costs="
        return TokenCosts(given, name)
    if not prepared.samples.holds_records:
        raise OptionError(
            f"{prepared.samples.origin} holds vectors, and no texts to count tokens in. Say what "
            "each row costs: costs=…"
        )
    return prepared.remember("tokens", lambda: _count(prepared, rows, options))


def _count(prepared: PreparedData, rows: Int[np.ndarray, " m"], options: RuleOptions) -> TokenCosts:
    inputs = prepared.options
    backend = (inputs.encoder_options or {}).get("backend", "torch")
    tokenizer = load_tokenizer(options.tokenizer, encoder=inputs.encoder, backend=backend)
    # Columns that another option explains are no part of what is trained on.
    named = (options.id_column, options.groups, options.quality)
    leave_out = [name for name in named if isinstance(name, str)]
    is_embedded = inputs.text is not None or not prepared.samples.holds_vectors
    embedded = text_columns(prepared.samples, inputs.text) if is_embedded else ()
    texts, counted = read_whole(
        prepared.samples, options.count, embedded=embedded, leave_out=leave_out
    )
    wanted = np.zeros(len(prepared), bool)
    wanted[rows] = True
    tokens = np.zeros(len(prepared), np.int64)
    some = itertools.compress(texts, wanted.tobytes())
    tokens[wanted] = count_tokens(some, tokenizer, total=len(rows), progress=inputs.progress)
    return TokenCosts(tokens, counted)
