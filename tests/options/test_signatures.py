"""Public signatures and docstrings agree with the declarations of options."""

import inspect
import re
import sys
from dataclasses import MISSING
from typing import Any

import pytest

from evenly import compare, estimate
from evenly.options import declared
from tests.support.verbs import RESUMING, VERBS

# Defaults that differ on purpose.
OWN_DEFAULTS = {
    (compare, "details"): True,  # a comparison shows all measures
    (estimate, "budget"): inspect.Parameter.empty,  # there is nothing to estimate without one
}

CASES = [
    pytest.param(verb, name, id=f"{verb.__qualname__}-{name}")
    for verb, classes in VERBS.items()
    for name in inspect.signature(verb).parameters
    if name in declared(*classes)
]


def resolve(annotation: Any, module: str) -> Any:
    if not isinstance(annotation, str):
        return annotation
    return eval(annotation, vars(sys.modules[module]))


def declared_type(verb: Any, name: str) -> Any:
    for owner in reversed(VERBS[verb]):
        if name in declared(owner):
            return resolve(declared(owner)[name][0].type, owner.__module__)
    raise AssertionError(name)


@pytest.mark.parametrize(("verb", "name"), CASES)
def test_a_default_is_the_declared_one(verb, name):
    default = inspect.signature(verb).parameters[name].default
    field, _ = declared(*VERBS[verb])[name]
    expected = inspect.Parameter.empty if field.default is MISSING else field.default

    if verb in RESUMING and default is None:
        return
    assert default == OWN_DEFAULTS.get((verb, name), expected)


@pytest.mark.parametrize(("verb", "name"), CASES)
def test_an_annotation_is_the_declared_one(verb, name):
    expected = declared_type(verb, name)
    if expected is Any:
        return
    found = resolve(inspect.signature(verb).parameters[name].annotation, verb.__module__)

    if (verb, name) in OWN_DEFAULTS or verb in RESUMING:
        assert found in (expected, expected | None) or found | None == expected
    else:
        assert found == expected


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__qualname__)
def test_the_docstring_describes_every_parameter(verb):
    doc = inspect.getdoc(verb)
    section = doc.partition("Args:\n")[2].partition("\n\n")[0]
    described = re.findall(r"^ {4}(\w[\w, ]*):", section, re.MULTILINE)
    names = [name.strip() for line in described for name in line.split(",")]
    parameters = [name for name in inspect.signature(verb).parameters if name != "self"]

    assert sorted(names) == sorted(parameters)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__qualname__)
def test_lines_of_docstrings_fit(verb):
    assert max(len(line) for line in inspect.getdoc(verb).splitlines()) <= 100
