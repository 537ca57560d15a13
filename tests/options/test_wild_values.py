"""Whatever value an option gets, there is one error that names it, or the value is allowed."""

import inspect
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

from evenly import (
    Refine,
    Selection,
    UniformStream,
    compare,
    errors,
    select_by_quality,
    select_uniform,
)
from evenly.cli import main
from evenly.options import (
    BudgetOptions,
    DeduplicationOptions,
    EncoderOptions,
    FillOptions,
    InputOptions,
    MeasuringOptions,
    QualityOptions,
    ReportOptions,
    RuleOptions,
    StreamOptions,
    UniformOptions,
    declared,
)
from tests.support.encoders import TopicEncoder, texts_of
from tests.support.verbs import VERBS

OWNERS = (
    EncoderOptions,
    InputOptions,
    RuleOptions,
    UniformOptions,
    QualityOptions,
    DeduplicationOptions,
    StreamOptions,
    FillOptions,
    MeasuringOptions,
    BudgetOptions,
    ReportOptions,
)


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no words for this")


WILD = {
    "an object": object(),
    "an object without repr": Unprintable(),
    "a class": dict,
    "a function": len,
    "True": True,
    "-1": -1,
    "0": 0,
    "1": 1,
    "2.5": 2.5,
    "a huge int": 10**30,
    "an int of 5,000 digits": 10**5000,
    "a fraction beyond floats": Fraction(10**400),
    "nan": float("nan"),
    "inf": float("inf"),
    "a decimal": Decimal("0.5"),
    "a complex number": 1j,
    "an empty string": "",
    "no": "no",
    "auto": "auto",
    "equal": "equal",
    "a null character": "a\0b",
    "bytes": b"no",
    "an empty list": [],
    "a list of ints": [0, 1],
    "a list of words": ["a", "b"],
    "a list of empty words": [""],
    "an empty dict": {},
    "a dict": {"a": 1},
    "a set": {0},
    "a 0-d int array": np.array(1),
    "a 0-d float array": np.array(0.5),
    "a 0-d bool array": np.array(True),
    "an array": np.array([0, 1]),
    "an array of words": np.array(["a", "b"]),
    "an array of two dimensions": np.zeros((2, 2)),
    "an array of three dimensions": np.zeros((2, 2, 2)),
}

_PATHS = {"no", "auto", "equal"}
_ROWS = {
    *("an empty list", "a list of ints", "a list of words", "a list of empty words", "a set"),
    *("an array", "an array of words"),
}
_COLUMNS = _PATHS | _ROWS | {"a null character"}
_FUNCTIONS = {"a function", "a class"}
_WHOLE_FROM_1 = {"1"}
_WHOLE = {"0", "1"}
_NUMBERS = {"0", "1", "2.5", "a huge int"}
_ABOVE_0 = _NUMBERS - {"0"}
_FRACTIONS = {"1"}

