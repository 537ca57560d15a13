"""The pool of the demo."""

from collections import Counter

from evenly.samples.requests import demo_requests


def test_requests_repeat_one_another_but_no_text_occurs_twice():
    records = demo_requests()
    wordings = Counter(record["task"] for record in records)

    assert len({record["text"] for record in records}) == len(records) > 1000
    assert all(record["task"] in record["text"] for record in records)
    counts = list(wordings.values())
    assert (len(counts), counts[0], counts[-1]) == (80, 80, 2)
    assert counts == sorted(counts, reverse=True)
    assert demo_requests() == records
