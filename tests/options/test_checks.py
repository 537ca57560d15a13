"""Wrong values are rejected by the declarations, with the option, the value and what is allowed."""

import numpy as np
import pytest

from evenly import errors
from evenly.options import (
    DeduplicationOptions,
    EncoderOptions,
    InputOptions,
    MeasuringOptions,
    QualityOptions,
    RuleOptions,
    StreamOptions,
    UniformOptions,
)

NAN, INF = float("nan"), float("inf")

WRONG = [
    (EncoderOptions, "batch_size", (0, -1, 2.0, True, "8"), "a whole number, 1 or more"),
    (EncoderOptions, "max_length", (0, 1.5, "x"), "a whole number, 1 or more"),
    (EncoderOptions, "dtype", ("float64", 32), "one of float32, float16, bfloat16"),
    (EncoderOptions, "backend", ("jax", None), '"torch" or "onnx"'),
    (EncoderOptions, "trust_remote_code", ("yes", 1, None), "True or False"),
    (InputOptions, "normalize", ("no", 0, None), "True or False"),
    (InputOptions, "engine", ("gpu", None, 3), "one of auto, memory, cuda"),
    (InputOptions, "device", ("", None, 0), '"auto", "cpu"'),
    (InputOptions, "memory", ("much", 0, -1, NAN), "a number of bytes above 0, or a string"),
    (InputOptions, "on_invalid", ("skip", None), '"error" or "drop"'),
    (InputOptions, "cache_dir", (3, True, ""), "a path"),
    (InputOptions, "progress", ("yes", 1), "True or False"),
    (InputOptions, "encoder_options", ("float16", 3), "a mapping of names to values"),
    (RuleOptions, "budget", (0, -3), "at least 1 row"),
    (RuleOptions, "budget", (0.0, 1.5, NAN), "in (0, 1]"),
    (RuleOptions, "budget", ("8", True), "a whole number of rows or a fraction"),
    (RuleOptions, "min_distance", (-1, NAN, INF, "1"), "a finite distance, 0 or more"),
    (RuleOptions, "balance", ("even", 1), '"equal" or "proportional"'),
    (RuleOptions, "token_budget", (0, 1.5, "9"), "a whole number, 1 or more"),
    (RuleOptions, "quality_weight", (-1, NAN, INF, "1"), "a finite number, 0 or more"),
    (UniformOptions, "start", ("first", 1.5, True, None), '"farthest-from-mean", "medoid"'),
    (UniformOptions, "drop_outliers", (0, 1, 1.5, NAN, "1"), "between 0 and 1"),
    (UniformOptions, "checkpoint", (3, ""), "a path"),
    (UniformOptions, "seed", (-1, 0.5, None), "a whole number, 0 or more"),
    (QualityOptions, "method", ("greedy", None), '"packing" or "gist"'),
    (QualityOptions, "min_distance", (-1, NAN), "a finite distance, 0 or more"),
    (DeduplicationOptions, "min_distance", (-1, NAN), "a finite distance, 0 or more"),
    (DeduplicationOptions, "to", (0, 1.5), "at least 1 row|in (0, 1]"),
    (DeduplicationOptions, "keep", ("last", None), "one of first, longest, best"),
    (StreamOptions, "keep", (1, 2.5), "a whole number, 2 or more"),
    (StreamOptions, "batch_size", (0, None), "a whole number, 1 or more"),
    (StreamOptions, "second_pass", ("yes", 1), "True or False"),
    (MeasuringOptions, "random_subsets", (-1, 0.5, None), "a whole number, 0 or more"),
    (MeasuringOptions, "certificate", ("yes", 1, None), 'True, False or "thorough"'),
    (MeasuringOptions, "details", ("yes", 1), "True or False"),
]


@pytest.mark.parametrize(
    ("owner", "name", "value", "allowed"),
    [
        pytest.param(owner, name, value, allowed, id=f"{owner.__name__}-{name}-{value}")
        for owner, name, values, allowed in WRONG
        for value in values
    ],
)
def test_a_wrong_value_is_rejected(owner, name, value, allowed):
    required = {"quality": "column"} if owner is QualityOptions else {}

    with pytest.raises(errors.EvenlyError) as raised:
        owner(**{name: value}, **required)

    message = str(raised.value)
    assert name in message
    assert repr(value) in message
    assert any(one in message for one in allowed.split("|"))


def test_an_unknown_option_of_the_encoder_is_rejected():
    with pytest.raises(errors.OptionError, match=r"no option 'dtyp'.*batch_size, dtype, prompt"):
        InputOptions(encoder_options={"dtyp": "float16"})


def test_numpy_values_are_accepted():
    inputs = InputOptions(normalize=np.bool_(True), memory=np.int64(10**9))
    rules = RuleOptions(budget=np.int64(3), min_distance=np.float32(0.5))
    how = UniformOptions(seed=np.int32(4), start=np.int64(2))

    assert (inputs.normalize, inputs.memory) == (True, 10**9)
    assert (rules.budget, rules.min_distance) == (3, 0.5)
    assert (how.seed, how.start) == (4, 2)