ALLOWED = {
    "batch_size": _WHOLE_FROM_1,
    "max_length": _WHOLE_FROM_1,
    "dtype": set(),
    "backend": set(),
    "prompt": _PATHS | {"an empty string", "a null character"},
    "trust_remote_code": {"True"},
    "text": _PATHS | _FUNCTIONS | {"a list of words", "a null character"},
    "roles": _PATHS | {"a list of words", "a null character"},
    "encoder": _PATHS,
    "vectors": _PATHS | _ROWS | {"an array of two dimensions"},
    "similarity": {"-1", "0", "1"},
    "encoder_options": {"an empty dict"},
    "normalize": {"True"},
    "engine": {"auto"},
    "device": {"auto"},
    "cluster": {"auto"},
    "memory": {"1", "2.5", "a huge int"},
    "on_invalid": set(),
    "cache_dir": _PATHS,
    "progress": {"True"},
    "budget": {"1", "a huge int", "an int of 5,000 digits"},
    # A word may be the path of a file of rows; it is refused with the data.
    "include": _ROWS | _PATHS,
    "exclude": _ROWS | _PATHS,
    "away_from": _ROWS | _PATHS | {"an array of two dimensions"},
    "id_column": _COLUMNS,
    "groups": _COLUMNS,
    "costs": _COLUMNS,
    "count": _PATHS | _FUNCTIONS | {"a list of words", "a null character"},
    "quality": _COLUMNS,
    "quotas": {"a dict"},
    "balance": {"equal"},
    "min_distance": _NUMBERS,
    "token_budget": _WHOLE_FROM_1,
    "tokenizer": _PATHS | _FUNCTIONS,
    "quality_weight": _NUMBERS,
    "density_weight": _NUMBERS | {"-1"},
    "density_neighbours": _WHOLE_FROM_1,
    "density_search": set(),
    "start": {"-1", "0", "1", "a huge int", "an int of 5,000 digits"},
    "drop_outliers": set(),
    "max_outliers": _WHOLE_FROM_1,
    "refine": {"True", "an empty dict", "a dict"},
    "checkpoint": _PATHS,
    "seed": _WHOLE,
    "method": set(),
    "diversity_weight": _NUMBERS,
    "to": {"1", "a huge int", "an int of 5,000 digits"},
    "keep": set(),
    "second_pass": {"True"},
    "seconds": _ABOVE_0,
    "random_subsets": _WHOLE,
    "certificate": {"True"},
    "details": {"True"},
    "exact": {"True"},
    "h_min": _NUMBERS,
    "coverage_radius": _NUMBERS,
    "tokens": _WHOLE_FROM_1,
    "beside": {"an empty dict", "a dict"},
    "color_by": _PATHS | {"a list of words", "a null character"},
    "projection": set(),
}
DIFFERENT = {
    (StreamOptions, "keep"): set(),
    (FillOptions, "min_distance"): _ABOVE_0,
    (StreamOptions, "batch_size"): _WHOLE_FROM_1,
}

Case = namedtuple("Case", ["owner", "name"])
CASES = [Case(owner, name) for owner in OWNERS for name in declared(owner)]


def allowed(owner, name):
    return DIFFERENT.get((owner, name), ALLOWED[name])


def names_it(error, name):
    message = str(error)
    assert name in message
    assert len(message) < 1000
    assert "\n" not in message


@pytest.mark.parametrize(("owner", "name"), CASES, ids=lambda one: getattr(one, "__name__", one))
def test_every_declared_option_allows_what_it_can_use_and_rejects_the_rest(owner, name):
    required = {"quality": "column"} if owner is QualityOptions else {}
    found = set()
    for what, value in WILD.items():
        try:
            owner(**{**required, name: value})
        except errors.EvenlyError as error:
            names_it(error, name)
        else:
            found.add(what)

    assert found == allowed(owner, name)


RECORDS = [{"text": text, "q": 1.0} for text in texts_of(6)]


class Untouched:
    def encode(self, texts):
        raise AssertionError("a text was embedded")


@pytest.fixture(scope="module")
def selection():
    return select_uniform(RECORDS, 2, text="text", encoder=TopicEncoder())


def call(verb, selection, options):
    """Call a verb with data, an encoder that must not be called, and an option."""
    options = {"encoder": Untouched(), **options}
    if verb.__qualname__.startswith("Selection."):
        first = {"extend": (4,), "explain": (3,)}.get(verb.__name__, ())
        return verb(selection, *first, RECORDS, **options)
    if verb is UniformStream.__init__:
        return UniformStream(**{"budget": 2, **options})
    if verb is compare:
        return verb({"a": [0, 1]}, RECORDS, **options)
    if verb is select_by_quality:
        return verb(RECORDS, **{"budget": 2, "quality": "q", **options})
    if verb.__name__ == "deduplicate":
        return verb(
            RECORDS,
            **({} if {"to", "similarity"} & set(options) else {"min_distance": 0.1}) | options,
        )
    if verb.__name__ in ("embed",):
        return verb(RECORDS, **options)
    if verb.__name__ == "measure":
        return verb(RECORDS, [0, 1], **options)
    if verb.__name__ == "report":
        return verb(selection, RECORDS, **options)
    if verb.__name__ == "rows_at":
        return verb(RECORDS, 0.5, **options)
    return verb([RECORDS] if "stream" in verb.__name__ else RECORDS, **{"budget": 2, **options})


