"""Lines about steps."""

import time

import pytest

from evenly.cli.steps import step


def test_a_step_is_announced_and_goes_on(capsys):
    said, deadline = "", time.monotonic() + 60
    with step("counting", every=0.01):
        while "…" not in said:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            said += capsys.readouterr().err

    first, second, *_ = said.splitlines()
    assert first == "evenly: counting"
    assert second.startswith("evenly: counting … ")


def test_a_quiet_step_writes_nothing_and_a_failed_one_ends(capsys):
    with step("counting", quiet=True):
        pass
    assert capsys.readouterr().err == ""

    with pytest.raises(ValueError, match="broken"), step("counting", every=60):
        raise ValueError("broken")
    assert capsys.readouterr().err == "evenly: counting\n"
