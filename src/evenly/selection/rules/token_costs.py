"""The number of tokens of each row, given or counted, for `token_budget=`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evenly.embedding.tokens import count_tokens, load_tokenizer
from evenly.errors import BudgetError, OptionError
from evenly.options import RuleOptions
from evenly.selection.rules.row_values import numbers_of
from evenly.shapes import Bool, Int

if TYPE_CHECKING:
    from evenly.inputs.prepare import PreparedData


def token_costs(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    include: Int[np.ndarray, " i"],
    options: RuleOptions,
) -> Int[np.ndarray, " n"] | None:
    """Return the cost of each row, in tokens or in whatever `costs` count; 0 if it is not usable.

    Raises:
        DataError: the cost of a usable row is missing, negative or not a whole number.
        OptionError: there are no texts to count tokens in.
        BudgetError: no usable row fits the budget, or the rows to include do not.
    """
    budget = options.token_budget
    if budget is None:
        return None
    if options.costs is not None:
        costs = numbers_of(prepared, "costs", options.costs, whole=True).astype(np.int64)
        costs[~usable] = 0
    else:
        costs = np.where(usable, _counted(prepared, usable, options), 0)
    taken = int(costs[include].sum())
    if taken > budget:
        raise BudgetError(
            f"the {len(include)} rows of include= cost {taken} tokens, more than "
            f"token_budget={budget}."
        )
    if not len(include) and (cheapest := int(costs[usable].min())) > budget:
        raise BudgetError(
            f"token_budget is {budget}, and the cheapest usable row costs {cheapest}."
        )
    return costs


def _counted(
    prepared: PreparedData, usable: Bool[np.ndarray, " n"], options: RuleOptions
) -> Int[np.ndarray, " n"]:
    if not prepared.samples.holds_records:
        raise OptionError(
            f"{prepared.samples.origin} holds vectors, and no texts to count tokens in. Say what "
            "each row costs: costs=…"
        )
    return prepared.remember("tokens", lambda: _count(prepared, usable, options))


def _count(
    prepared: PreparedData, usable: Bool[np.ndarray, " n"], options: RuleOptions
) -> Int[np.ndarray, " n"]:
    rows = np.flatnonzero(usable)
    every = prepared.all_texts()
    texts = [every[row] for row in rows.tolist()]
    inputs = prepared.options
    backend = (inputs.encoder_options or {}).get("backend", "torch")
    tokenizer = load_tokenizer(options.tokenizer, encoder=inputs.encoder, backend=backend)
    counts = np.zeros(len(prepared), np.int64)
    counts[rows] = count_tokens(texts, tokenizer, progress=inputs.progress)
    return counts
