"""Every option, declared once."""

from evenly.options.checks import whole_number
from evenly.options.declaration import Options, declared
from evenly.options.documentation import documented
from evenly.options.inputs import (
    DEFAULT_ENCODER,
    ENGINES,
    EncoderOptions,
    InputOptions,
    OnInvalid,
    TextColumns,
)
from evenly.options.report import ReportOptions
from evenly.options.rules import RuleOptions
from evenly.options.values import NotKept, as_json_value, in_words
from evenly.options.verbs import (
    BudgetOptions,
    DeduplicationOptions,
    FillOptions,
    MeasuringOptions,
    QualityOptions,
    StreamOptions,
    UniformOptions,
)

__all__ = [
    "DEFAULT_ENCODER",
    "ENGINES",
    "BudgetOptions",
    "DeduplicationOptions",
    "EncoderOptions",
    "FillOptions",
    "InputOptions",
    "MeasuringOptions",
    "NotKept",
    "OnInvalid",
    "Options",
    "QualityOptions",
    "ReportOptions",
    "RuleOptions",
    "StreamOptions",
    "TextColumns",
    "UniformOptions",
    "as_json_value",
    "declared",
    "documented",
    "in_words",
    "whole_number",
]