def owner_of(verb, name):
    return [owner for owner in VERBS[verb] if name in declared(owner)][-1]


PARAMETERS = [
    (verb, name)
    for verb, classes in VERBS.items()
    for name in inspect.signature(verb).parameters
    if name in declared(*classes)
]


@pytest.mark.parametrize(
    ("verb", "name"), PARAMETERS, ids=lambda one: getattr(one, "__qualname__", one)
)
def test_every_verb_rejects_a_wild_value_before_the_work(selection, verb, name):
    owner = owner_of(verb, name)
    for what, value in WILD.items():
        if what in allowed(owner, name):
            continue
        with pytest.raises(errors.EvenlyError) as raised:
            call(verb, selection, {name: value})
        names_it(raised.value, name)


@pytest.mark.parametrize("what", WILD)
def test_arguments_that_are_no_options(selection, what):
    value = WILD[what]
    calls = {
        "extend": lambda: selection.extend(value, RECORDS, encoder=Untouched()),
        "explain": lambda: selection.explain(value, RECORDS, encoder=Untouched()),
        "prefix": lambda: selection.prefix(value),
        "stream": lambda: UniformStream(value),
        "compare": lambda: compare({"a": value}, RECORDS, text="text", encoder=Untouched()),
        "seconds": lambda: Refine(seconds=value),
        "method": lambda: Refine(method=value),
        "seed": lambda: Refine(seed=value),
    }
    fine = {
        "explain": {"0", "1"},
        "prefix": {"1"},
        "stream": {"1", "a huge int", "an int of 5,000 digits"},
        "compare": {"a list of ints", "an array"},
        "seconds": _ABOVE_0,
        "seed": _WHOLE,
    }
    for name, act in calls.items():
        if what not in fine.get(name, ()):
            with pytest.raises(errors.EvenlyError):
                act()


def test_a_selection_can_be_named_as_rows(selection):
    assert isinstance(selection, Selection)
    for name in ("include", "exclude", "away_from"):
        RuleOptions(**{name: selection})


def test_a_quota_of_bytes_is_no_pair():
    with pytest.raises(errors.QuotaError, match="the quota of 'a' must be"):
        select_uniform(RECORDS, 2, groups="q", quotas={"a": b"ab"})


@pytest.mark.parametrize(
    "name", ["cuda:99", "cuda:x", "cuda:-1", "meta", "gpu", "CUDA", "cpu ", "cuda:1:1", "tpu"]
)
def test_a_device_that_this_machine_has_not(name):
    with pytest.raises(
        errors.OptionError, match='device must be "auto", "cpu", or a device of'
    ) as e:
        InputOptions(device=name)
    assert repr(name) in str(e.value)


WORDS = ("", "no", "-1", "nan", "1e999", "9" * 30, "☃", "a,b", "0.5", "True", ",")
FLAGS = [
    (command, parameter.opts[0])
    for command, one in main.commands.items()
    for parameter in one.params
    if parameter.opts[0].startswith("--") and not getattr(parameter, "is_flag", False)
    if command != "demo"
]
ARGUMENTS = {
    "select-by-quality": ["--quality", "q"],
    "measure": ["subset.npy"],
    "compare": ["subset.npy"],
    "explain": ["1"],
}


@pytest.mark.parametrize(("command", "flag"), FLAGS)
def test_no_word_on_the_command_line_ends_in_a_traceback(tmp_path, monkeypatch, command, flag):
    monkeypatch.chdir(tmp_path)
    np.save("subset.npy", np.array([0]))
    given = ["nope.jsonl", *ARGUMENTS.get(command, [])]
    for word in WORDS:
        ran = CliRunner().invoke(main, [command, *given, flag, word], catch_exceptions=False)

        assert ran.exit_code == 2
        assert ran.stdout == ""
        *_, last = ran.stderr.splitlines()
        assert "Traceback" not in ran.stderr
        assert "None" not in last.replace(repr(word), "")
