"""`token_budget=` and `costs=`: what each row costs, given or counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from evenly.embedding.tokens import count_tokens, load_tokenizer
from evenly.errors import BudgetError, OptionError
from evenly.options import whole_number
from evenly.samples import read_texts
from evenly.selection.rules.row_values import numbers_of

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

    from evenly.inputs.prepare import PreparedData

__all__ = ["check_costs", "costs_of"]


def check_costs(token_budget: Any, costs: Any, tokenizer: Any) -> None:
    """Refuse what can be the tokens of no data.

    Raises:
        OptionError: the budget is no whole number of at least 1; costs or a tokenizer come
            without it, or both with it.
    """
    if token_budget is not None:
        whole_number("token_budget", token_budget, least=1)
    else:
        for name, given in (("costs", costs), ("tokenizer", tokenizer)):
            if given is not None:
                raise OptionError(f"{name}= is for token_budget=, which is not given.")
    if costs is not None and tokenizer is not None:
        raise OptionError("costs= and tokenizer= both say what rows cost; give one.")


def costs_of(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    include: Int[np.ndarray, " i"],
    token_budget: int | None,
    *,
    costs: Any,
    tokenizer: Any,
    input_options: Mapping[str, Any],
) -> Int[np.ndarray, " n"] | None:
    """What each row costs, in tokens or in whatever `costs` count; 0 where it is not usable.

    Raises:
        DataError: the cost of a usable row is missing, negative or no whole number.
        OptionError: there is nothing to count tokens in, or with.
        BudgetError: not one usable row fits the budget, or those to include do not.
    """
    if token_budget is None:
        return None
    if costs is not None:
        found = numbers_of(prepared, "costs", costs, whole=True).astype(np.int64)
        found[~usable] = 0
    else:
        found = _counted(prepared, usable, tokenizer, input_options)
    taken = int(found[include].sum())
    if taken > token_budget:
        raise BudgetError(
            f"the {len(include)} rows of include= cost {taken} tokens, more than "
            f"token_budget={token_budget}."
        )
    if not len(include) and (cheapest := int(found[usable].min())) > token_budget:
        raise BudgetError(
            f"token_budget is {token_budget}, and the cheapest usable row costs {cheapest}."
        )
    return found


def _counted(
    prepared: PreparedData,
    usable: Bool[np.ndarray, " n"],
    tokenizer: Any,
    input_options: Mapping[str, Any],
) -> Int[np.ndarray, " n"]:
    if prepared.samples.holds_vectors:
        raise OptionError(
            f"{prepared.samples.origin} holds vectors, and no texts to count tokens in. Say what "
            "each row costs: costs=…"
        )
    text, roles = (input_options.get(name) for name in ("text", "roles"))
    texts = read_texts(prepared.samples, text, ("user",) if roles is None else roles).values
    counting = load_tokenizer(
        tokenizer,
        encoder=input_options.get("encoder", "all-MiniLM-L6-v2"),
        backend=(input_options.get("encoder_options") or {}).get("backend", "torch"),
    )
    counts = np.zeros(len(prepared), np.int64)
    rows = np.flatnonzero(usable)
    counts[rows] = count_tokens(
        [texts[row] for row in rows.tolist()], counting, progress=input_options.get("progress")
    )
    return counts
