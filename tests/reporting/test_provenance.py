"""Lines about where a result came from."""

from dataclasses import replace

from evenly import select_uniform
from evenly.reporting.provenance import text_line
from tests.support.encoders import TopicEncoder, texts_of


def test_truncated_texts_are_counted():
    texts = [*texts_of(5), "a" * (TopicEncoder().window + 1)]

    chosen = select_uniform(texts, 2, encoder=TopicEncoder())

    assert text_line(chosen.provenance).endswith(
        "embedded with TopicEncoder (1 text longer than its window, and cut)"
    )
    assert text_line(replace(chosen.provenance, encoder=None)) == chosen.provenance.text
