"""The public functions, and the classes that declare their options."""

from evenly import (
    Selection,
    UniformStream,
    compare,
    deduplicate,
    embed,
    estimate,
    measure,
    report,
    rows_at,
    select_by_quality,
    select_stream,
    select_uniform,
    suggest_budget,
)
from evenly.options import (
    BudgetOptions,
    DeduplicationOptions,
    FillOptions,
    InputOptions,
    MeasuringOptions,
    QualityOptions,
    ReportOptions,
    RuleOptions,
    StreamOptions,
    UniformOptions,
)

# The last class that declares an option counts.
VERBS = {
    select_uniform: (InputOptions, RuleOptions, UniformOptions),
    select_by_quality: (InputOptions, RuleOptions, QualityOptions),
    deduplicate: (InputOptions, DeduplicationOptions),
    select_stream: (InputOptions, StreamOptions),
    UniformStream.__init__: (InputOptions, StreamOptions),
    estimate: (InputOptions, RuleOptions),
    measure: (InputOptions, MeasuringOptions),
    compare: (InputOptions, MeasuringOptions),
    suggest_budget: (InputOptions, RuleOptions, UniformOptions, BudgetOptions),
    report: (InputOptions, MeasuringOptions, ReportOptions),
    rows_at: (InputOptions,),
    embed: (InputOptions,),
    Selection.extend: (InputOptions, RuleOptions, UniformOptions),
    Selection.fill: (InputOptions, RuleOptions, FillOptions),
    Selection.assignments: (InputOptions,),
    Selection.explain: (InputOptions,),
}

# These take the options of an earlier selection: None means the earlier value.
RESUMING = (
    *(Selection.extend, Selection.fill, Selection.assignments, Selection.explain),
    *(measure, compare, report),
)
