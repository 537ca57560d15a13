"""Texts in memory until they are embedded."""

import pytest

from evenly.inputs.kept_texts import KeptTexts

TEXTS = ["", "a cat", "Ж", "日本語 🎉", "", "x" * 700_000, "y" * 700_000, "last"]


def kept(texts, room):
    found = KeptTexts(room)
    for text in texts:
        found.add(text)
    return found


def test_texts_come_out_as_they_were_added_any_number_of_times():
    found = kept(TEXTS, 2e6)

    assert found.complete
    assert list(found) == TEXTS
    assert list(found) == TEXTS
    assert list(kept([], 0)) == []


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:5]])
def test_all_are_dropped_if_they_need_more_memory_than_there_is(texts):
    needed = sum(len(text.encode()) + 4 for text in texts)

    assert kept(texts, needed).complete
    assert not kept(texts, needed - 1).complete
    assert list(kept([*texts, "one more"], needed)) == []


def test_dropped_texts_are_not_complete():
    found = kept(TEXTS, 2e6)
    found.drop()
    found.add("another")

    assert not found.complete
    assert list(found) == []
