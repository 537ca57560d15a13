"""The key of a run: what its picks depend on."""

import dataclasses

from evenly.selection.results.run_key import RunKey

KEY = RunKey({"vectors": "sha256:0", "start": 3}, {"input": "x"})


def test_a_key_compares_what_decides_the_picks_and_not_its_labels():
    other_words = dataclasses.replace(KEY, labels={"input": "y"})

    assert KEY.differs_from(other_words) is None
    assert KEY.differs_from(KEY) is None
    for name in KEY.inputs:
        other = dataclasses.replace(KEY, inputs=KEY.inputs | {name: "else"})
        assert KEY.differs_from(other)
    assert "input: x then, y now" in dataclasses.replace(KEY, labels={"input": "x"}).differs_from(
        RunKey({"vectors": "sha256:1", "start": 3}, {"input": "y"})
    )
