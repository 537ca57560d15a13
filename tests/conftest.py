import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "evenly",
    deadline=None,  # the machines that run this are shared and noisy
    max_examples=100,
    derandomize="CI" in os.environ,  # so that a run on CI can be repeated
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("evenly")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let property tests meet pools with isolated rows, which are right to be warned of."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            ignored = "ignore::evenly.errors.IsolatedRowsWarning"
            item.add_marker(pytest.mark.filterwarnings(ignored))
