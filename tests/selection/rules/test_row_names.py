"""Rows that are named by a file or an earlier result, as in memory."""

from __future__ import annotations

import numpy as np
import pytest

from evenly import Selection, deduplicate, select_uniform
from evenly.errors import DataError, ManifestError, OptionError, RowError
from evenly.inputs.prepare import prepare
from tests.support.rules import INPUTS, OPTIONS, RECORDS, mask, rules

ROWS = [7, 2, 4]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.txt").write_text("7\n2\n\n4\n")
    (tmp_path / "ids.txt").write_text("w7\nw2\nw4\n")
    (tmp_path / "rows.lst").write_bytes("7\r\n2\r\n4".encode("utf-16"))
    np.save(tmp_path / "rows.npy", np.array(ROWS))
    np.save(tmp_path / "mask.npy", mask(*ROWS))
    np.save(tmp_path / "ids.npy", np.array(["w7", "w2", "w4"]))


@pytest.fixture
def words():
    # Each test has its own, because prepared data remember what was read of a file.
    return prepare(RECORDS, INPUTS)


FILES = {
    "rows.txt": None,
    "rows.lst": None,
    "rows.npy": None,
    "ids.txt": "id",
    "ids.npy": "id",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_rows_in_its_order(words, tmp_path, name):
    for given in (name, tmp_path / name):
        assert rules(words, include=given, id_column=FILES[name]).include.tolist() == ROWS
        found = rules(words, exclude=given, id_column=FILES[name])
        assert found.excluded.tolist() == mask(*ROWS).tolist()


def test_a_mask_may_be_in_a_file(words):
    assert rules(words, include="mask.npy").include.tolist() == sorted(ROWS)


def test_a_result_from_the_same_data_names_its_rows(words):
    results = {
        "selection.json": select_uniform(RECORDS, 3, **OPTIONS),
        "distinct.json": deduplicate(RECORDS, to=3, **OPTIONS),
    }
    for name, result in results.items():
        rows = result.indices.tolist()
        result.save(name)
        for given in (result, name):
            assert rules(words, include=given).include.tolist() == rows
            assert rules(words, exclude=given).excluded.tolist() == mask(*rows).tolist()


def test_a_result_from_other_data_names_no_rows(words):
    fewer = select_uniform(RECORDS[:9], 3, **OPTIONS)
    changed = select_uniform([*RECORDS[:9], {"text": "other"}], 3, **OPTIONS)
    fewer.save("fewer.json")
    changed.save("changed.json")

    for given in (fewer, changed, "fewer.json", "changed.json"):
        for option in ("include", "exclude"):
            with pytest.raises(OptionError, match=f"{option} is a selection from other data"):
                rules(words, **{option: given})


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("gone.txt", None, OptionError, "include is the name of a file, 'gone.txt', which does"),
        ("rows.txt", b"1\ntwo\n", DataError, "rows.txt, line 2: 'two' is not a row.*id_column="),
        ("rows.txt", b"1\n10\n", RowError, "include names row 10"),
        ("rows.npy", b"\x93NUMPY", DataError, "rows.npy is not a complete .npy file"),
        ("first.json", b'{"indices": [1]}', ManifestError, "first.json is not a saved selection"),
    ],
)
def test_a_wrong_file_is_named(words, tmp_path, name, content, error, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(error, match=message):
        rules(words, include=name)


def test_a_selection_that_includes_a_manifest_is_resumed_without_it(tmp_path):
    first = select_uniform(RECORDS, 3, **OPTIONS)
    first.save("first.json")
    second = select_uniform(RECORDS, 5, include="first.json", **OPTIONS)
    assert second.indices[:3].tolist() == first.indices.tolist()
    assert second.provenance.options["include"] == "first.json"
    second.save("second.json")
    (tmp_path / "first.json").unlink()

    longer = Selection.load("second.json").extend(
        6, RECORDS, encoder=OPTIONS["encoder"], cache_dir=False
    )

    assert longer.indices[:5].tolist() == second.indices.tolist()
