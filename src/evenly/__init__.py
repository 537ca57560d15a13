"""Choose training data that is spread evenly.

    from evenly import select_uniform

    subset = select_uniform("train.jsonl", budget=5000, text=["instruction", "input"])
    subset.h_min
    subset.write("train-5k.jsonl")

Names are imported when they are first used: `import evenly` itself loads no heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evenly._version import __version__

if TYPE_CHECKING:
    from evenly.embedding import Embeddings, Encoder
    from evenly.inputs.embed import embed
    from evenly.metrics import (
        BudgetSuggestion,
        Measures,
        RowsAt,
        measure,
        rows_at,
        suggest_budget,
    )
    from evenly.reporting import Comparison, compare
    from evenly.reporting.page import Report, report
    from evenly.selection import Selection, select_uniform
    from evenly.selection.assign import Assignments
    from evenly.selection.by_quality import select_by_quality
    from evenly.selection.deduplicate import deduplicate
    from evenly.selection.estimate import estimate
    from evenly.selection.explain import Explanation
    from evenly.selection.refine import Refine
    from evenly.selection.results.deduplication import Deduplication
    from evenly.selection.results.estimation import Estimate
    from evenly.selection.results.stream import StreamSelection
    from evenly.selection.stream import select_stream
    from evenly.selection.streaming.uniform_stream import UniformStream

__all__ = [
    "Assignments",
    "BudgetSuggestion",
    "Comparison",
    "Deduplication",
    "Embeddings",
    "Encoder",
    "Estimate",
    "Explanation",
    "Measures",
    "Refine",
    "Report",
    "RowsAt",
    "Selection",
    "StreamSelection",
    "UniformStream",
    "__version__",
    "compare",
    "deduplicate",
    "embed",
    "estimate",
    "measure",
    "report",
    "rows_at",
    "select_by_quality",
    "select_stream",
    "select_uniform",
    "suggest_budget",
]

_HOMES = {
    "Assignments": "evenly.selection.assign",
    "BudgetSuggestion": "evenly.metrics",
    "Comparison": "evenly.reporting",
    "Deduplication": "evenly.selection.results.deduplication",
    "Embeddings": "evenly.embedding",
    "Encoder": "evenly.embedding",
    "Estimate": "evenly.selection.results.estimation",
    "Explanation": "evenly.selection.explain",
    "Measures": "evenly.metrics",
    "Refine": "evenly.selection.refine",
    "Report": "evenly.reporting.page",
    "RowsAt": "evenly.metrics",
    "Selection": "evenly.selection",
    "StreamSelection": "evenly.selection.results.stream",
    "UniformStream": "evenly.selection.streaming.uniform_stream",
    "compare": "evenly.reporting",
    "deduplicate": "evenly.selection.deduplicate",
    "embed": "evenly.inputs.embed",
    "errors": "evenly.errors",
    "estimate": "evenly.selection.estimate",
    "measure": "evenly.metrics",
    "plot": "evenly.plot",
    "report": "evenly.reporting.page",
    "rows_at": "evenly.metrics",
    "select_by_quality": "evenly.selection.by_quality",
    "select_stream": "evenly.selection.stream",
    "select_uniform": "evenly.selection",
    "suggest_budget": "evenly.metrics",
}
_MODULES = ("errors", "plot")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'evenly' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if name in _MODULES else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
